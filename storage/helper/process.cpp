#include "storage/helper/process.h"

#include <cerrno>
#include <csignal>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <spawn.h>

#include "storage/helper/frame_socket.h"
#include "storage/helper/helper.h"

namespace tierhub {
namespace {

constexpr std::chrono::milliseconds kAfterKill(200);

class SpawnPlan {
 public:
  explicit SpawnPlan(int socket_fd) {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_addopen(&actions_, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions_, socket_fd, kArchiveHelperSocket);
    ::posix_spawn_file_actions_addclosefrom_np(&actions_, kArchiveHelperSocket + 1);
    ::posix_spawnattr_init(&attributes_);
    sigset_t none;
    ::sigemptyset(&none);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    ::posix_spawnattr_setpgroup(&attributes_, 0);
    ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
  }
  ~SpawnPlan() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;

  Result<pid_t> run(const std::string& program, const std::vector<std::string>& arguments) {
    std::vector<char*> argv = {const_cast<char*>(program.c_str())};
    for (const std::string& argument : arguments)
      argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    pid_t pid = -1;
    const int code =
        ::posix_spawn(&pid, program.c_str(), &actions_, &attributes_, argv.data(), environ);
    if (code != 0) return Error::from_errno(code, "start the archive helper " + program);
    return pid;
  }

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

}  // namespace

Result<HelperProcess> HelperProcess::start(const std::string& program,
                                           const std::vector<std::string>& arguments) {
  TRY_ASSIGN(auto sockets, make_socket_pair());
  auto& [ours, theirs] = sockets;
  if (::fcntl(ours.get(), F_SETFL, O_NONBLOCK) < 0) return Error::from_errno(errno, "fcntl");
  TRY_ASSIGN(const pid_t pid, SpawnPlan(theirs.get()).run(program, arguments));
  UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  return HelperProcess(pid, std::move(process), std::move(ours));
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
