// scripts/demo.sh, as a newcomer runs it: it checks its own results; here is what it must also have
// shown of staging and of work in parallel.
#include <algorithm>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/support/tier_fixture.h"

namespace tierhub::testing {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

CommandResult run_demo(const std::string& results, const std::vector<std::string>& arguments) {
  std::vector<std::string> argv = {std::string(TIERHUB_SOURCE_DIR) + "/scripts/demo.sh"};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  return run_command(argv,
                     {"TIERHUB_DEMO_OUT=" + results,
                      "TIERHUB_BIN_DIR=" + fs::path(program("tierd")).parent_path().string()},
                     std::chrono::seconds(280));
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

TEST(Demo, OfAVolumeStagesAllThatItNeedsAndWorksInParallel) {
  const TemporaryDirectory results;
  const CommandResult demo = run_demo(results.path(), {});
  ASSERT_EQ(demo.exit_code, 0) << demo.text;
  EXPECT_THAT(demo.out, ::testing::HasSubstr("files are cold"));
  EXPECT_THAT(demo.out, ::testing::HasSubstr("files are hot"));
  EXPECT_THAT(demo.out, ::testing::HasSubstr("unmounted cleanly"));
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
}  // namespace tierhub::testing
