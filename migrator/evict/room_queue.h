// Writers that wait for room in scratch.
//
// A writer that finds no room waits. It is answered
//   * with its bytes reserved, as soon as there is room for them;
//   * with errc::no_space_on_device when it is known that none can come: a whole pass of the
//     evictor, begun after the writer came, made no room, and when that pass began, publishing had
//     nothing left that could make more of scratch evictable;
//   * with errc::no_space_on_device after `wait_s`;
//   * with errc::interrupted when the writing program was interrupted.
// A pass of the evictor asks the archive, which may hang: while the archive accepts nothing, nobody
// waits longer than `pass_limit_s` for a pass.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <optional>
#include <set>

#include "common/clock.h"
#include "common/mutex.h"
#include "common/result.h"

namespace tierhub {

class RoomQueue {
 public:
  struct Options {
    double wait_s = 60;
    double pass_limit_s = 5;
  };
  // The moment by which publishing had nothing left to do that would make room; kNever: the archive
  // takes nothing now; none: it has, or may have.
  using NothingToCome = std::optional<SteadyClock::time_point>;
  static constexpr SteadyClock::time_point kNever = SteadyClock::time_point::max();

  enum class Refusal {
    nothing_to_come,  // what is left can neither be published nor evicted
    archive_away,     // the archive takes nothing
    too_late,         // no room came in time
    too_much,         // it is more than there ever is, or too many wait
  };
  struct Parts {
    std::function<bool(uint64_t bytes)> reserve;  // if there is room; must not block
    std::function<Error(Refusal)> no_room;
    std::function<NothingToCome()> nothing_to_come;
  };
  // How the queue is now, for people.
  struct State {
    uint64_t writers = 0;
    double oldest_s = 0;
  };

  RoomQueue(Parts parts, const Options& options) : parts_(std::move(parts)), options_(options) {}

  // All functions: any thread; none blocks. `done` is called without locks, from any of them.

  // `request`: for interrupt(); 0 if it cannot be interrupted. False: the writer was answered at
  // once, for nothing is to be hoped for.
  enum class Outcome { waits, answered };
  Outcome wait(uint64_t bytes, uint64_t request, std::function<void(Result<void>)> done);
  // The request may be about to wait, or may have been answered.
  void interrupt(uint64_t request);
  // All are answered as if no room could come, now and from now on.
  void close();
  // Answers whoever can be answered, those that came first first. One for which there is not enough
  // room yet holds up nobody: smaller ones behind it are let in. Returns how many bytes the largest
  // of those left wants.
  uint64_t answer();
  void pass_begins();
  void pass_ended();
  bool anybody() const { return count_.load() > 0; }
  State state() const;

 private:
  struct Waiter {
    uint64_t bytes = 0;
    uint64_t request = 0;
    uint64_t awaited_pass = 0;
    SteadyClock::time_point arrived;
    std::function<void(Result<void>)> done;
  };
  std::optional<Refusal> hopeless(Waiter& waiter, SteadyClock::time_point now,
                                  const NothingToCome& nothing_to_come) REQUIRES(mutex_);

  const Parts parts_;
  const Options options_;
  mutable Mutex mutex_;
  std::list<Waiter> waiters_ GUARDED_BY(mutex_);       // bounded by the writers of the mount
  std::set<uint64_t> interrupted_ GUARDED_BY(mutex_);  // those that were not found
  bool closed_ GUARDED_BY(mutex_) = false;
  uint64_t passes_begun_ GUARDED_BY(mutex_) = 0;
  uint64_t passes_ended_ GUARDED_BY(mutex_) = 0;           // number of the last pass that ended
  NothingToCome before_pass_ GUARDED_BY(mutex_) = kNever;  // when the last pass began
  NothingToCome before_ended_pass_ GUARDED_BY(mutex_) = kNever;
  std::optional<uint64_t> stuck_pass_ GUARDED_BY(mutex_);  // writers waited for it in vain
  std::atomic<size_t> count_ = 0;
};

}  // namespace tierhub
