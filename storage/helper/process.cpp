#include "storage/helper/process.h"

#include <cerrno>
#include <csignal>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/frame_socket.h"
#include "common/spawn.h"
#include "storage/helper/helper.h"

namespace tierhub {
namespace {

constexpr std::chrono::milliseconds kAfterKill(200);

}  // namespace

Result<HelperProcess> HelperProcess::start(const std::string& program,
                                           const std::vector<std::string>& arguments) {
  TRY_ASSIGN(auto sockets, make_socket_pair());
  auto& [ours, theirs] = sockets;
  if (::fcntl(ours.get(), F_SETFL, O_NONBLOCK) < 0) return Error::from_errno(errno, "fcntl");
  SpawnPlan plan{program, arguments};
  plan.arguments.insert(plan.arguments.begin(), program);
  plan.descriptors = {SpawnPlan::kEmpty, SpawnPlan::kEmpty, STDERR_FILENO, theirs.get()};
  static_assert(kArchiveHelperSocket == 3);
  plan.group = SpawnPlan::Group::own;
  auto started = spawn(plan);
  if (!started) return started.error().in("the archive helper");
  const pid_t pid = *started;
  Result<UniqueFd> process = open_process(pid);
  if (!process) {
    ::kill(pid, SIGKILL);
    wait_for_end(pid);
    return process.error();
  }
  return HelperProcess(pid, *std::move(process), std::move(ours));
}

HelperProcess::HelperProcess(pid_t pid, UniqueFd process, UniqueFd socket)
    : pid_(pid), process_(std::move(process)), socket_(std::move(socket)) {}

HelperProcess::HelperProcess(HelperProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      process_(std::move(other.process_)),
      socket_(std::move(other.socket_)) {}

HelperProcess& HelperProcess::operator=(HelperProcess&& other) noexcept {
  if (this != &other) {
    stop({});
    pid_ = std::exchange(other.pid_, -1);
    process_ = std::move(other.process_);
    socket_ = std::move(other.socket_);
  }
  return *this;
}

HelperProcess::~HelperProcess() { stop({}); }

std::optional<pid_t> HelperProcess::stop(std::chrono::milliseconds patience) {
  socket_.reset();
  if (pid_ < 0 || wait(patience)) return std::nullopt;
  ::kill(pid_, SIGKILL);
  if (wait(kAfterKill)) return std::nullopt;
  return std::exchange(pid_, -1);
}

// True if it has ended and is reaped.
bool HelperProcess::wait(std::chrono::milliseconds patience) {
  pollfd ended{process_.get(), POLLIN, 0};
  if (process_ && patience.count() > 0) ::poll(&ended, 1, static_cast<int>(patience.count()));
  if (::waitpid(pid_, nullptr, WNOHANG) != pid_) return false;
  pid_ = -1;
  return true;
}

}  // namespace tierhub
