#include "fusefs/kernel/request_reader.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/clock.h"
#include "fusefs/kernel/kernel_layout.h"

namespace tierhub {
namespace {

using std::chrono::microseconds;

// After so many times in vain in a row a worker sleeps at once, and only each so many-th tries
// again.
constexpr unsigned kMissesMax = 4;
constexpr unsigned kRetryEvery = 8;
constexpr unsigned kRetryShare = 2;  // of the whole time

// How long nobody asks after a worker had to make way for something else, and after how many
// requests it looks for that.
constexpr std::chrono::milliseconds kPause{200};
constexpr unsigned kLookEvery = 8;

// Which descriptor of this thread does not block. Each worker reads one of its own.
thread_local int nonblocking_fd = -1;

bool set_blocking(int fd, bool blocking) {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0) return false;
  const int wanted = blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK;
  return ::fcntl(fd, F_SETFL, wanted) == 0;
}

void block(int fd) {
  if (nonblocking_fd == fd) set_blocking(fd, true);
  nonblocking_fd = -1;
}

bool dont_block(int fd) {
  if (nonblocking_fd == fd) return true;
  if (!set_blocking(fd, false)) return false;
  nonblocking_fd = fd;
  return true;
}

// Whether others should not wait until this request is done.
ReaderLine::Successor successor_of(const void* buffer, ssize_t got) {
  constexpr uint32_t kManyBytes = 64 << 10;
  fuse_in_header header{};
  fuse_read_in read{};
  if (got < static_cast<ssize_t>(sizeof header)) return ReaderLine::Successor::if_held_up;
  std::memcpy(&header, buffer, sizeof header);
  const auto* const body = static_cast<const std::byte*>(buffer) + sizeof header;
  bool takes_time = header.opcode == FUSE_FSYNC || header.opcode == FUSE_FSYNCDIR ||
                    header.opcode == FUSE_FALLOCATE;
  if (header.opcode == FUSE_WRITE) takes_time = header.len >= kManyBytes;
  if (header.opcode == FUSE_READ && got >= static_cast<ssize_t>(sizeof header + sizeof read)) {
    std::memcpy(&read, body, sizeof read);
    takes_time = read.size >= kManyBytes;
  }
  return takes_time ? ReaderLine::Successor::at_once : ReaderLine::Successor::if_held_up;
}

}  // namespace

// One of the places among those who ask. Given back also when libfuse cancels the thread.
class RequestReader::Turn {
 public:
  explicit Turn(RequestReader& reader)
      : reader_(reader), has_(reader.spinners_.fetch_add(1) < reader.options_.spinners_max) {}
  ~Turn() { --reader_.spinners_; }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  bool has() const { return has_; }

 private:
  RequestReader& reader_;
  const bool has_;
};

bool RequestReader::processors_are_short() {
  thread_local unsigned requests = 0;
  thread_local long preempted = 0;
  const int64_t now_ns = SteadyClock::now().time_since_epoch().count();
  if (requests++ % kLookEvery == 0) {
    rusage usage{};
    ::getrusage(RUSAGE_THREAD, &usage);
    if (std::exchange(preempted, usage.ru_nivcsw) != usage.ru_nivcsw)
      short_until_ns_ = now_ns + std::chrono::nanoseconds(kPause).count();
  }
  return now_ns < short_until_ns_;
}

microseconds RequestReader::time_to_spin() {
  if (options_.spin.count() == 0 || processors_are_short()) return microseconds(0);
  const unsigned misses = misses_;
  if (misses < kMissesMax) return options_.spin / (1u << misses);
  if (++skipped_ % kRetryEvery != 0) return microseconds(0);
  return options_.spin / kRetryShare;
}

ssize_t RequestReader::read(int fd, void* buffer, size_t size) {
  ReaderLine::Turn turn(line_, fd);
  const ssize_t got = read_in_turn(fd, buffer, size);
  turn.end(successor_of(buffer, got));
  return got;
}

ssize_t RequestReader::read_in_turn(int fd, void* buffer, size_t size) {
  if (const microseconds limit = time_to_spin(); limit.count() > 0) {
    const Turn turn(*this);
    if (turn.has() && dont_block(fd)) {
      const auto end = SteadyClock::now() + limit;
      do {
        const ssize_t got = ::read(fd, buffer, size);
        if (got >= 0 || errno != EAGAIN) {
          misses_ = 0;
          ++met_;
          return got;
        }
      } while (SteadyClock::now() < end);
      ++misses_;
      ++in_vain_;
    }
  }
  block(fd);
  ssize_t got = ::read(fd, buffer, size);
  // Somebody else made it not block: two workers may share a descriptor.
  while (got < 0 && errno == EAGAIN) {
    pollfd wanted{fd, POLLIN, 0};
    ::poll(&wanted, 1, -1);
    got = ::read(fd, buffer, size);
  }
  return got;
}

}  // namespace tierhub
