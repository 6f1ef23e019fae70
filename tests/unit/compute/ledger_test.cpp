#include "compute/run/ledger.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "compute/run/past_runs.h"
#include "compute/staging/fingerprint.h"
#include "tests/support/temporary_directory.h"

namespace tierhub::compute {
namespace {
namespace fs = std::filesystem;
using std::chrono::seconds;

constexpr SteadyClock::time_point kStart{seconds(1000)};

Costs costs_of(double wall_s, double processor_s, unsigned workers, const WorkerTime& time) {
  Costs costs;
  costs.wall_s = wall_s;
  costs.processor_s = processor_s;
  costs.workers = workers;
  costs.processors = 2;
  costs.worker_time = time;
  return costs;
}

TEST(WorkerClock, GivesEachIdleWorkerAReason) {
  WorkerClock clock;
  clock.set(kStart, {4, 1, false, false, true});
  clock.set(kStart + seconds(1), {4, 2, true, true, true});
  clock.set(kStart + seconds(3), {4, 4, false, false, false});
  clock.set(kStart + seconds(4), {4, 0, false, false, false});
  clock.set(kStart + seconds(5), {4, 3, true, false, true});
  clock.set(kStart + seconds(6), {4, 0, false, false, false});
  EXPECT_DOUBLE_EQ(clock.time().busy_s, 1 + 4 + 4 + 3);
  EXPECT_DOUBLE_EQ(clock.time().data_s, 3);
  EXPECT_DOUBLE_EQ(clock.time().slots_s, 4);
  EXPECT_DOUBLE_EQ(clock.time().tasks_s, 4);
  EXPECT_DOUBLE_EQ(clock.time().start_s, 1);
  EXPECT_DOUBLE_EQ(clock.time().total_s(), 24);
}

TEST(WorkerClock, MoreSlotsThanWorkersAreNoNegativeIdleTime) {
  WorkerClock clock;
  clock.set(kStart, {1, 2, false, false, false});
  clock.set(kStart + seconds(1), {1, 2, false, false, false});
  EXPECT_DOUBLE_EQ(clock.time().busy_s, 1);
  EXPECT_DOUBLE_EQ(clock.time().total_s(), 1);
}

TEST(Costs, TasksThatSlowEachOtherAreNoSpeedUp) {
  // Two workers whose tasks both use both processors: the wall times of the tasks say nothing.
  Costs costs = costs_of(9.2, 17.9, 2, {18.0, 0, 0, 0, 0.4});
  costs.serial_equivalent_s = 17.2;
  EXPECT_NEAR(costs.busy_processors(), 1.95, 0.01);
  EXPECT_NEAR(costs.efficiency(), 0.97, 0.01);
  EXPECT_EQ(costs.limited_by(), "processors: 1.9 of 2 processors were busy on average");
  EXPECT_EQ(speed_up(costs, {"", 0, "none"}), std::nullopt);
  EXPECT_NEAR(speed_up(costs, {"count-x", 10.7, ""}).value(), 1.163, 0.001);
  EXPECT_EQ(
      speed_up_text(costs, {"count-x", 10.7, ""}),
      "1.16 times as fast as count-x with one worker, which took 10.7 s; this run took 9.2 s");
  EXPECT_EQ(speed_up_text(costs, {"", 0, "nobody ran it"}), "not known: nobody ran it");
}

TEST(Costs, OneWorkerWhoseTaskUsesTwoProcessorsIsAboveItsSlots) {
  const Costs costs = costs_of(10, 19, 1, {10, 0, 0, 0, 0});
  EXPECT_DOUBLE_EQ(costs.efficiency(), 1.9);
  EXPECT_TRUE(costs.limited_by().starts_with("processors: 1.9 of 2")) << costs.limited_by();
}

TEST(Costs, MoreWorkersThanProcessorsStandForTheProcessorsAlone) {
  EXPECT_DOUBLE_EQ(costs_of(10, 20, 8, {80, 0, 0, 0, 0}).efficiency(), 1.0);
}

TEST(Costs, SayWhatLimitedTheRun) {
  EXPECT_EQ(costs_of(10, 5, 2, {8, 11, 0, 0, 1}).limited_by(),
            "archive: for 55 % of the time of its 2 workers, tasks waited until their data was on "
            "the fast tier");
  EXPECT_EQ(costs_of(10, 5, 2, {8, 0, 12, 0, 0}).limited_by(),
            "slots: for 60 % of the time of its 2 workers, tasks waited for slots that other runs, "
            "or smaller tasks of this one, had");
  EXPECT_EQ(costs_of(10, 9, 2, {10, 0, 0, 0, 10}).limited_by(),
            "tasks: for 50 % of the time of its 2 workers, there was no task to start");
  EXPECT_EQ(costs_of(10, 0.5, 2, {19, 0, 0, 0, 1}).limited_by(),
            "waiting: tasks had its 2 workers for 95 % of the time, but only 0.1 of 2 processors "
            "were busy on average: they waited themselves, for reading and writing, the network or "
            "a pause");
  EXPECT_EQ(costs_of(10, 9, 1, {10, 0, 0, 0, 0}).limited_by(),
            "processors: 0.9 of 2 processors were busy on average");
  EXPECT_EQ(costs_of(10, 0.5, 2, {5, 0, 0, 14, 1}).limited_by(),
            "starting: for 70 % of the time of its 2 workers, tasks were being started: each takes "
            "very little time");
  EXPECT_EQ(costs_of(1, 0, 2, {0, 0, 0, 0, 2}).limited_by(), "") << "nothing was computed";
}

// --- Runs to compare with ---

class PastRuns : public ::testing::Test {
 protected:
  void leave(const std::string& run, const EndLine& line) {
    fs::create_directories(done_ + "/" + run);
    Result<RunRecord> record = RunRecord::open(done_ + "/" + run + "/tasks.jsonl");
    ASSERT_TRUE(record && record->begin({"boot", "sum", {}, {}, {}, {}, "", line.work_key}));
    ASSERT_TRUE(record->mark_ended(line));
  }
  static EndLine line(unsigned workers, double wall_s) { return {"done", "key", workers, wall_s}; }

