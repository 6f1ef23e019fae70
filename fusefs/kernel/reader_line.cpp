#include "fusefs/kernel/reader_line.h"

#include <cerrno>
#include <ctime>

#include <poll.h>

namespace tierhub {
namespace {

bool has_request(int fd) {
  pollfd wanted{fd, POLLIN, 0};
  return ::poll(&wanted, 1, 0) > 0;
}

}  // namespace

// Counts a worker as waiting, also when libfuse cancels it meanwhile.
class ReaderLine::Place {
 public:
  explicit Place(ReaderLine& line) : line_(line) {}
  ~Place() { --line_.waiting_; }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

 private:
  ReaderLine& line_;
};

ReaderLine::ReaderLine() { ::sem_init(&calls_, 0, 0); }

ReaderLine::~ReaderLine() { ::sem_destroy(&calls_); }

void ReaderLine::wait(int fd) {
  for (;;) {
    {
      const MutexLock lock(mutex_);
      if (reading_ == 0) {
        ++reading_;
        return;
      }
      ++waiting_;
    }
    sleep_in_line();
    if (is_to_watch()) watch(fd);
  }
}

// sem_wait(3) may be cancelled; waiting for a condition variable of the standard library may not.
void ReaderLine::sleep_in_line() {
  const Place place(*this);
  while (::sem_wait(&calls_) < 0 && errno == EINTR) {
  }
}

bool ReaderLine::is_to_watch() {
  const MutexLock lock(mutex_);
  const bool wanted = watch_wanted_;
  watch_wanted_ = false;
  return wanted;
}

// Returns when somebody reads again, or has to: who took the last request got nowhere since, or
// more comes than is read.
void ReaderLine::watch(int fd) {
  constexpr timespec patience{0, std::chrono::nanoseconds(kPatience).count()};
  for (;;) {
    uint64_t turns = 0;
    {
      const MutexLock lock(mutex_);
      turns = turns_;
    }
    ::nanosleep(&patience, nullptr);
    const bool more = has_request(fd);
    const MutexLock lock(mutex_);
    if (reading_ == 0 && turns != turns_ && !more) continue;
    watched_ = false;
    return;
  }
}

void ReaderLine::leave(Successor successor) {
  bool call = false;
  {
    const MutexLock lock(mutex_);
    --reading_;
    ++turns_;
    if (reading_ > 0 || waiting_ == 0) return;
    call = successor == Successor::at_once || !watched_;
    if (successor == Successor::if_held_up && call) watch_wanted_ = watched_ = true;
  }
  if (call) ::sem_post(&calls_);
}

}  // namespace tierhub
