#include "tests/support/command.h"

#include <csignal>
#include <stdexcept>

#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spawn.h>

#include "common/posix.h"
#include "common/unique_fd.h"

namespace tierhub::testing {
namespace {

UniqueFd unnamed_file() {
  UniqueFd file(::open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!file) throw std::runtime_error("cannot make an unnamed file in /tmp");
  return file;
}

std::string content_of(const UniqueFd& file) {
  auto text = posix::read_file(fmt::format("/proc/self/fd/{}", file.get()));
  return text ? *text : text.error().text();
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (std::string& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

pid_t spawn(const std::vector<std::string>& argv, const std::vector<std::string>& environment,
            int out_fd, int err_fd) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out_fd, 1);
  posix_spawn_file_actions_adddup2(&actions, err_fd, 2);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  posix_spawnattr_setpgroup(&attributes, 0);

  std::vector<std::string> arguments = argv;
  std::vector<std::string> variables = environment;
  for (char** variable = environ; *variable != nullptr; ++variable)
    variables.emplace_back(*variable);
  pid_t child = -1;
  const int error = ::posix_spawnp(&child, arguments[0].c_str(), &actions, &attributes,
                                   pointers(arguments).data(), pointers(variables).data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (error != 0)
    throw std::runtime_error(fmt::format("cannot start {}: error {}", argv[0], error));
  return child;
}

}  // namespace

pid_t start_program(const std::vector<std::string>& argv,
                    const std::vector<std::string>& environment, int log_fd) {
  return spawn(argv, environment, log_fd, log_fd);
}

int wait_for_exit(pid_t child, std::chrono::milliseconds time_limit) {
  const UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, child, 0)));
  pollfd ended{process.get(), POLLIN, 0};
  if (process && ::poll(&ended, 1, static_cast<int>(time_limit.count())) == 0) return -1;
  int status = 0;
  if (::waitpid(child, &status, 0) != child) throw std::runtime_error("waitpid failed");
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

CommandResult run_command(const std::vector<std::string>& argv,
                          const std::vector<std::string>& environment,
                          std::chrono::seconds time_limit) {
  const UniqueFd out = unnamed_file();
  const UniqueFd err = unnamed_file();
  const pid_t child = spawn(argv, environment, out.get(), err.get());
  CommandResult result;
  result.exit_code = wait_for_exit(child, time_limit);
  if (result.exit_code < 0) {
    ::kill(-child, SIGKILL);
    wait_for_exit(child, std::chrono::seconds(10));
    throw std::runtime_error(
        fmt::format("{} did not end within {} s", fmt::join(argv, " "), time_limit.count()));
  }
  result.out = content_of(out);
  result.err = content_of(err);
  result.text = fmt::format("{}: exit code {}\n{}{}", fmt::join(argv, " "), result.exit_code,
                            result.out, result.err);
  return result;
}

}  // namespace tierhub::testing
