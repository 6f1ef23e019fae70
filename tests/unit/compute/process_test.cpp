#include "compute/executors/process.h"

#include <filesystem>
#include <fstream>

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "compute/executors/log.h"
#include "compute/run/output_place.h"
#include "tests/support/temporary_directory.h"

namespace tierhub::compute {
namespace {
namespace fs = std::filesystem;

ProcessSpec shell(const std::string& script) {
  return {"/bin/sh", "", {"sh", "-c", script}, {"PATH=/usr/bin:/bin"}, "/"};
}

std::string read_all(int fd) {
  std::string text;
  char buffer[4096];
  for (;;) {
    pollfd polled{fd, POLLIN, 0};
    ::poll(&polled, 1, 10'000);
    const ssize_t n = ::read(fd, buffer, sizeof buffer);
    if (n <= 0) return text;
    text.append(buffer, static_cast<size_t>(n));
  }
}

TEST(Process, LeadsItsOwnGroupAndReadsNothing) {
  const Result<StartedProcess> process =
      start_process(shell("cat; echo pid $$ group $(ps -o pgid= -p $$ | tr -d ' '); echo e >&2"));
  ASSERT_TRUE(process);
  const std::string pid = std::to_string(process->pid);
  EXPECT_EQ(read_all(process->output.get()), "pid " + pid + " group " + pid + "\ne\n");
  int status = 0;
  EXPECT_EQ(::waitpid(process->pid, &status, 0), process->pid);
  EXPECT_EQ(describe_exit(status), "exit code 0");
}

TEST(Process, AProgramThatCannotBeExecutedIsAnErrorWithItsName) {
  const TemporaryDirectory folder;
  std::ofstream(folder / "broken") << "not a program";
  ::chmod((folder / "broken").c_str(), 0755);
  const Result<StartedProcess> process = start_process({folder / "broken", "", {"broken"}, {}, "/"});
  ASSERT_FALSE(process);
  EXPECT_NE(process.error().text().find("broken"), std::string::npos);
}

TEST(Process, AWholeGroupIsStopped) {
  const Result<StartedProcess> process = start_process(shell("sleep 1000 & echo $!; wait"));
  ASSERT_TRUE(process);
  char text[32] = {};
  pollfd polled{process->output.get(), POLLIN, 0};
  ASSERT_EQ(::poll(&polled, 1, 10'000), 1);
  ASSERT_GT(::read(process->output.get(), text, sizeof text - 1), 0);
  signal_group(process->pid, SIGKILL);
  int status = 0;
  ::waitpid(process->pid, &status, 0);
  EXPECT_EQ(describe_exit(status), "killed by signal 9 (Killed)");
  EXPECT_EQ(read_all(process->output.get()), "");  // the end: the child is gone too
}

TEST(Process, TheMemoryOfAGroupIsSummed) {
  const std::set<pid_t> own = {::getpgrp()};
  EXPECT_GT(memory_of_groups(own)[::getpgrp()], 0u);
  EXPECT_TRUE(memory_of_groups({}).empty());
}

TEST(FindProgram, LooksInTheFirstFolderFirst) {
  const TemporaryDirectory first, second;
  for (const TemporaryDirectory* folder : {&first, &second}) {
    std::ofstream(*folder / "tool") << "#!/bin/sh\n";
    ::chmod((*folder / "tool").c_str(), 0755);
  }
  EXPECT_EQ(find_program("tool", first.path() + ":" + second.path(), "/").value(), first / "tool");
  ::chmod((first / "tool").c_str(), 0644);
  EXPECT_EQ(find_program("tool", first.path() + ":" + second.path(), "/").value(), second / "tool");
  EXPECT_EQ(find_program("./tool", "", second.path()).value(), second.path() + "/./tool");
  const Result<std::string> missing = find_program("tool", first.path(), "/");
  ASSERT_FALSE(missing);
  EXPECT_NE(missing.error().text().find(first.path()), std::string::npos);
}

TEST(RunLog, LinesHaveTheirTask) {
  const TemporaryDirectory folder;
  {
    Result<RunLog> log = RunLog::open(folder / "run.log");
    ASSERT_TRUE(log);
    OutputLines lines("a.0001");
    lines.write("one\ntw", *log);
    lines.write("o\r\nthree", *log);
    lines.end(*log);
    EXPECT_EQ(lines.last(), (std::deque<std::string>{"one", "two", "three"}));
  }
  std::ifstream in(folder / "run.log");
  std::string line;
  for (const char* text : {"one", "two", "three"}) {
    ASSERT_TRUE(std::getline(in, line));
    EXPECT_TRUE(line.ends_with(std::string(" a.0001 | ") + text)) << line;
  }
}

TEST(RunLog, ALineWithoutAnEndIsCut) {
  const TemporaryDirectory folder;
  Result<RunLog> log = RunLog::open(folder / "run.log");
  ASSERT_TRUE(log);
  OutputLines lines("a");
  lines.write(std::string(3 * OutputLines::kMaxLineBytes, 'x'), *log);
  EXPECT_EQ(lines.last().size(), 3u);
}

TEST(OutputPlace, IsHiddenUntilItIsPutInPlace) {
  const TemporaryDirectory folder;
  const OutputPlace output(folder / "r/w/run", "run", "alice");
  EXPECT_EQ(output.hidden(), folder / "r/w/.run.part");
  ASSERT_TRUE(output.check_free());
  ASSERT_TRUE(output.make_hidden());
  std::ofstream(output.hidden() + "/file") << "x";
  EXPECT_FALSE(fs::exists(output.place()));
  ASSERT_TRUE(output.put_in_place());
  EXPECT_TRUE(fs::exists(output.place() + "/file"));
  EXPECT_FALSE(output.hidden_exists());
  EXPECT_FALSE(output.check_free());
}

TEST(OutputPlace, WhatARunThatFailedWroteIsVisibleUntilItGoesOn) {
  const TemporaryDirectory folder;
  for (const char* place : {"r/run", "r/fixed"}) {
    const OutputPlace output(folder / place, "run", "alice");
    ASSERT_TRUE(output.make_hidden());
    EXPECT_EQ(output.keep_what_was_written(), "") << "nothing was written";
    ASSERT_TRUE(output.make_hidden());
    std::ofstream(output.hidden() + "/file") << "x";
    const std::string kept = output.keep_what_was_written();
    EXPECT_EQ(kept, std::string(place) == "r/run" ? folder / "r/run.incomplete"
                                                  : folder / "r/fixed.run.incomplete");
    EXPECT_TRUE(fs::exists(kept + "/file"));
    EXPECT_FALSE(output.hidden_exists());
    output.take_back();
    EXPECT_TRUE(fs::exists(output.hidden() + "/file"));
    EXPECT_FALSE(fs::exists(kept));
  }
}

TEST(OutputPlace, NeverReplacesWhatIsThere) {
  const TemporaryDirectory folder;
  const OutputPlace output(folder / "place", "run", "alice");
  ASSERT_TRUE(output.make_hidden());
  fs::create_directories(folder / "place");
  EXPECT_FALSE(output.put_in_place());
}

TEST(OutputPlace, AFolderIsEmptiedWithoutFollowingLinks) {
  const TemporaryDirectory folder;
  fs::create_directories(folder / "work/sub/locked");
  std::ofstream(folder / "work/sub/locked/file") << "x";
  std::ofstream(folder / "precious") << "x";
  fs::create_directory_symlink(folder.path(), folder / "work/link");
  ::chmod((folder / "work/sub/locked").c_str(), 0555);
  ASSERT_TRUE(empty_folder(folder / "work"));
  EXPECT_TRUE(fs::is_empty(folder / "work"));
  EXPECT_TRUE(fs::exists(folder / "precious"));
}

}  // namespace
}  // namespace tierhub::compute
