#include "compute/run/take_up.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "tests/support/temporary_directory.h"

namespace tierhub::compute {
namespace {
namespace fs = std::filesystem;

using TaskIds = std::set<TaskId>;

// --- Which tasks are taken up ---

TaskIds taken(const std::string& steps, const TaskIds& finished, const TaskIds& unusable = {}) {
  const Result<Workflow> parsed =
      parse_workflow("workflow: w\ninput: {dataset: d}\nscatter: {by: file}\nsteps:\n" + steps);
  EXPECT_TRUE(parsed) << parsed.error().text();
  return tasks_to_take_up(*parsed, 2, finished,
                          [&](TaskId task) { return !unusable.contains(task); });
}

constexpr const char* kChain =
    "  - {id: a, run: [t]}\n  - {id: b, run: [t], after: a}\n"
    "  - {id: c, run: [t], gather: b}\n  - {id: d, run: [t], after: c}\n";

TEST(TasksToTakeUp, AllThatIsFinishedIfNothingIsMissing) {
  const TaskIds all = {{0, 0}, {0, 1}, {1, 0}, {1, 1}, {2, 0}, {3, 0}, {3, 1}};
  EXPECT_EQ(taken(kChain, all), all);
}

TEST(TasksToTakeUp, WhatGatheredLessThanAllRunsAgainWithAllThatFollows) {
  EXPECT_EQ(taken(kChain, {{0, 0}, {0, 1}, {1, 0}, {2, 0}, {3, 0}, {3, 1}}),
            (TaskIds{{0, 0}, {0, 1}, {1, 0}}));
}

TEST(TasksToTakeUp, WhatFollowsAChangedInputRunsAgain) {
  EXPECT_EQ(taken(kChain, {{0, 0}, {0, 1}, {1, 0}, {1, 1}, {2, 0}}, {{0, 1}}),
            (TaskIds{{0, 0}, {1, 0}}));
}

TEST(TasksToTakeUp, TasksThatTheWorkflowDoesNotHaveAreIgnored) {
  EXPECT_EQ(taken("  - {id: a, run: [t]}\n", {{0, 0}, {0, 7}, {5, 0}}), (TaskIds{{0, 0}}));
}

// --- Its files, with a death before each change of a disk ---

class TakeUp : public ::testing::Test {
 protected:
  void write(const std::string& path, const std::string& text) {
    fs::create_directories(fs::path(path).parent_path());
    std::ofstream(path) << text;
  }

  // A run that ended so, with output and work.
  EarlierRun leave(const std::string& ending) {
    EarlierRun earlier;
    earlier.run = "first";
    earlier.folder = at(ending + "/first");
    earlier.header.boot_id = "boot";
    earlier.end.state = ending;
    earlier.end.work_kept = true;
    earlier.end.output = at(ending == "done" ? "results/first" : "results/first.incomplete");
    fs::create_directories(earlier.folder);
    write(earlier.end.output + "/tables/a.csv", "a");
    write(earlier.end.output + "/tables/c.csv", "c");
    fs::create_symlink("tables/a.csv", earlier.end.output + "/link");
    write(at("work/first/parts/a"), "part a");
    write(at("work/first/sum.json"), "{}");
    fs::create_directories(at("work/second"));
    fs::create_directories(at("results/.second.part"));
    return earlier;
  }

  TakeUpPlaces places() const {
    return {"second", at("work/first"), at("work/second"), at("results/.second.part")};
  }

  // "path=content" of all files below, in order.
  static std::string content(const std::string& folder) {
    std::set<std::string> lines;
    std::error_code none;
    for (const auto& entry : fs::recursive_directory_iterator(folder, none)) {
      if (entry.is_directory() && !entry.is_symlink()) continue;
      std::stringstream text;
      text << std::ifstream(entry.path()).rdbuf();
      lines.insert(entry.path().lexically_relative(folder).string() + "=" + text.str() + " ");
    }
    std::string all;
    for (const std::string& line : lines) all += line;
    return all;
  }

  std::string at(const std::string& path) const { return folder_ / path; }

  // In a child that dies before its n-th change. False if it had fewer.
  static bool die_before(size_t n, const EarlierRun& earlier, const TakeUpPlaces& places) {
    const pid_t pid = ::fork();
    if (pid == 0) {
      size_t changes = 0;
      const auto go_on = [&]() -> Result<void> {
        if (++changes == n) ::_exit(42);
        return {};
      };
      ::_exit(take_files(earlier, places, go_on) ? 0 : 1);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) != 1);
    return WEXITSTATUS(status) == 42;
  }

  const TemporaryDirectory folder_;
  static constexpr const char* kOutput = "link=a tables/a.csv=a tables/c.csv=c ";
  static constexpr const char* kWork = "parts/a=part a sum.json={} ";
};

Result<void> on() { return {}; }

TEST_F(TakeUp, ADeathBeforeAnyChangeCostsNothing) {
  for (const std::string ending : {"done", "failed"}) {
    size_t n = 1;
    for (bool died = true; died; ++n) {
      for (const char* name : {"work", "results", "done", "failed"}) fs::remove_all(at(name));
      const EarlierRun earlier = leave(ending);
      died = die_before(n, earlier, places());
      SCOPED_TRACE(ending + " " + std::to_string(n));
      if (ending == "done") {
        EXPECT_EQ(content(earlier.end.output), kOutput) << "they stay";
      }
      if (repeated_by(earlier).empty()) {
        EXPECT_EQ(content(at("work/first")), kWork) << "nobody has claimed it";
        EXPECT_EQ(content(earlier.end.output), kOutput);
      }
      EXPECT_EQ(why_nothing_is_left(earlier, "second", "boot", at("work/first"), places().hidden),
                std::nullopt);
      ASSERT_TRUE(take_files(earlier, places(), on));
      EXPECT_EQ(content(places().hidden), kOutput);
      EXPECT_EQ(content(at("work/second")), kWork);
      EXPECT_EQ(content(at("work/first")), "");
      EXPECT_EQ(content(earlier.end.output), ending == "done" ? kOutput : "");
      EXPECT_EQ(repeated_by(earlier), "second");
    }
    EXPECT_GT(n, 5u) << "it died somewhere";
  }
}

TEST_F(TakeUp, OnlyOneRunCanTakeARunUp) {
  const EarlierRun earlier = leave("done");
  ASSERT_TRUE(take_files(earlier, places(), on));
  TakeUpPlaces third = places();
  third.run = "third";
  const Result<void> again = take_files(earlier, third, on);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().text(),
            "first cannot be repeated: second has taken up what it had finished: repeat that one");
  EXPECT_EQ(content(at("work/second")), kWork);
}

