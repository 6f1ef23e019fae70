// The page in a browser, on the real tierd and tierweb: tests/web/hub.mjs is what the person does.
#include <filesystem>
#include <fstream>
#include <future>
#include <memory>

#include <gmock/gmock.h>

#include "tests/hub/tierweb_fixture.h"
#include "tests/support/faulty_folder.h"

namespace tierhub::test {
namespace {

namespace fs = std::filesystem;

// An MRC file of unsigned 16-bit numbers with six planes: those of odd numbers (from 0) are 0 on the left and 4000 on
// the right, the others the other way round.
std::string two_halves() {
  constexpr size_t kSide = 512;
  constexpr size_t kPlanes = 6;
  std::string bytes(1024, '\0');
  const auto put = [&](size_t at, uint32_t value) {
    for (size_t i = 0; i < 4; ++i) bytes[at + i] = static_cast<char>(value >> (8 * i));
  };
  put(0, kSide);
  put(4, kSide);
  put(8, kPlanes);
  put(12, 6);  // unsigned 16 bits
  for (size_t i = 0; i < 3; ++i) put(28 + 4 * i, i < 2 ? kSide : kPlanes);
  for (size_t i = 0; i < 3; ++i) put(64 + 4 * i, static_cast<uint32_t>(i) + 1);
  put(88, 1);  // a volume
  bytes.replace(208, 4, "MAP ");
  bytes.replace(212, 4, std::string("\x44\x44\0\0", 4));
  constexpr uint16_t kBright = 4000;
  for (size_t i = 0; i < kSide * kSide * kPlanes; ++i) {
    const bool is_left = i % kSide < kSide / 2;
    const bool is_odd = i / (kSide * kSide) % 2 != 0;
    const uint16_t value = is_left == is_odd ? 0 : kBright;
    bytes += static_cast<char>(value & 0xff);
    bytes += static_cast<char>(value >> 8);
  }
  return bytes;
}

// A plate of two wells, each with a copy of the image as its only field.
void make_plate(const fs::path& plate, const fs::path& image) {
  const auto group = [&](const std::string& folder, const std::string& attributes) {
    fs::create_directories(plate / folder);
    write_file(plate / folder / ".zgroup", R"({"zarr_format": 2})");
    if (!attributes.empty()) write_file(plate / folder / ".zattrs", attributes);
  };
  group("", R"({"plate": {"name": "Screen", "rows": [{"name": "A"}, {"name": "B"}],
    "columns": [{"name": "1"}, {"name": "2"}], "wells": [
    {"path": "A/1", "rowIndex": 0, "columnIndex": 0}, {"path": "B/2", "rowIndex": 1, "columnIndex": 1}]}})");
  for (const std::string well : {"A/1", "B/2"}) {
    group(well.substr(0, 1), "");
    group(well, R"({"well": {"images": [{"path": "0"}]}})");
    fs::copy(image, plate / well / "0", fs::copy_options::recursive);
  }
}

// An image whose full resolution is bright, and whose small level is darker: one sees which of them is shown.
void make_two_levels(const fs::path& image) {
  const auto level = [&](const std::string& name, size_t side, char value) {
    const std::string text = std::to_string(side);
    fs::create_directories(image / name);
    write_file(image / name / ".zarray", R"({"zarr_format": 2, "shape": [)" + text + ", " + text +
                                             R"(], "chunks": [)" + text + ", " + text +
                                             R"(], "dtype": "|u1", "compressor": null,
      "fill_value": 0, "order": "C", "filters": null})");
    write_file(image / name / "0.0", std::string(side * side, value));
  };
  level("0", 1024, '\xc8');
  level("1", 512, '\x50');
  write_file(image / ".zgroup", R"({"zarr_format": 2})");
  write_file(image / ".zattrs", R"({"multiscales": [{"version": "0.4", "axes": ["y", "x"],
    "datasets": [{"path": "0"}, {"path": "1"}]}]})");
}

