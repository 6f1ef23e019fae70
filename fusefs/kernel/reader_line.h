// Who of the workers asks the kernel for the next request: one, mostly. The others wait here.
//
// The kernel gives requests to those who ask in turn. With many asking, each request of one program
// wakes another thread, often on another processor, and what that costs is most of what a small
// request costs at all. With one asking, the worker that has just answered takes the next request
// as well.
//
// So that nobody waits for a worker that is held up (by a lock, by a disk), one of those in the
// line looks after `kPatience` how it goes, as long as there are requests, and asks in its place.
// What is known to take its time is not waited for at all.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include <semaphore.h>

#include "common/mutex.h"

namespace tierhub {

class ReaderLine {
 public:
  static constexpr std::chrono::milliseconds kPatience{1};

  ReaderLine();
  ~ReaderLine();
  ReaderLine(const ReaderLine&) = delete;
  ReaderLine& operator=(const ReaderLine&) = delete;

  enum class Successor {
    if_held_up,  // the request is likely to be done at once
    at_once,     // it takes its time, or much memory is copied
  };

  // A worker's time in front of the line; ends when it has a request, or is cancelled.
  class Turn {
   public:
    // Waits for it. `fd` is where requests come from. A cancellation point.
    Turn(ReaderLine& line, int fd) : line_(line) { line_.wait(fd); }
    ~Turn() { line_.leave(successor_); }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    void end(Successor successor) { successor_ = successor; }

   private:
    ReaderLine& line_;
    Successor successor_ = Successor::if_held_up;
  };

 private:
  class Place;
  void wait(int fd);
  void leave(Successor successor);
  void sleep_in_line();
  bool is_to_watch();
  void watch(int fd);

  sem_t calls_;                        // wakes one who waits: to read, or to watch
  std::atomic<unsigned> waiting_ = 0;  // a thread that is cancelled takes no lock
  Mutex mutex_;
  unsigned reading_ GUARDED_BY(mutex_) = 0;
  uint64_t turns_ GUARDED_BY(mutex_) = 0;         // that have ended
  bool watch_wanted_ GUARDED_BY(mutex_) = false;  // somebody was called for it
  bool watched_ GUARDED_BY(mutex_) = false;       // somebody does, or was called for it
};

}  // namespace tierhub
