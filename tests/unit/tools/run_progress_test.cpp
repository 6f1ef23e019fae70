#include "tools/tierctl/run_progress.h"

#include <gtest/gtest.h>

namespace tierhub::tierctl {
namespace {

using std::chrono::seconds;
using Json = nlohmann::json;

constexpr SteadyClock::time_point kBegin{seconds(100)};

TEST(RunProgress, ALineSaysHowFarHowFastAndWhatIsWaitedFor) {
  Json status = {{"state", "running"}, {"tasks_done", 12},    {"tasks_total", 1040},
                 {"tasks_running", 2}, {"tasks_failed", 1},   {"tasks_skipped", 0},
                 {"eta_s", 40},        {"waits_for", "room"}, {"bytes_staged", 1 << 20}};
  RunRate rate;
  EXPECT_EQ(progress_line(status, rate),
            "running: 12 of 1,040 tasks, 2 running, 1 failed, 40 s left; waits: room");
  rate.add(kBegin, 2, 0);
  rate.add(kBegin + seconds(1), 4, 0);
  EXPECT_EQ(rate.tasks_per_s(), std::nullopt) << "too early";
  rate.add(kBegin + seconds(20), 12, 20.0 * (1 << 20));
  EXPECT_EQ(progress_line(status, rate),
            "running: 12 of 1,040 tasks, 2 running, 1 failed, 30.0 tasks/min, 1.0 MiB/s fetched, "
            "40 s left; waits: room");
  rate.add(kBegin + seconds(50), 72, 20.0 * (1 << 20));
  EXPECT_DOUBLE_EQ(rate.tasks_per_s().value(), 2) << "of the last half minute alone";
  status["state"] = "done";
  EXPECT_EQ(progress_line(status, rate), "done: 12 of 1,040 tasks, 2 running, 1 failed");
}

TEST(RunProgress, NamesTheNodesThatAreNotUsedAndWhy) {
  const Json status = {{"state", "running"},
                       {"tasks_done", 1},
                       {"tasks_total", 2},
                       {"nodes",
                        {{{"node", "node1"}, {"used", true}, {"fault", ""}},
                         {{"node", "node3"}, {"used", false}, {"fault", "its \033 is full"}}}}};
  const std::string line = progress_line(status, {});
  EXPECT_EQ(line.find("node1"), std::string::npos);
  EXPECT_NE(line.find("; node3 is not used: its "), std::string::npos) << line;
  EXPECT_EQ(line.find('\033'), std::string::npos);
}

TEST(RunProgress, EachStepHasABar) {
  const Json status = {
      {"steps",
       {{{"step", "segment"}, {"total", 4}, {"done", 1}, {"running", 2}, {"failed", 1}},
        {{"step", "join"}, {"total", 1}, {"done", 0}, {"skipped", 0}}}}};
  const std::vector<std::string> lines = step_lines(status, 100);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0], "  segment [===============>              ] 1/4, 2 running, 1 failed");
  EXPECT_EQ(lines[1], "  join    [>                             ] 0/1");
  EXPECT_EQ(step_lines(status, 10)[0].size(), 10u);
}

TEST(RunProgress, WhatAUsersProcessWroteCannotSteerTheTerminal) {
  const Json status = {{"state", "running"},
                       {"waits_for", "\033[2J"},
                       {"tasks_total", "many"},
                       {"steps", {{{"step", "\033"}, {"total", -4}}, 7, nullptr}}};
  EXPECT_EQ(progress_line(status, {}).find('\033'), std::string::npos);
  ASSERT_EQ(step_lines(status, 80).size(), 1u);
  EXPECT_EQ(step_lines(status, 80)[0].find('\033'), std::string::npos);
  EXPECT_TRUE(step_lines(Json::object(), 80).empty());
}

TEST(RunProgress, OfVeryManyStepsThoseUnderWayAreShown) {
  Json steps = Json::array();
  for (int i = 0; i < 100; ++i)
    steps.push_back(
        {{"step", "s" + std::to_string(i)}, {"total", 2}, {"done", i < 50 ? 2 : i == 50}});
  const std::vector<std::string> lines = step_lines({{"steps", steps}}, 80);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_TRUE(lines[0].starts_with("  s50 ")) << lines[0];
  EXPECT_EQ(lines[1], "  and 99 more steps");
}

}  // namespace
}  // namespace tierhub::tierctl