class HubPage : public TierwebTest {
 protected:
  void SetUp() override {
    const fs::path archive = tier.folder("backing");
    const auto made =
        run_command({program("imgop"), "synth", "--nuclei", "40", "--shape", "16,256,256", "--seed",
                     "3", "--out", archive / "brain42/scan.ome.zarr"});
    ASSERT_EQ(made.exit_code, 0) << made.text << made.err;
    write_file(archive / "brain42/halves.mrc", two_halves());
    make_plate(archive / "plates/screen.ome.zarr", archive / "brain42/scan.ome.zarr");
    make_two_levels(archive / "slow/two-levels.ome.zarr");
    make_two_levels(archive / "wide/plane.ome.zarr");
    // tierd waits for files that were changed a moment ago.
    for (const auto& entry : fs::recursive_directory_iterator(archive))
      fs::last_write_time(entry, fs::file_time_type::clock::now() - std::chrono::hours(1));
    archive_ =
        std::make_unique<FaultyFolder>(archive, tier.archive, tier.folder("faults") + "/now");
    TierwebTest::SetUp();
    page_ = TIERHUB_SOURCE_DIR "/web/dist";
    agent_ =
        start_program({program("tieragent"), "--watch", place_ / "jobs", "--work", place_ / "work",
                       "--allow-root", "--workers", "2", "--socket", tier.client().socket_path()},
                      {}, STDERR_FILENO);
    eventually("tierd knows the agent", [&] { return tier.client().agents()->size() == 1; });
  }
  void TearDown() override {
    if (agent_ > 0) {
      ::kill(agent_, SIGTERM);
      wait_for_exit(agent_, std::chrono::seconds(20));
    }
    TierwebTest::TearDown();
    if (tier.running()) tier.kill();
    archive_.reset();
  }

  // What the visit asks for, by a file: it waits until that is gone.
  void do_what_is_asked(const std::string& link) {
    const fs::path ask = place_ / "ask";
    if (!fs::exists(ask)) return;
    const std::string what = read_file(ask);
    if (what == "kill tierweb") kill_tierweb();
    if (what == "kill tierd") tier.kill();
    if (what == "start tierd") tier.start();
    if (what == "slow archive") archive_->set({"rate 200000"});
    if (what == "quick archive") archive_->clear();
    if (what == "start tierweb") {
      const std::string port = link.substr(link.rfind(':') + 1);
      write_file(place_ / "link",
                 start_and_print_link({}, {"--port", port.substr(0, port.find('/'))}));
    }
    fs::remove(ask);
  }

  std::unique_ptr<FaultyFolder> archive_;
  pid_t agent_ = -1;
};

TEST_F(HubPage, ShowsAMicroscopistTheirDataAndAnalysesIt) {
  ASSERT_TRUE(fs::exists(page_ + "/index.html")) << "the page is not built: scripts/build.sh";
  const std::string link = start_and_print_link();
  auto visiting = std::async(std::launch::async, [&, tierweb = tierweb_] {
    return run_command(
        {"node", "--test", "--test-reporter=spec", TIERHUB_SOURCE_DIR "/tests/web/hub.mjs"},
        {"LINK=" + link, "TIERWEB=" + std::to_string(tierweb), "IMAGE=/brain42/scan.ome.zarr",
         "HALVES=/brain42/halves.mrc", "PLATE=/plates/screen.ome.zarr",
         "LEVELS=/slow/two-levels.ome.zarr", "WIDE=/wide/plane.ome.zarr",
         "PLACE=" + std::string(place_ / "")},
        std::chrono::seconds(400));
  });
  while (visiting.wait_for(std::chrono::milliseconds(50)) != std::future_status::ready)
    do_what_is_asked(link);
  const auto visit = visiting.get();
  EXPECT_EQ(visit.exit_code, 0) << visit.out << visit.err;
  EXPECT_THAT(visit.out, ::testing::HasSubstr("pass 13")) << visit.out;
}

}  // namespace
}  // namespace tierhub::test
