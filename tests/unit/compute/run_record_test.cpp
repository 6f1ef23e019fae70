#include <fstream>

#include <gtest/gtest.h>

#include "compute/run/record.h"
#include "tests/support/temporary_directory.h"

namespace tierhub::compute {
namespace {

TaskRecord task_of(const std::string& step, size_t index) {
  TaskRecord task;
  task.step = step;
  task.index = index;
  task.attempts = 2;
  task.slot = 1;
  task.start = Timestamp{1'000'000'000};
  task.end = Timestamp{3'000'000'000};
  return task;
}

TEST(RunRecord, IsReadBackAsItWasWritten) {
  const TemporaryDirectory folder;
  const std::string path = folder / "tasks.jsonl";
  {
    Result<RunRecord> record = RunRecord::open(path);
    ASSERT_TRUE(record);
    EXPECT_FALSE(record->header());
    ASSERT_TRUE(record->begin({"boot", "sum", Timestamp{5}, {"/a", "/b\xff"}}));
    ASSERT_TRUE(record->add_finished(task_of("s", 3)));
    ASSERT_TRUE(record->mark_placing());
  }
  const Result<RunRecord> record = RunRecord::open(path);
  ASSERT_TRUE(record);
  ASSERT_TRUE(record->header());
  EXPECT_EQ(record->header()->boot_id, "boot");
  EXPECT_EQ(record->header()->job_checksum, "sum");
  EXPECT_EQ(record->header()->started.ns, 5);
  EXPECT_EQ(record->header()->item_paths, (std::vector<std::string>{"/a", "/b\xff"}));
  ASSERT_EQ(record->finished().size(), 1u);
  EXPECT_EQ(record->finished()[0].step, "s");
  EXPECT_EQ(record->finished()[0].index, 3u);
  EXPECT_EQ(record->finished()[0].seconds({}), 2.0);
  EXPECT_TRUE(record->placing());
  EXPECT_EQ(record->ended(), "");
}

TEST(RunRecord, ALineThatWasCutShortIsDropped) {
  const TemporaryDirectory folder;
  const std::string path = folder / "tasks.jsonl";
  {
    Result<RunRecord> record = RunRecord::open(path);
    ASSERT_TRUE(record && record->begin({"boot", "sum", {}, {}}));
    ASSERT_TRUE(record->add_finished(task_of("s", 0)));
  }
  std::ofstream(path, std::ios::app) << R"({"step":"s","task":1,"att)";
  {
    Result<RunRecord> record = RunRecord::open(path);
    ASSERT_TRUE(record);
    EXPECT_EQ(record->finished().size(), 1u);
    ASSERT_TRUE(record->add_finished(task_of("s", 2)));
  }
  const Result<RunRecord> record = RunRecord::open(path);
  ASSERT_TRUE(record);
  ASSERT_EQ(record->finished().size(), 2u);
  EXPECT_EQ(record->finished()[1].index, 2u);
}

TEST(RunRecord, KeepsWhatTasksReported) {
  const TemporaryDirectory folder;
  const std::string path = folder / "tasks.jsonl";
  {
    Result<RunRecord> record = RunRecord::open(path);
    ASSERT_TRUE(record && record->begin({"boot", "sum", {}, {}}));
    TaskRecord task = task_of("s", 0);
    task.report = {{"a.csv: 3 objects", "b\xff"}, 4};
    ASSERT_TRUE(record->add_finished(task));
    ASSERT_TRUE(record->add_finished(task_of("s", 1)));
  }
  const Result<RunRecord> record = RunRecord::open(path);
  ASSERT_TRUE(record);
  ASSERT_EQ(record->finished().size(), 2u);
  EXPECT_EQ(record->finished()[0].report.lines,
            (std::vector<std::string>{"a.csv: 3 objects", "b\xff"}));
  EXPECT_EQ(record->finished()[0].report.left_out, 4u);
  EXPECT_TRUE(record->finished()[1].report.lines.empty());
}

TEST(RunStatus, ReportsWhatWasMeasured) {
  RunStatus status;
  EXPECT_EQ(to_report(status, {}).find("What was measured"), std::string::npos);
  status.measured.add({0, 0}, {{"a.csv: 3 objects"}, 12});
  EXPECT_NE(to_report(status, {})
                .find("\nWhat was measured:\n  a.csv: 3 objects\n  and 12 more, in run.log\n"),
            std::string::npos)
      << to_report(status, {});
}

TEST(RunStatus, SaysHowFastItWas) {
  RunStatus status;
  status.started = Timestamp{0};
  status.ended = Timestamp{1'000'000'000};
  status.state = RunState::done;
  status.workers = 2;
  status.tasks_total = status.tasks_done = 2;
  for (size_t i : {0, 1}) {
    TaskRecord task = task_of("s", i);
    task.state = "done";
    status.tasks[{0, i}] = task;
  }
  EXPECT_EQ(status.serial_equivalent_s(), 4.0);
  EXPECT_NE(to_report(status, {}).find("4.0 times as fast"), std::string::npos);
  EXPECT_NE(to_json(status, {}, TaskList::with).find("\"speed_up\": 4.0"), std::string::npos);
}

TEST(RunStatus, TextThatIsNotUtf8DoesNotBreakIt) {
  RunStatus status;
  status.error = "file \xff";
  EXPECT_NE(to_json(status, {}, TaskList::without).find("\"error\""), std::string::npos);
}

}  // namespace
}  // namespace tierhub::compute
