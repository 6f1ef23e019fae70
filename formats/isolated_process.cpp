#include "formats/isolated_process.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/bytes.h"
#include "common/spawn.h"

namespace tierhub::formats {
namespace {

using Clock = std::chrono::steady_clock;

constexpr uint64_t kMaxReadBytes = 64u << 20;
// A process that outlives its parent, which would have ended it, stops here.
constexpr rlim_t kMaxProcessorSeconds = 3600;
constexpr int kSocket = 3;

// What the process sends.
enum class Kind : uint8_t { answer, read };

std::string message(Kind kind, std::string_view body) {
  ByteWriter out;
  out.u8(static_cast<uint8_t>(kind)).raw(body);
  return out.take();
}

Result<void> send(int socket, const std::string& body) {
  TRY(OutgoingFrame(body, UniqueFd()).send(socket));
  return {};
}

// In the process: it ends when nobody is at the other end.
class Server {
 public:
  [[noreturn]] void serve(const MakeAnswerer& make) {
    const auto answerer =
        make([this](uint64_t offset, std::span<std::byte> buffer) { return read(offset, buffer); });
    for (;;) send_or_end(message(Kind::answer, answerer->answer(receive())));
  }

 private:
  static void send_or_end(const std::string& body) {
    if (!send(kSocket, body)) ::_exit(0);
  }

  std::string receive() {
    for (;;) {
      auto frames = frames_.receive(kSocket);
      if (!frames) ::_exit(0);
      if (!frames->empty()) return std::move(frames->front().body);
    }
  }

  bool read(uint64_t offset, std::span<std::byte> buffer) {
    if (buffer.size() > kMaxReadBytes) return false;
    ByteWriter request;
    request.u64(offset).u64(buffer.size());
    send_or_end(message(Kind::read, request.bytes()));
    const std::string bytes = receive();
    if (bytes.size() != buffer.size()) return false;
    std::copy_n(reinterpret_cast<const std::byte*>(bytes.data()), bytes.size(), buffer.data());
    return true;
  }

  FrameReader frames_;
};

void set_limit(__rlimit_resource kind, rlim_t limit) {
  rlimit limits{};
  ::getrlimit(kind, &limits);
  limits.rlim_cur = std::min(limits.rlim_max, limit);
  ::setrlimit(kind, &limits);
}

// The memory of this process that counts for RLIMIT_DATA.
uint64_t data_bytes() {
  std::FILE* file = std::fopen("/proc/self/statm", "re");
  unsigned long pages = 0;
  const bool read = file != nullptr && std::fscanf(file, "%*u %*u %*u %*u %*u %lu", &pages) == 1;
  if (file != nullptr) std::fclose(file);
  return read ? pages * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE)) : 0;
}

// Leaves the process nothing that belongs to its parent but memory.
void isolate(int socket) {
  for (int signal = 1; signal < NSIG; ++signal) ::signal(signal, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  const int empty = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) ::dup2(empty, fd);
  if (socket != kSocket) ::dup2(socket, kSocket);
  ::syscall(SYS_close_range, kSocket + 1, ~0U, 0);
  if (const uint64_t bytes = data_bytes(); bytes > 0)
    set_limit(RLIMIT_DATA, bytes + IsolatedProcess::kMaxMoreBytes);
  set_limit(RLIMIT_CPU, kMaxProcessorSeconds);
  set_limit(RLIMIT_CORE, 0);
}

Error gone(const FileTree& tree, std::string_view library, std::string_view how) {
  return Error(std::errc::invalid_argument,
               fmt::format("{} is damaged: reading it, {} {}", tree.path(), library, how));
}

}  // namespace

