#include "fusefs/mount/probe.h"

#include <chrono>
#include <csignal>

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <spawn.h>

#include "common/clock.h"
#include "common/unique_fd.h"

namespace tierhub {
namespace {

constexpr std::chrono::seconds kTimeout{3};

struct Child {
  pid_t pid = 0;
  UniqueFd errors;  // what it writes to standard error; ends when it does
};

// `stat -f`, which asks the daemon always; plain stat may be answered from the kernel's cache.
Result<Child> spawn_stat(const std::string& path) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) < 0) return Error::from_errno(errno, "pipe");
  UniqueFd from_child(ends[0]);
  const UniqueFd to_parent(ends[1]);

  std::string program = "stat", file_system = "-f", end_of_options = "--", argument = path;
  char* const arguments[] = {program.data(), file_system.data(), end_of_options.data(),
                             argument.data(), nullptr};
  std::string locale = "LC_ALL=C";
  char* const environment[] = {locale.data(), nullptr};

  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, to_parent.get(), STDERR_FILENO);
  Child child;
  const int rc =
      ::posix_spawnp(&child.pid, program.c_str(), &actions, nullptr, arguments, environment);
  ::posix_spawn_file_actions_destroy(&actions);
  if (rc != 0) return Error::from_errno(rc, "run 'stat' to look at the mount " + path);
  child.errors = std::move(from_child);
  return child;
}

// False if it takes too long.
bool read_to_end(int fd, std::string& text) {
  const auto end = SteadyClock::now() + kTimeout;
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - SteadyClock::now());
    pollfd readable{fd, POLLIN, 0};
    const int ready = left.count() > 0 ? ::poll(&readable, 1, static_cast<int>(left.count())) : 0;
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return false;
    char part[512];
    const ssize_t got = ::read(fd, part, sizeof part);
    if (got <= 0) return true;
    text.append(part, static_cast<size_t>(got));
  }
}

}  // namespace

Result<Answer> probe_mount(const std::string& mount_point) {
  TRY_ASSIGN(const Child child, spawn_stat(mount_point));
  std::string errors;
  if (!read_to_end(child.errors.get(), errors)) {
    ::kill(child.pid, SIGKILL);  // and no wait: it may never end
    return Answer::silent;
  }
  int status = 0;
  while (::waitpid(child.pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return Answer::lives;
  for (const std::errc gone : {std::errc::not_connected, std::errc::connection_aborted}) {
    if (errors.find(std::make_error_code(gone).message()) != std::string::npos) return Answer::dead;
  }
  while (errors.ends_with('\n')) errors.pop_back();
  return Error(std::errc::io_error, "look at the mount " + mount_point + ": " + errors);
}

}  // namespace tierhub
