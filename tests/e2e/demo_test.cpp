// scripts/demo.sh, as a newcomer runs it: it checks its own results; here is what it must also have
// shown of staging and of work in parallel.
#include <algorithm>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/hub/browser.h"
#include "tests/support/tier_fixture.h"

namespace tierhub::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

Environment demo_environment(const std::string& results) {
  return {"TIERHUB_DEMO_OUT=" + results,
          "TIERHUB_BIN_DIR=" + fs::path(program("tierd")).parent_path().string()};
}

const std::string kDemo = std::string(TIERHUB_SOURCE_DIR) + "/scripts/demo.sh";

CommandResult run_demo(const std::string& results, const std::vector<std::string>& arguments) {
  std::vector<std::string> argv = {kDemo};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  return run_command(argv, demo_environment(results), std::chrono::seconds(280));
}

// Times of status.json compare as text: they are all "2026-01-02T03:04:05.678Z".
using Interval = std::pair<std::string, std::string>;

double seconds_between(const std::string& begin, const std::string& end) {
  const auto of_day = [](const std::string& text) {
    return std::stoi(text.substr(11, 2)) * 3600 + std::stoi(text.substr(14, 2)) * 60 +
           std::stod(text.substr(17, 6));
  };
  const double s = of_day(end) - of_day(begin);
  return s < 0 ? s + 86400 : s;
}

// How long at least two of the tasks ran at the same time.
double overlap_s(const json& tasks) {
  std::vector<std::pair<std::string, int>> events;
  for (const json& task : tasks) {
    events.emplace_back(task.at("start").get<std::string>(), 1);
    events.emplace_back(task.at("end").get<std::string>(), -1);
  }
  std::sort(events.begin(), events.end());
  double total = 0;
  int running = 0;
  for (size_t i = 0; i + 1 < events.size(); ++i) {
    running += events[i].second;
    if (running >= 2) total += seconds_between(events[i].first, events[i + 1].first);
  }
  return total;
}

json read_json(const std::string& path) { return json::parse(read_file(path)); }

// A grey 8-bit TIFF in one strip: a dark square with a bright disc.
std::string tiff_of_a_disc(uint32_t width, uint32_t height) {
  std::string bytes = "II*";
  const auto put = [&](uint64_t value, int count) {
    for (int i = 0; i < count; ++i) bytes.push_back(static_cast<char>(value >> (8 * i)));
  };
  const auto entry = [&](uint16_t tag, uint16_t type, uint32_t value) {
    put(tag, 2);
    put(type, 2);
    put(1, 4);
    put(value, 4);
  };
  constexpr uint16_t kShort = 3;
  constexpr uint16_t kLong = 4;
  constexpr uint16_t kEntries = 9;
  constexpr uint32_t kPixels = 8 + 2 + kEntries * 12 + 4;
  put(0, 1);
  put(8, 4);
  put(kEntries, 2);
  entry(256, kLong, width);
  entry(257, kLong, height);
  entry(258, kShort, 8);  // bits
  entry(259, kShort, 1);  // not compressed
  entry(262, kShort, 1);  // zero is black
  entry(273, kLong, kPixels);
  entry(277, kShort, 1);  // one sample a pixel
  entry(278, kLong, height);
  entry(279, kLong, width * height);
  put(0, 4);
  for (uint32_t y = 0; y < height; ++y) {
    for (uint32_t x = 0; x < width; ++x) {
      const double dy = y - height / 2.0;
      const double dx = x - width / 2.0;
      bytes.push_back(static_cast<char>(dx * dx + dy * dy < width * height / 16.0 ? 200 : 20));
    }
  }
  return bytes;
}

TEST(Demo, OfAFolderOfTiffsWorksOnACopy) {
  const TemporaryDirectory results;
  const TemporaryDirectory images;
  write_file(images / "one.tif", tiff_of_a_disc(96, 64));
  write_file(images / "two.TIFF", tiff_of_a_disc(64, 64));
  write_file(images / "notes.txt", "not an image");
  const Tree before = describe_tree(images.path());
  const CommandResult demo = run_demo(results.path(), {images.path()});
  ASSERT_EQ(demo.exit_code, 0) << demo.text;
  EXPECT_THAT(demo.out, ::testing::HasSubstr("one: 1 objects, equal tables"));
  EXPECT_THAT(demo.out, ::testing::HasSubstr("two: 1 objects, equal tables"));
  EXPECT_TRUE(fs::exists(results / "one.png"));
  EXPECT_THAT(differences(before, describe_tree(images.path())), ::testing::IsEmpty());
}

// What demo.sh --keep says and does: somebody looks at its page, and ends it.
std::string visit_demo(const std::string& results) {
  const std::string said = results + "/said";
  const UniqueFd log(::open(said.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  const pid_t demo = start_program({kDemo, "--keep"}, demo_environment(results), log.get());
  const auto ends_early = [&] { return ::waitpid(demo, nullptr, WNOHANG) != 0; };
  const auto stays = [&] {
    return read_file(said).find("The link works once.") != std::string::npos;
  };
  eventually(
      "the demo prints its link", [&] { return stays() || ends_early(); },
      std::chrono::seconds(280));
  if (!stays()) return read_file(said) + "\nit ended";
  const std::string text = read_file(said);
  const size_t at = text.rfind("http://127.0.0.1:") + std::string_view("http://127.0.0.1:").size();
  const std::string link = text.substr(at, text.find('\n', at) - at);
  Browser browser(static_cast<uint16_t>(std::stoul(link)));
  EXPECT_EQ(browser.get(link.substr(link.find('/'))).status, 303);
  EXPECT_EQ(browser.get("/").status, 200);
  const Answer datasets = browser.get("/api/datasets?path=%2Fbrain42");
  EXPECT_THAT(datasets.body, ::testing::HasSubstr("/brain42/scan.ome.zarr"));
  ::kill(demo, SIGTERM);
  EXPECT_EQ(wait_for_exit(demo, std::chrono::seconds(30)), 0);
  return read_file(said);
}

TEST(Demo, OfAVolumeStagesAllThatItNeedsAndWorksInParallelAndStays) {
  const TemporaryDirectory results;
  const std::string said = visit_demo(results.path());
  EXPECT_THAT(said, ::testing::HasSubstr("files are cold"));
  EXPECT_THAT(said, ::testing::HasSubstr("files are hot"));
  EXPECT_THAT(said, ::testing::HasSubstr("the page shows /brain42/scan.ome.zarr"));
  ASSERT_THAT(said, ::testing::HasSubstr("unmounted cleanly"));
  EXPECT_THAT(said, ::testing::Not(::testing::HasSubstr("has not changed for")))
      << "a run waits for files that were made a moment ago";
  EXPECT_GT(fs::file_size(results / "outlines.png"), 1000u);

  const json status = read_json(results / "status.json");
  const json one = read_json(results / "1-workers/status.json");
  EXPECT_EQ(status.at("recall_bytes"), 0) << "a task waited for its data";
  EXPECT_EQ(status.at("prefetch_bytes"), one.at("bytes_copied"));
  EXPECT_EQ(status.at("prefetch_bytes").get<uint64_t>(),
            std::stoull(read_file(results / "selected_bytes")))
      << "the chunks of the selection, and the metadata";

  const json two = read_json(results / "2-workers/status.json");
  EXPECT_GE(overlap_s(two.at("tasks")), two.at("wall_s").get<double>() / 2) << two.dump(1);
  EXPECT_EQ(overlap_s(one.at("tasks")), 0);
}

}  // namespace
}  // namespace tierhub::test