  const TemporaryDirectory folder_;
  const std::string done_ = folder_ / "done";
};

TEST_F(PastRuns, TheNewestRunOfTheSameWorkWithOneWorkerCounts) {
  leave("b-20260102T030405Z-abcd", line(1, 30));
  leave("a-20260103T030405Z-abcd", line(1, 20));
  leave("c-20260104T030405Z-abcd", line(2, 10));
  EndLine other = line(1, 5);
  other.work_key = "another";
  leave("d-20260105T030405Z-abcd", other);
  other = line(1, 5);
  other.state = "failed";
  leave("e-20260106T030405Z-abcd", other);
  other = line(1, 5);
  other.waited_for_slots_s = 1;
  leave("f-20260107T030405Z-abcd", other);
  fs::create_directories(done_ + "/no-run");
  std::ofstream(done_ + "/no-run/tasks.jsonl") << "x";
  const Baseline found = find_baseline(done_, line(2, 11));
  EXPECT_EQ(found.run, "a-20260103T030405Z-abcd");
  EXPECT_EQ(found.wall_s, 20);
}

TEST_F(PastRuns, ARunThatCopiedItsInputIsNotComparedWithOneThatFoundIt) {
  EndLine cold = line(1, 30);
  cold.bytes_copied = uint64_t{1} << 30;
  leave("a-20260103T030405Z-abcd", cold);
  const Baseline found = find_baseline(done_, line(2, 11));
  EXPECT_EQ(found.run, "");
  EXPECT_EQ(found.why_none,
            "a-20260103T030405Z-abcd did the same with one worker, but 1.0 GiB of its input had to "
            "be copied from the archive, and 0 B for this run");
}

TEST_F(PastRuns, ARunThatWasDisturbedHasNoBaseline) {
  leave("a-20260103T030405Z-abcd", line(1, 20));
  EndLine ours = line(2, 10);
  ours.waited_for_slots_s = 5;
  EXPECT_EQ(find_baseline(done_, ours).run, "");
  ours = line(2, 10);
  ours.work_key = "";
  EXPECT_EQ(find_baseline(done_, ours).run, "");
  EXPECT_EQ(find_baseline(done_, line(1, 10)).run, "");
  EXPECT_EQ(find_baseline(done_ + "/missing", line(2, 10)).run, "");
}

// --- Whether an input is still what it was ---

TEST(Fingerprint, ChangesWithSizeTimeAndNames) {
  const TemporaryDirectory folder;
  const std::string file = folder / "a.tif";
  std::ofstream(file) << "12";
  const std::string before = fingerprint_of(file);
  EXPECT_EQ(fingerprint_of(file), before);
  std::ofstream(file, std::ios::app) << "3";
  EXPECT_NE(fingerprint_of(file), before);
  const std::string longer = fingerprint_of(file);
  fs::last_write_time(file, fs::last_write_time(file) + seconds(1));
  EXPECT_NE(fingerprint_of(file), longer);
  EXPECT_EQ(fingerprint_of(folder / "none"), "missing");

  const std::string whole = fingerprint_of(folder.path());
  EXPECT_EQ(fingerprint_of(folder.path()), whole);
  fs::rename(file, folder / "b.tif");
  EXPECT_NE(fingerprint_of(folder.path()), whole);
}

}  // namespace
}  // namespace tierhub::compute
