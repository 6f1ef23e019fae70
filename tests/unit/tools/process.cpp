#include "tests/unit/tools/process.h"

#include <csignal>
#include <thread>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>
#include <pty.h>
#include <spawn.h>

namespace tierhub::test {
namespace {

std::string read_all(int fd) {
  std::string text;
  char buffer[4096];
  while (true) {
    ssize_t n = ::read(fd, buffer, sizeof buffer);  // a terminal ends with EIO
    if (n <= 0) return text;
    text.append(buffer, static_cast<size_t>(n));
  }
}

struct Pair {
  UniqueFd ours;
  UniqueFd theirs;
};

Pair make_pipe() {
  int fds[2] = {-1, -1};
  EXPECT_EQ(::pipe2(fds, O_CLOEXEC), 0);
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

Pair make_terminal() {
  int ours = -1;
  int theirs = -1;
  winsize size = {24, 100, 0, 0};
  EXPECT_EQ(::openpty(&ours, &theirs, nullptr, nullptr, &size), 0);
  ::fcntl(ours, F_SETFD, FD_CLOEXEC);
  ::fcntl(theirs, F_SETFD, FD_CLOEXEC);
  return {UniqueFd(ours), UniqueFd(theirs)};
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

Process::Process(std::vector<std::string> arguments, std::vector<std::string> environment,
                 const std::string& folder, StandardError standard_error) {
  Pair out = make_pipe();
  Pair err = standard_error == StandardError::terminal ? make_terminal() : make_pipe();
  environment.insert(environment.end(), {"PATH=/usr/bin:/bin", "TZ=UTC", "LC_ALL=C.UTF-8"});
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, out.theirs.get(), STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, err.theirs.get(), STDERR_FILENO);
  ::posix_spawn_file_actions_addchdir_np(&actions, folder.c_str());
  int error = ::posix_spawn(&pid_, arguments.front().c_str(), &actions, nullptr,
                            pointers_to(arguments).data(), pointers_to(environment).data());
  ::posix_spawn_file_actions_destroy(&actions);
  EXPECT_EQ(error, 0) << arguments.front();
  out_ = std::move(out.ours);
  err_ = std::move(err.ours);
}

Process::~Process() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

Outcome Process::wait() {
  Outcome outcome;
  {
    std::jthread reader([&] { outcome.err = read_all(err_.get()); });
    outcome.out = read_all(out_.get());
  }
  int status = 0;
  EXPECT_EQ(::waitpid(pid_, &status, 0), pid_);
  pid_ = -1;
  if (WIFEXITED(status)) outcome.exit_code = WEXITSTATUS(status);
  return outcome;
}

}  // namespace tierhub::test
