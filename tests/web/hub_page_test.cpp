// The page in a browser, on the real tierd and tierweb: tests/web/hub.mjs is what the person does.
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>

#include "tests/hub/tierweb_fixture.h"

namespace tierhub::test {
namespace {

namespace fs = std::filesystem;

// An MRC file of unsigned 16-bit numbers: 0 on the left, 4000 on the right.
std::string two_halves() {
  constexpr size_t kSide = 512;
  std::string bytes(1024, '\0');
  const auto put = [&](size_t at, uint32_t value) {
    for (size_t i = 0; i < 4; ++i) bytes[at + i] = static_cast<char>(value >> (8 * i));
  };
  put(0, kSide);
  put(4, kSide);
  put(8, 1);
  put(12, 6);  // unsigned 16 bits
  for (size_t i = 0; i < 3; ++i) put(28 + 4 * i, i < 2 ? kSide : 1);
  for (size_t i = 0; i < 3; ++i) put(64 + 4 * i, static_cast<uint32_t>(i) + 1);
  bytes.replace(208, 4, "MAP ");
  bytes.replace(212, 4, std::string("\x44\x44\0\0", 4));
  constexpr uint16_t kBright = 4000;
  for (size_t i = 0; i < kSide * kSide; ++i) {
    const uint16_t value = i % kSide < kSide / 2 ? 0 : kBright;
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

class HubPage : public TierwebTest {
 protected:
  void SetUp() override {
    const auto made =
        run_command({program("imgop"), "synth", "--nuclei", "40", "--shape", "16,256,256", "--seed",
                     "3", "--out", tier.in_archive("brain42/scan.ome.zarr")});
    ASSERT_EQ(made.exit_code, 0) << made.text << made.err;
    write_file(tier.in_archive("brain42/halves.mrc"), two_halves());
    make_plate(tier.in_archive("plates/screen.ome.zarr"), tier.in_archive("brain42/scan.ome.zarr"));
    // tierd waits for files that were changed a moment ago.
    for (const auto& entry : fs::recursive_directory_iterator(tier.archive))
      fs::last_write_time(entry, fs::file_time_type::clock::now() - std::chrono::hours(1));
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
  }

  pid_t agent_ = -1;
};

TEST_F(HubPage, ShowsAMicroscopistTheirDataAndAnalysesIt) {
  ASSERT_TRUE(fs::exists(page_ + "/index.html")) << "the page is not built: scripts/build.sh";
  const std::string link = start_and_print_link();
  const auto visit = run_command(
      {"node", "--test", "--test-reporter=spec", TIERHUB_SOURCE_DIR "/tests/web/hub.mjs"},
      {"LINK=" + link, "TIERWEB=" + std::to_string(tierweb_), "IMAGE=/brain42/scan.ome.zarr",
       "HALVES=/brain42/halves.mrc", "PLATE=/plates/screen.ome.zarr"},
      std::chrono::seconds(400));
  EXPECT_EQ(visit.exit_code, 0) << visit.out << visit.err;
  EXPECT_THAT(visit.out, ::testing::HasSubstr("pass 10")) << visit.out;
}

}  // namespace
}  // namespace tierhub::test
