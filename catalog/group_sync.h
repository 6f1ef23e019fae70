// Coalesces concurrent syncs: callers that ask at the same time share one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include "common/mutex.h"
#include "common/result.h"

namespace tierhub {

// Any thread.
class GroupSync {
 public:
  // Returns once a `sync` that began after this call has ended; it may be another caller's. A
  // failure is final, for all callers: what the kernel could not write it may forget, so that a
  // second try would "succeed".
  template <class Sync>
  Result<void> run(Sync sync) {
    MutexLock lock(mutex_);
    const uint64_t needed = begun_ + 1;
    ++waiting_;
    while (ended_ < needed && !failure_) {
      if (running_) {
        changed_.wait(mutex_);
        continue;
      }
      running_ = true;
      ++begun_;
      lock.unlock();
      Result<void> result = sync();
      lock.lock();
      if (!result.has_value() && !failure_) failure_ = result.error();
      running_ = false;
      ended_ = begun_;
      changed_.notify_all();
    }
    --waiting_;
    return state_locked();
  }

  // Makes `error` the failure of all later callers, unless there is one already. Answers the
  // failure.
  Error fail(Error error) {
    MutexLock lock(mutex_);
    if (!failure_) failure_ = std::move(error);
    return *failure_;
  }

  // The failure so far.
  Result<void> state() const {
    MutexLock lock(mutex_);
    return state_locked();
  }

  // How many callers are in run().
  size_t waiting() const {
    MutexLock lock(mutex_);
    return waiting_;
  }

 private:
  Result<void> state_locked() const REQUIRES(mutex_) {
    if (failure_) return *failure_;
    return {};
  }

  mutable Mutex mutex_;
  ConditionVariable changed_;
  bool running_ GUARDED_BY(mutex_) = false;
  size_t waiting_ GUARDED_BY(mutex_) = 0;
  uint64_t begun_ GUARDED_BY(mutex_) = 0;
  uint64_t ended_ GUARDED_BY(mutex_) = 0;
  std::optional<Error> failure_ GUARDED_BY(mutex_);
};

}  // namespace tierhub
