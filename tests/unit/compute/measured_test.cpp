#include "compute/executors/measured.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace tierhub::compute {
namespace {

using Lines = std::vector<std::string>;

TEST(TaskReport, TakesTheLinesForTheReportAlone) {
  TaskReport report;
  for (const char* line :
       {"report: a.csv: 3 objects", " report: no", "reported: no", "report:no", "report: b\ta"}) {
    report.add(line);
  }
  EXPECT_EQ(report.lines, (Lines{"a.csv: 3 objects", "b a"}));
}

TEST(TaskReport, IsBoundedWhateverATaskWrites) {
  TaskReport report;
  // The cut falls into the second byte of an accented letter.
  report.add("report: " + std::string(TaskReport::kMaxLineBytes - 1, 'x') + "\xC3\xA9" + "x");
  EXPECT_EQ(report.lines[0], std::string(TaskReport::kMaxLineBytes - 1, 'x') + "...");
  report.add("report: " + std::string(TaskReport::kMaxLineBytes, 'y'));
  EXPECT_EQ(report.lines[1], std::string(TaskReport::kMaxLineBytes, 'y'));
  for (size_t i = 0; i < TaskReport::kMaxLines; ++i) report.add("report: more");
  EXPECT_EQ(report.lines.size(), TaskReport::kMaxLines);
  EXPECT_EQ(report.left_out, 2u);
}

TEST(Measured, IsInTheOrderOfTasksWithoutRepetition) {
  Measured measured;
  measured.add({1, 0}, {{"last", "first"}, 0});
  measured.add({0, 1}, {{"second"}, 0});
  measured.add({0, 0}, {{"first", "first"}, 0});
  EXPECT_EQ(measured.lines(), (Lines{"first", "second", "last"}));
  EXPECT_EQ(measured.left_out(), 0u);
}

TEST(Measured, KeepsTheFirstLinesInWhateverOrderTasksEnd) {
  constexpr size_t kTasks = Measured::kMaxLines + 50;
  Measured measured;
  for (size_t task = kTasks; task-- > 0;)
    measured.add({0, task}, {{fmt::format("task {}", task)}, task == 3 ? 7u : 0u});
  const Lines lines = measured.lines();
  ASSERT_EQ(lines.size(), Measured::kMaxLines);
  EXPECT_EQ(lines.front(), "task 0");
  EXPECT_EQ(lines.back(), fmt::format("task {}", Measured::kMaxLines - 1));
  EXPECT_EQ(measured.left_out(), 50u + 7u);
}

}  // namespace
}  // namespace tierhub::compute
