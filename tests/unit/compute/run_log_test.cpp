#include <gtest/gtest.h>

#include "common/posix.h"
#include "compute/executors/log.h"
#include "tests/support/temporary_directory.h"

namespace tierhub::compute {
namespace {

class Log : public ::testing::Test {
 protected:
  std::string text() { return posix::read_file(folder / "run.log").value(); }
  static size_t count(const std::string& text, const std::string& part) {
    size_t n = 0;
    for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
    return n;
  }
  TemporaryDirectory folder;
};

TEST_F(Log, IsBoundedAndSaysAtItsEndHowMuchWasLeftOut) {
  Result<RunLog> log = RunLog::open(folder / "run.log", 8000);
  ASSERT_TRUE(log) << log.error().text();
  for (int i = 0; i < 1000; ++i) log->task_line("a.0000", "0123456789", Timestamp::now());
  EXPECT_LE(text().size(), 7000u);
  log->line("run", "the runner's own lines still fit");
  EXPECT_NE(text().find("the runner's own lines still fit"), std::string::npos);
  for (int i = 0; i < 1000; ++i) log->line("run", "0123456789");
  EXPECT_LE(text().size(), 8000u);
  const size_t written = count(text(), "0123456789");
  log->end();
  EXPECT_NE(text().find("run | " + std::to_string(2000 - written) + " lines ("), std::string::npos)
      << text();
  EXPECT_TRUE(text().ends_with("were left out, because a log has at most 7.8 KiB\n"));
}

TEST_F(Log, GoesOnWithItsBoundAfterARestart) {
  RunLog::open(folder / "run.log", 1000)->line("run", std::string(900, 'x'));
  Result<RunLog> log = RunLog::open(folder / "run.log", 1000);
  log->line("run", std::string(100, 'y'));
  EXPECT_EQ(text().find('y'), std::string::npos);
}

TEST_F(Log, ATaskThatWritesVeryMuchKeepsItsFirstAndItsLastLines) {
  Result<RunLog> log = RunLog::open(folder / "run.log");
  ASSERT_TRUE(log) << log.error().text();
  OutputLines lines("a.0000");
  constexpr int kLines = 400'000;
  for (int i = 0; i < kLines; ++i) {
    lines.write("this is the line with the number " + std::to_string(i) + "\n", *log);
  }
  EXPECT_NE(
      text().find("(the task writes much: only its last lines will follow, when it has ended)"),
      std::string::npos);
  lines.end(*log);
  const std::string written = text();
  EXPECT_NE(written.find("number 0\n"), std::string::npos);
  EXPECT_NE(written.find("number " + std::to_string(kLines - 1) + "\n"), std::string::npos);
  const size_t kept = count(written, "number ");
  EXPECT_NE(written.find("(" + std::to_string(kLines - kept) + " lines, "), std::string::npos);
  EXPECT_LT(written.size(), 12u << 20);
  EXPECT_EQ(lines.last().size(), OutputLines::kRemembered);
}

TEST_F(Log, AnOrdinaryTaskLosesNothing) {
  Result<RunLog> log = RunLog::open(folder / "run.log");
  OutputLines lines("a.0000");
  lines.write("one\ntwo\r\nthree", *log);
  lines.end(*log);
  log->end();
  EXPECT_EQ(count(text(), "a.0000 | "), 3u);
  EXPECT_EQ(text().find("left out"), std::string::npos);
}

}  // namespace
}  // namespace tierhub::compute
