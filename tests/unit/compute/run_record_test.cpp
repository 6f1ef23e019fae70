#include <fstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "compute/run/record.h"
#include "tests/support/temporary_directory.h"

namespace tierhub::compute {
namespace {

TaskRecord task_of(const std::string& step, size_t index) {
  TaskRecord task;
  task.state = "done";
  task.step = step;
  task.index = index;
  task.attempts = 2;
  task.slot = 1;
  task.start = Timestamp{1'000'000'000};
  task.end = Timestamp{3'000'000'000};
  task.processor_s = 1.5;
  task.peak_bytes = 4096;
  task.waited_for_data_s = 0.25;
  return task;
}

TEST(RunRecord, IsReadBackAsItWasWritten) {
  const TemporaryDirectory folder;
  const std::string path = folder / "tasks.jsonl";
  {
    Result<RunRecord> record = RunRecord::open(path);
    ASSERT_TRUE(record);
    EXPECT_FALSE(record->header());
    ASSERT_TRUE(record->begin({"boot", "sum", Timestamp{5}, {"/a", "/b\xff"}, {}, {}, "", "key"}));
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
  EXPECT_EQ(record->header()->work_key, "key");
  ASSERT_EQ(record->finished().size(), 1u);
  EXPECT_EQ(record->finished()[0].step, "s");
  EXPECT_EQ(record->finished()[0].index, 3u);
  EXPECT_EQ(record->finished()[0].seconds({}), 2.0);
  EXPECT_EQ(record->finished()[0].processor_s, 1.5);
  EXPECT_EQ(record->finished()[0].peak_bytes, 4096u);
  EXPECT_EQ(record->finished()[0].waited_for_data_s, 0.25);
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

TEST(RunRecord, WhatFailedForGoodIsKeptApartFromWhatIsDone) {
  const TemporaryDirectory folder;
  const std::string path = folder / "tasks.jsonl";
  {
    Result<RunRecord> record = RunRecord::open(path);
    ASSERT_TRUE(record && record->begin({"boot", "sum", {}, {}}));
    TaskRecord task = task_of("s", 0);
    task.state = "failed";
    task.reason = "exit code 3: no";
    task.name = "b.tif";
    task.exit_code = 3;
    ASSERT_TRUE(record->add_failed(task));
    ASSERT_TRUE(record->add_finished(task_of("s", 1)));
  }
  const Result<RunRecord> record = RunRecord::open(path);
  ASSERT_TRUE(record);
  ASSERT_EQ(record->finished().size(), 1u);
  EXPECT_EQ(record->finished()[0].index, 1u);
  ASSERT_EQ(record->failed().size(), 1u);
  EXPECT_EQ(record->failed()[0].state, "failed");
  EXPECT_EQ(record->failed()[0].reason, "exit code 3: no");
  EXPECT_EQ(record->failed()[0].name, "b.tif");
  EXPECT_EQ(record->failed()[0].exit_code, 3);
}

TEST(RunStatus, ADoneRunNamesWhatFailedFirst) {
  RunStatus status;
  status.state = RunState::done;
  status.workflow = "w";
  status.items_total = 9;
  status.tasks_total = 9;
  for (size_t i = 0; i < 9; ++i) {
    TaskRecord task = task_of("s", i);
    task.state = i < 5 ? "failed" : "done";
    task.name = "img" + std::to_string(i) + ".tif";
    task.reason = "exit code 1";
    status.tasks[{0, i}] = task;
  }
  status.tasks_done = 4;
  status.tasks_failed = 5;
  const std::string report = to_report(status, {});
  EXPECT_TRUE(
      report.starts_with("4 of 9; failed: img0.tif: exit code 1; img1.tif: exit code 1; "
                         "img2.tif: exit code 1; and 2 more\n\nw: done\n"))
      << report;
  EXPECT_NE(report.find("\nWhat failed:\n  img0.tif: exit code 1\n"), std::string::npos);
  EXPECT_NE(report.find("  img4.tif: exit code 1\n"), std::string::npos) << "each is named";
  EXPECT_EQ(report.find("Everything is done"), std::string::npos);
  status.state = RunState::failed;
  const std::string failed = to_report(status, {});
  EXPECT_TRUE(failed.starts_with("w: failed\n")) << failed;
  EXPECT_NE(failed.find("  img4.tif: exit code 1\n"), std::string::npos) << failed;
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

TEST(RunStatus, SaysWhatItCostAndHowFastItWas) {
  RunStatus status;
  status.started = Timestamp{0};
  status.ended = Timestamp{2'000'000'000};
  status.processors = 2;
  status.worker_time = {3.9, 0, 0, 0, 0.1};
  status.baseline.why_none = "nobody did this with one worker";
  status.state = RunState::done;
  status.workers = 2;
  status.tasks_total = status.tasks_done = 2;
  for (size_t i : {0, 1}) {
    TaskRecord task = task_of("s", i);
    task.state = "done";
    status.tasks[{0, i}] = task;
  }
  const auto number = [&](const char* key) {
    return nlohmann::json::parse(to_json(status, {}, TaskList::with)).at(key);
  };
  EXPECT_EQ(number("serial_equivalent_s"), 4.0);
  EXPECT_EQ(number("processor_s"), 3.0);
  EXPECT_EQ(number("busy_processors"), 1.5);
  EXPECT_EQ(number("efficiency"), 0.75);
  EXPECT_EQ(number("peak_bytes"), 4096);
  EXPECT_EQ(number("tasks").at(0).at("processor_s"), 1.5);
  EXPECT_EQ(number("tasks").at(0).at("peak_bytes"), 4096);
  EXPECT_EQ(number("tasks").at(0).at("waited_for_data_s"), 0.25);
  EXPECT_EQ(number("worker_s").at("busy_s"), 3.9);
  EXPECT_TRUE(number("speed_up").is_null());
  EXPECT_EQ(number("limited_by"), "processors: 1.5 of 2 processors were busy on average");
  const auto says = [&](const char* text) {
    return to_report(status, {}).find(text) != std::string::npos;
  };
  EXPECT_TRUE(says("Speed-up  not known: nobody did this with one worker\n"));
  EXPECT_TRUE(says("Computed  3.0 s of processor time: 1.5 processors busy on average, 75 % of "));
  EXPECT_TRUE(says("Memory    4.0 KiB at most in one task\n"));
  status.baseline = {"other", 3.0, ""};
  EXPECT_EQ(number("speed_up"), 1.5);
  EXPECT_EQ(number("speed_up_against"), "other");
  EXPECT_TRUE(says("Speed-up  1.50 times as fast as other with one worker, which took 3.0 s"));
}

TEST(RunStatus, TextThatIsNotUtf8DoesNotBreakIt) {
  RunStatus status;
  status.error = "file \xff";
  EXPECT_NE(to_json(status, {}, TaskList::without).find("\"error\""), std::string::npos);
}

}  // namespace
}  // namespace tierhub::compute
