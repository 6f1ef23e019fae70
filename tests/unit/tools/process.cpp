#include "tests/unit/tools/process.h"

#include <csignal>
#include <thread>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>
#include <pty.h>

#include "common/spawn.h"

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

Pipe make_terminal() {
  int ours = -1;
  int theirs = -1;
  winsize size = {24, 100, 0, 0};
  EXPECT_EQ(::openpty(&ours, &theirs, nullptr, nullptr, &size), 0);
  ::fcntl(ours, F_SETFD, FD_CLOEXEC);
  ::fcntl(theirs, F_SETFD, FD_CLOEXEC);
  return {UniqueFd(ours), UniqueFd(theirs)};
}

}  // namespace

Process::Process(std::vector<std::string> arguments, std::vector<std::string> environment,
                 const std::string& folder, StandardError standard_error) {
  Pipe out = make_pipe().value();
  Pipe err = standard_error == StandardError::terminal ? make_terminal() : make_pipe().value();
  environment.insert(environment.end(), {"PATH=/usr/bin:/bin", "TZ=UTC", "LC_ALL=C.UTF-8"});
  SpawnPlan plan{arguments.front(), std::move(arguments)};
  plan.descriptors = {SpawnPlan::kEmpty, out.write.get(), err.write.get()};
  plan.environment = std::move(environment);
  plan.folder = folder;
  pid_ = spawn(plan).value();
  out_ = std::move(out.read);
  err_ = std::move(err.read);
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