TEST_F(TakeUp, ACopyThatIsStoppedLeavesTheEarlierRunAsItWas) {
  const EarlierRun earlier = leave("done");
  int calls = 0;
  const Result<void> stopped = take_files(earlier, places(), [&]() -> Result<void> {
    if (++calls < 3) return {};
    return Error(std::errc::operation_canceled, "stopped");
  });
  EXPECT_FALSE(stopped);
  EXPECT_EQ(repeated_by(earlier), "");
  EXPECT_EQ(content(earlier.end.output), kOutput);
  EXPECT_EQ(content(at("work/first")), kWork);
  EXPECT_EQ(content(places().hidden), "");
}

TEST_F(TakeUp, WhatIsGoneOrMayBeTornIsNotTakenUp) {
  const EarlierRun earlier = leave("done");
  const auto why = [&](const std::string& boot_id) {
    return why_nothing_is_left(earlier, "second", boot_id, at("work/first"), places().hidden);
  };
  EXPECT_EQ(why("boot"), std::nullopt);
  EXPECT_NE(why("another"), std::nullopt);
  fs::rename(at("work/first"), at("work/elsewhere"));
  EXPECT_EQ(why("boot"), "its work folder is gone");
  fs::rename(at("work/elsewhere"), at("work/first"));
  fs::remove_all(earlier.end.output);
  EXPECT_EQ(why("boot"), "its output " + earlier.end.output + " is gone");
}

// --- Which runs can be repeated ---

class EarlierRuns : public TakeUp {
 protected:
  void leave_run(const std::string& where, const std::string& run, const RunHeader& header,
                 bool with_failure, bool ended = true) {
    const std::string folder = at("jobs/" + where + "/" + run);
    write(folder + "/job.yaml", "text");
    Result<RunRecord> record = RunRecord::open(folder + "/tasks.jsonl");
    ASSERT_TRUE(record && record->begin(header));
    TaskRecord task;
    task.step = "s";
    ASSERT_TRUE(record->add_finished(task));
    task.index = 1;
    task.state = "failed";
    if (with_failure) {
      ASSERT_TRUE(record->add_failed(task));
    }
    EndLine end;
    end.state = where;
    end.output = at("results/x\xff");
    end.work_kept = true;
    if (ended) {
      ASSERT_TRUE(record->mark_ended(end));
    }
  }
  std::string refusal(const std::string& run) {
    const auto earlier = open_earlier_run(at("jobs"), run);
    return earlier ? "" : earlier.error().text();
  }
};

TEST_F(EarlierRuns, AreReadWithTheirItemsValuesAndEnd) {
  RunHeader header{"boot", "sum", {}, {"/a"}};
  header.values = {{"images", {"x", "y"}}};
  header.seen = {{"/a", "1@2"}};
  leave_run("done", "r", header, true);
  const auto earlier = open_earlier_run(at("jobs"), "r");
  ASSERT_TRUE(earlier) << earlier.error().text();
  EXPECT_TRUE(earlier->is_done());
  EXPECT_EQ(earlier->job.text, "text");
  EXPECT_EQ(earlier->job.values, header.values);
  EXPECT_EQ(earlier->header.seen, header.seen);
  EXPECT_EQ(earlier->end.output, at("results/x\xff"));
  EXPECT_TRUE(earlier->end.work_kept);
  ASSERT_EQ(earlier->finished.size(), 1u);
  write(at("jobs/done/r/workflow.yaml"), "kept");
  EXPECT_EQ(open_earlier_run(at("jobs"), "r")->job.text, "kept");
}

TEST_F(EarlierRuns, ThoseThatCannotBeRepeatedAreRefusedWithTheReason) {
  leave_run("done", "whole", {"boot", "sum", {}, {}}, false);
  leave_run("failed", "cut", {"boot", "sum", {}, {}}, true, false);
  RunHeader header{"boot", "sum", {}, {}};
  header.takes_up = "other";
  leave_run("failed", "half", header, false);
  fs::create_directories(at("jobs/running/now"));
  fs::create_directories(at("jobs/failed/refused"));
  EXPECT_EQ(refusal("whole"), "whole cannot be repeated: everything in it is done");
  EXPECT_EQ(refusal("cut"), "cut cannot be repeated: it began nothing: drop its workflow again");
  EXPECT_EQ(refusal("half"),
            "half cannot be repeated: it ended before it had taken up other: repeat that one");
  EXPECT_EQ(refusal("now"), "now cannot be repeated: it has not ended yet");
  EXPECT_EQ(refusal("refused"),
            "refused cannot be repeated: it began nothing: drop its workflow again");
  EXPECT_EQ(refusal("none"), "there is no run none in done/ or failed/ of " + at("jobs"));
  EXPECT_EQ(refusal("../done"), "'../done' is not the name of a run");
}

}  // namespace
}  // namespace tierhub::compute
