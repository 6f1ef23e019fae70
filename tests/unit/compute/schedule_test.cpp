#include "compute/workflow/schedule.h"

#include <gtest/gtest.h>

namespace tierhub::compute {
namespace {

Workflow workflow_of(const std::string& steps) {
  Result<Workflow> parsed =
      parse_workflow("workflow: w\ninput: {dataset: d}\nscatter: {by: file}\nsteps:\n" + steps);
  EXPECT_TRUE(parsed) << parsed.error().text();
  return *std::move(parsed);
}

using Tasks = std::set<TaskId>;

TEST(Schedule, AStepThatWaitsForNothingIsReadyAtOnce) {
  const Schedule schedule(workflow_of("  - {id: a, run: [t]}\n  - {id: b, run: [t]}\n"), 2);
  EXPECT_EQ(schedule.total(), 4u);
  EXPECT_EQ(schedule.ready(), (Tasks{{0, 0}, {0, 1}, {1, 0}, {1, 1}}));
}

TEST(Schedule, AfterWaitsForTheSameItemAlone) {
  Schedule schedule(workflow_of("  - {id: a, run: [t]}\n  - {id: b, run: [t], after: a}\n"), 2);
  schedule.take({0, 0});
  schedule.take({0, 1});
  EXPECT_TRUE(schedule.ready().empty());
  schedule.mark_done({0, 1});
  EXPECT_EQ(schedule.ready(), (Tasks{{1, 1}}));
}

TEST(Schedule, GatherRunsOnceAfterAllTasks) {
  Schedule schedule(workflow_of("  - {id: a, run: [t]}\n  - {id: b, run: [t], gather: a}\n"), 3);
  EXPECT_EQ(schedule.tasks_of(1), 1u);
  schedule.mark_done({0, 0});
  schedule.mark_done({0, 2});
  EXPECT_EQ(schedule.ready(), (Tasks{{0, 1}}));
  schedule.mark_done({0, 1});
  EXPECT_EQ(schedule.ready(), (Tasks{{1, 0}}));
}

TEST(Schedule, AfterAStepThatRunsOnceAllItemsStart) {
  Schedule schedule(workflow_of("  - {id: a, run: [t]}\n  - {id: b, run: [t], gather: a}\n"
                                "  - {id: c, run: [t], after: b}\n"),
                    2);
  schedule.mark_done({0, 0});
  schedule.mark_done({0, 1});
  EXPECT_EQ(schedule.ready(), (Tasks{{1, 0}}));
  schedule.mark_done({1, 0});
  EXPECT_EQ(schedule.ready(), (Tasks{{2, 0}, {2, 1}}));
}

TEST(Schedule, AStepThatGathersAndComesAfterAnotherWaitsForAllOfBoth) {
  Schedule schedule(workflow_of("  - {id: a, run: [t]}\n  - {id: b, run: [t]}\n"
                                "  - {id: c, run: [t], gather: a, after: b}\n"),
                    2);
  schedule.mark_done({0, 0});
  schedule.mark_done({0, 1});
  schedule.mark_done({1, 0});
  EXPECT_EQ(schedule.ready(), (Tasks{{1, 1}}));
  schedule.mark_done({1, 1});
  EXPECT_EQ(schedule.ready(), (Tasks{{2, 0}}));
}

TEST(Schedule, ATaskThatRunsIsNotReadyAgainWhenItsStepsAreDone) {
  Schedule schedule(workflow_of("  - {id: a, run: [t]}\n  - {id: b, run: [t], after: a}\n"), 2);
  schedule.mark_done({0, 0});
  schedule.take({1, 0});
  schedule.mark_done({0, 1});
  EXPECT_EQ(schedule.ready(), (Tasks{{1, 1}}));
}

TEST(Schedule, ATaskThatIsGivenBackIsReadyAgain) {
  Schedule schedule(workflow_of("  - {id: a, run: [t]}\n"), 1);
  schedule.take({0, 0});
  schedule.give_back({0, 0});
  EXPECT_EQ(schedule.ready(), (Tasks{{0, 0}}));
  EXPECT_FALSE(schedule.finished());
  schedule.mark_done({0, 0});
  EXPECT_TRUE(schedule.finished());
}

TEST(Schedule, WhatAnEarlierRunnerFinishedStaysFinished) {
  Schedule schedule(workflow_of("  - {id: a, run: [t]}\n  - {id: b, run: [t], after: a}\n"), 2);
  schedule.mark_done({0, 0});
  schedule.mark_done({1, 0});
  EXPECT_EQ(schedule.ready(), (Tasks{{0, 1}}));
  EXPECT_EQ(schedule.done(), 2u);
}

// --- When tasks fail and the others carry on ---

Tasks tasks_of(const std::vector<Schedule::Skipped>& skipped) {
  Tasks tasks;
  for (const Schedule::Skipped& one : skipped) tasks.insert(one.task);
  return tasks;
}

TEST(Schedule, ATaskThatFailedTakesOnlyItsOwnItemWithIt) {
  Schedule schedule(workflow_of("  - {id: a, run: [t]}\n  - {id: b, run: [t], after: a}\n"
                                "  - {id: c, run: [t], after: b}\n"),
                    2);
  schedule.mark_failed({0, 0});
  const std::vector<Schedule::Skipped> skipped = schedule.take_skipped();
  EXPECT_EQ(tasks_of(skipped), (Tasks{{1, 0}, {2, 0}}));
  EXPECT_EQ(skipped[0].because, (TaskId{0, 0}));
  EXPECT_EQ(skipped[1].because, (TaskId{1, 0}));
  schedule.mark_done({0, 1});
  EXPECT_EQ(schedule.ready(), (Tasks{{1, 1}}));
  schedule.mark_done({1, 1});
  EXPECT_FALSE(schedule.finished());
  EXPECT_FALSE(schedule.has_result());
  schedule.mark_done({2, 1});
  EXPECT_TRUE(schedule.finished());
  EXPECT_TRUE(schedule.has_result());
  EXPECT_EQ(schedule.done(), 3u);
  EXPECT_EQ(schedule.settled(), 6u);
}

TEST(Schedule, AGatheringStepGoesOnWithWhatSucceeded) {
  Schedule schedule(workflow_of("  - {id: a, run: [t]}\n  - {id: b, run: [t], gather: a}\n"), 3);
  schedule.mark_failed({0, 1});
  EXPECT_TRUE(schedule.take_skipped().empty());
  schedule.mark_done({0, 0});
  EXPECT_EQ(schedule.ready(), (Tasks{{0, 2}}));
  schedule.mark_done({0, 2});
  EXPECT_EQ(schedule.ready(), (Tasks{{1, 0}}));
}

TEST(Schedule, AGatheringStepOfWhichNothingSucceededIsSkipped) {
  Schedule schedule(workflow_of("  - {id: a, run: [t]}\n  - {id: b, run: [t], gather: a}\n"
                                "  - {id: c, run: [t], after: b}\n"),
                    2);
  schedule.mark_failed({0, 1});
  EXPECT_TRUE(schedule.take_skipped().empty());
  schedule.mark_failed({0, 0});
  EXPECT_EQ(tasks_of(schedule.take_skipped()), (Tasks{{1, 0}, {2, 0}, {2, 1}}));
  EXPECT_TRUE(schedule.finished());
  EXPECT_FALSE(schedule.has_result());
}

TEST(Schedule, AfterAStepThatRunsOnceAndFailedAllIsSkipped) {
  Schedule schedule(workflow_of("  - {id: a, run: [t]}\n  - {id: b, run: [t], gather: a}\n"
                                "  - {id: c, run: [t], after: b}\n"),
                    2);
  schedule.mark_done({0, 0});
  schedule.mark_done({0, 1});
  schedule.mark_failed({1, 0});
  EXPECT_EQ(tasks_of(schedule.take_skipped()), (Tasks{{2, 0}, {2, 1}}));
}

TEST(Schedule, WhatComesAfterAWholeStepNeedsAllOfIt) {
  // `gather` takes what there is, `after` does not.
  Schedule schedule(workflow_of("  - {id: a, run: [t]}\n  - {id: b, run: [t]}\n"
                                "  - {id: c, run: [t], gather: a, after: b}\n"),
                    2);
  schedule.mark_done({0, 0});
  schedule.mark_done({0, 1});
  schedule.mark_failed({1, 0});
  EXPECT_TRUE(schedule.take_skipped().empty());
  EXPECT_FALSE(schedule.finished());
  schedule.mark_done({1, 1});
  EXPECT_EQ(tasks_of(schedule.take_skipped()), (Tasks{{2, 0}}));
  EXPECT_TRUE(schedule.finished());
  EXPECT_TRUE(schedule.ready().empty());
  EXPECT_FALSE(schedule.has_result());
}

TEST(Schedule, ASkippedTaskOfAGatheredStepCountsAsLost) {
  Schedule schedule(workflow_of("  - {id: a, run: [t]}\n  - {id: b, run: [t], after: a}\n"
                                "  - {id: c, run: [t], gather: b}\n"),
                    2);
  schedule.mark_failed({0, 0});
  EXPECT_EQ(tasks_of(schedule.take_skipped()), (Tasks{{1, 0}}));
  schedule.mark_done({0, 1});
  schedule.mark_done({1, 1});
  EXPECT_EQ(schedule.ready(), (Tasks{{2, 0}}));
}

}  // namespace
}  // namespace tierhub::compute
