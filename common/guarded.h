// A value that can be accessed only while its lock is held.
#pragma once

#include <utility>

#include "common/mutex.h"

namespace tierhub {

template <class T>
class Guarded {
 public:
  Guarded() = default;
  template <class... Args>
  explicit Guarded(std::in_place_t, Args&&... args) : value_(std::forward<Args>(args)...) {}

  // Runs `use` with the value, locked, and returns what it returns.
  template <class Use>
  decltype(auto) with(Use&& use) EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    return std::forward<Use>(use)(value_);
  }
  template <class Use>
  decltype(auto) with(Use&& use) const EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    return std::forward<Use>(use)(value_);
  }

 private:
  mutable Mutex mutex_;
  T value_ GUARDED_BY(mutex_){};
};

}  // namespace tierhub
