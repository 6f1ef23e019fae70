#include "tests/support/command.h"

#include <csignal>
#include <stdexcept>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <netinet/in.h>

#include "common/posix.h"
#include "common/spawn.h"

namespace tierhub::test {
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

pid_t start(const std::vector<std::string>& argv, const std::vector<std::string>& environment,
            int out_fd, int err_fd) {
  SpawnPlan plan{argv[0], argv};
  plan.descriptors = {SpawnPlan::kEmpty, out_fd, err_fd};
  plan.environment = own_environment();
  plan.environment->insert(plan.environment->begin(), environment.begin(), environment.end());
  plan.group = SpawnPlan::Group::own;
  const auto child = spawn(plan);
  if (!child) throw std::runtime_error(child.error().text());
  return *child;
}

}  // namespace

pid_t start_program(const std::vector<std::string>& argv,
                    const std::vector<std::string>& environment, int log_fd) {
  return start(argv, environment, log_fd, log_fd);
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
  const pid_t child = start(argv, environment, out.get(), err.get());
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

int free_port() {
  const UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), length) != 0 ||
      ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &length) != 0)
    throw std::runtime_error("no port of 127.0.0.1 is free");
  return ntohs(address.sin_port);
}

}  // namespace tierhub::test