Result<std::unique_ptr<IsolatedProcess>> IsolatedProcess::start(
    std::shared_ptr<const NotedTree> tree, uint64_t size_bytes, std::string library,
    const MakeAnswerer& make, std::chrono::seconds max_time) {
  TRY_ASSIGN(auto sockets, make_socket_pair());
  const std::string path = tree->path();
  // No handler of ours runs in the process.
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t pid = ::fork();
  if (pid == 0) {
    isolate(sockets.second.get());
    Server().serve(make);
  }
  const int code = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) return Error::from_errno(code, "start a process that reads " + path);
  Result<UniqueFd> descriptor = open_process(pid);
  if (!descriptor) {
    ::kill(pid, SIGKILL);
    wait_for_end(pid);
    return descriptor.error().in("open the process that reads " + path);
  }
  std::unique_ptr<IsolatedProcess> process(
      new IsolatedProcess(std::move(tree), size_bytes, std::move(library), max_time));
  const MutexLock lock(process->mutex_);
  process->socket_ = std::move(sockets.first);
  process->process_ = *std::move(descriptor);
  return process;
}

IsolatedProcess::~IsolatedProcess() {
  const MutexLock lock(mutex_);
  end();
}

void IsolatedProcess::end() {
  if (!process_) return;
  ::syscall(SYS_pidfd_send_signal, process_.get(), SIGKILL, nullptr, 0);
  siginfo_t info;
  while (::waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(process_.get()), &info,
                  WEXITED) < 0 &&
         errno == EINTR) {
  }
  process_.reset();
  socket_.reset();
}

Result<std::string> IsolatedProcess::ask(const std::string& question) {
  const MutexLock lock(mutex_);
  if (ended_) return *ended_;
  auto answer = exchange(question);
  // What is left on the socket would be taken for the next answer.
  if (ended_) end();
  return answer;
}

Result<std::string> IsolatedProcess::exchange(const std::string& question) {
  const auto give_up = [this](std::string_view how)
                           REQUIRES(mutex_) { return ended_.emplace(gone(*tree_, library_, how)); };
  constexpr std::string_view kCrashed = "crashed", kMisled = "sent what is no answer";
  if (!send(socket_.get(), question)) return give_up(kCrashed);
  std::optional<Error> failure;
  auto deadline = Clock::now() + max_time_;
  for (;;) {
    auto received = receive(deadline);
    if (!received)
      return give_up(received.error().is(std::errc::timed_out)
                         ? fmt::format("did not come to an end in {} s", max_time_.count())
                         : kCrashed);
    ByteReader in(*received);
    const uint8_t kind = in.u8();
    if (kind == static_cast<uint8_t>(Kind::answer)) {
      if (failure) return *std::move(failure);
      return std::string(in.rest());
    }
    const auto begin = Clock::now();
    auto bytes = kind == static_cast<uint8_t>(Kind::read) ? read(in.rest(), failure) : std::nullopt;
    if (!bytes) return give_up(kMisled);
    deadline += Clock::now() - begin;
    if (!send(socket_.get(), *bytes)) return give_up(kCrashed);
  }
}

Result<std::string> IsolatedProcess::receive(Clock::time_point deadline) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    pollfd ready{socket_.get(), POLLIN, 0};
    const int count = left.count() > 0 ? ::poll(&ready, 1, static_cast<int>(left.count())) : 0;
    if (count < 0 && errno == EINTR) continue;
    if (count == 0) return Error(std::errc::timed_out, "receive");
    TRY_ASSIGN(auto frames, frames_.receive(socket_.get()));
    if (!frames.empty()) return std::move(frames.front().body);
  }
}

std::optional<std::string> IsolatedProcess::read(std::string_view request,
                                                 std::optional<Error>& failure) const {
  ByteReader in(request);
  const uint64_t offset = in.u64(), size = in.u64();
  if (!in.complete() || size > kMaxReadBytes || offset > size_bytes_ || size > size_bytes_ - offset)
    return std::nullopt;
  std::string bytes(size, '\0');
  const auto got = tree_->read_at(tree_->file(), std::as_writable_bytes(std::span(bytes)), offset);
  if (!got) failure = got.error();
  // Fewer bytes than were asked for tell the process that reading has failed.
  bytes.resize(got ? *got : 0);
  return bytes;
}

}  // namespace tierhub::formats
