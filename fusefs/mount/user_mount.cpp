#include "fusefs/mount/user_mount.h"

#include <cstring>
#include <sstream>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/frame_socket.h"
#include "common/posix.h"
#include "common/spawn.h"

namespace tierhub {
namespace {

constexpr int kSocketOfChild = 3;

// Runs fusermount3 to its end. What it complains about is the error. `socket_fd`: where it sends
// the device; none: -1.
Result<void> run_fusermount(std::vector<std::string> arguments, int socket_fd) {
  TRY_ASSIGN(Pipe complaints, make_pipe());
  arguments.insert(arguments.begin(), "fusermount3");
  SpawnPlan plan{"fusermount3", std::move(arguments)};
  plan.descriptors = {STDIN_FILENO, STDOUT_FILENO, complaints.write.get()};
  static_assert(kSocketOfChild == 3);
  if (socket_fd >= 0) plan.descriptors.push_back(socket_fd);
  plan.environment = own_environment();
  plan.environment->insert(plan.environment->begin(),
                           fmt::format("_FUSE_COMMFD={}", kSocketOfChild));
  const auto child = spawn(plan);
  if (!child && child.error().is(std::errc::no_such_file_or_directory))
    return Error::from_errno(
        ENOENT, "fusermount3, which ordinary users need to mount: install the package fuse3");
  if (!child) return child.error();
  complaints.write.reset();
  std::string text;
  char part[512];
  for (ssize_t got = 0; (got = ::read(complaints.read.get(), part, sizeof part)) > 0;)
    text.append(part, static_cast<size_t>(got));
  const int status = wait_for_end(*child);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  while (text.ends_with('\n')) text.pop_back();
  const bool busy = text.find(std::strerror(EBUSY)) != std::string::npos;
  return Error(busy ? std::errc::device_or_resource_busy : std::errc::operation_not_permitted,
               text);
}

// fusermount3 has ended: what it sent is there, or nothing was sent.
Result<UniqueFd> receive_device(int socket_fd) {
  char byte = 0;
  auto received = receive_some(socket_fd, {&byte, 1});
  if (!received || received->fds.empty())
    return Error(std::errc::protocol_error, "fusermount3 mounted, but did not send the device");
  return std::move(received->fds.front());
}

}  // namespace

Result<UniqueFd> mount_as_user(const std::string& mount_point, const std::string& options) {
  TRY_ASSIGN(auto ends, make_socket_pair());
  const UniqueFd ours = std::move(ends.first);
  UniqueFd theirs = std::move(ends.second);
  if (auto mounted = run_fusermount({"-o", options, "--", mount_point}, theirs.get()); !mounted)
    return mounted.error().in("mount TierHub at " + mount_point);
  theirs.reset();
  return receive_device(ours.get());
}

Result<void> unmount_as_user(const std::string& mount_point, UserUnmount how) {
  std::vector<std::string> arguments = {"-u", "--", mount_point};
  if (how == UserUnmount::lazily) arguments.insert(arguments.begin(), "-z");
  return run_fusermount(std::move(arguments), -1);
}

bool users_may_allow_others() {
  const auto text = posix::read_file("/etc/fuse.conf");
  if (!text) return false;
  std::istringstream lines(*text);
  for (std::string line; std::getline(lines, line);) {
    if (line == "user_allow_other") return true;
  }
  return false;
}

}  // namespace tierhub
