#include "fusefs/mount/probe.h"

#include <chrono>
#include <csignal>

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/spawn.h"

namespace tierhub {
namespace {

constexpr std::chrono::seconds kTimeout{3};

struct Child {
  pid_t pid = 0;
  UniqueFd errors;  // what it writes to standard error; ends when it does
};

// `stat -f`, which asks the daemon always; plain stat may be answered from the kernel's cache.
Result<Child> spawn_stat(const std::string& path) {
  TRY_ASSIGN(Pipe errors, make_pipe());
  SpawnPlan plan{"stat", {"stat", "-f", "--", path}};
  plan.descriptors = {SpawnPlan::kEmpty, SpawnPlan::kEmpty, errors.write.get()};
  plan.environment = {{"LC_ALL=C"}};
  const auto pid = spawn(plan);
  if (!pid) return pid.error().in("look at the mount " + path);
  return Child{*pid, std::move(errors.read)};
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
  const int status = wait_for_end(child.pid);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return Answer::lives;
  for (const std::errc gone : {std::errc::not_connected, std::errc::connection_aborted}) {
    if (errors.find(std::make_error_code(gone).message()) != std::string::npos) return Answer::dead;
  }
  while (errors.ends_with('\n')) errors.pop_back();
  return Error(std::errc::io_error, "look at the mount " + mount_point + ": " + errors);
}

}  // namespace tierhub
