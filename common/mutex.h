// Mutexes whose use the compiler checks. A member declared GUARDED_BY(mutex_) can be read and
// written only where clang's analysis (-Wthread-safety) sees that `mutex_` is held: behind a
// MutexLock, or in a function that REQUIRES it. `scripts/test.sh locks` runs the analysis. For g++
// the annotations are empty. The classes wrap those of the standard library, which have no
// annotations, and cost the same.
//
//   class Counter {
//     void add() {
//       MutexLock lock(mutex_);
//       ++count_;
//     }
//     Mutex mutex_;
//     int count_ GUARDED_BY(mutex_) = 0;
//   };
//
// The analysis looks at one function at a time, and a lambda is a function of its own: the
// predicate of a wait says what it requires, as in
// `changed_.wait(mutex_, [this]() REQUIRES(mutex_) { return stopping_; })`.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <utility>

#if defined(__clang__)
#define TIERHUB_LOCK_ATTRIBUTE(attribute) __attribute__((attribute))
#else
#define TIERHUB_LOCK_ATTRIBUTE(attribute)
#endif

// On data: it is read and written only while the mutex is held.
#define GUARDED_BY(mutex) TIERHUB_LOCK_ATTRIBUTE(guarded_by(mutex))

// On functions: the caller holds the mutexes, before and after the call.
#define REQUIRES(...) TIERHUB_LOCK_ATTRIBUTE(requires_capability(__VA_ARGS__))
// The caller does not hold them.
#define EXCLUDES(...) TIERHUB_LOCK_ATTRIBUTE(locks_excluded(__VA_ARGS__))
// The function returns the mutex.
#define RETURNS_MUTEX(mutex) TIERHUB_LOCK_ATTRIBUTE(lock_returned(mutex))

// On functions of classes that lock. Without arguments: of the object itself.
#define ACQUIRE(...) TIERHUB_LOCK_ATTRIBUTE(acquire_capability(__VA_ARGS__))
#define RELEASE(...) TIERHUB_LOCK_ATTRIBUTE(release_capability(__VA_ARGS__))
#define TRY_ACQUIRE(...) TIERHUB_LOCK_ATTRIBUTE(try_acquire_capability(__VA_ARGS__))
// From here on, the analysis assumes that the mutex is held.
#define ASSERT_HELD(...) TIERHUB_LOCK_ATTRIBUTE(assert_capability(__VA_ARGS__))
// Not checked. Each use says why.
#define NO_LOCK_ANALYSIS TIERHUB_LOCK_ATTRIBUTE(no_thread_safety_analysis)

namespace tierhub {

class TIERHUB_LOCK_ATTRIBUTE(capability("mutex")) Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void lock() ACQUIRE() { native_.lock(); }
  void unlock() RELEASE() { native_.unlock(); }
  bool try_lock() TRY_ACQUIRE(true) { return native_.try_lock(); }
  // For code that the analysis cannot follow, as the owner of a MovableMutexLock. Does nothing.
  void assert_held() const ASSERT_HELD() {}

 private:
  friend class MovableMutexLock;
  template <class Native>
  friend class BasicConditionVariable;
  std::mutex native_;
};

// Holds a mutex to the end of its scope. It may be unlocked in between.
class [[nodiscard]] TIERHUB_LOCK_ATTRIBUTE(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) ACQUIRE(mutex) : mutex_(mutex) { mutex_.lock(); }
  ~MutexLock() RELEASE() {
    if (is_locked_) mutex_.unlock();
  }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

  void unlock() RELEASE() {
    is_locked_ = false;
    mutex_.unlock();
  }
  void lock() ACQUIRE() {
    mutex_.lock();
    is_locked_ = true;
  }

 private:
  Mutex& mutex_;
  bool is_locked_ = true;
};

// Holds a mutex beyond the function that locked it. The analysis cannot follow it: it assumes that
// the mutex is held to the end of that function, and other functions that have the lock call
// assert_held().
class [[nodiscard]] MovableMutexLock {
 public:
  MovableMutexLock() = default;
  // Not checked: nothing that the analysis sees unlocks it.
  explicit MovableMutexLock(Mutex& mutex) ASSERT_HELD(mutex) NO_LOCK_ANALYSIS
      : lock_(mutex.native_) {}

  void unlock() { lock_.unlock(); }

 private:
  std::unique_lock<std::mutex> lock_;
};

// The caller holds the mutex; a wait releases it, and holds it again when it returns. A wait with a
// predicate ends once that is true, or at its limit, and returns whether it is; the predicate runs
// with the mutex held.
template <class Native>
class BasicConditionVariable {
 public:
  void notify_one() { native_.notify_one(); }
  void notify_all() { native_.notify_all(); }

  void wait(Mutex& mutex) REQUIRES(mutex) {
    Borrowed borrowed(mutex);
    native_.wait(borrowed.lock);
  }
  template <class Predicate>
  void wait(Mutex& mutex, Predicate is_over) REQUIRES(mutex) {
    Borrowed borrowed(mutex);
    native_.wait(borrowed.lock, std::move(is_over));
  }
  template <class Rep, class Period, class Predicate>
  bool wait_for(Mutex& mutex, const std::chrono::duration<Rep, Period>& limit, Predicate is_over)
      REQUIRES(mutex) {
    Borrowed borrowed(mutex);
    return native_.wait_for(borrowed.lock, limit, std::move(is_over));
  }

 protected:
  // The mutex in the form that the standard library takes; it stays held.
  struct Borrowed {
    explicit Borrowed(Mutex& mutex) : lock(mutex.native_, std::adopt_lock) {}
    ~Borrowed() { lock.release(); }
    Borrowed(const Borrowed&) = delete;
    Borrowed& operator=(const Borrowed&) = delete;
    std::unique_lock<std::mutex> lock;
  };
  Native native_;
};

using ConditionVariable = BasicConditionVariable<std::condition_variable>;

// Its waits also end when their std::jthread is asked to stop.
class StoppableConditionVariable : public BasicConditionVariable<std::condition_variable_any> {
 public:
  using BasicConditionVariable::wait;
  using BasicConditionVariable::wait_for;

  template <class Predicate>
  bool wait(Mutex& mutex, std::stop_token stop, Predicate is_over) REQUIRES(mutex) {
    Borrowed borrowed(mutex);
    return native_.wait(borrowed.lock, std::move(stop), std::move(is_over));
  }
  template <class Rep, class Period, class Predicate>
  bool wait_for(Mutex& mutex, std::stop_token stop, const std::chrono::duration<Rep, Period>& limit,
                Predicate is_over) REQUIRES(mutex) {
    Borrowed borrowed(mutex);
    return native_.wait_for(borrowed.lock, std::move(stop), limit, std::move(is_over));
  }
  template <class Clock, class Duration, class Predicate>
  bool wait_until(Mutex& mutex, std::stop_token stop,
                  const std::chrono::time_point<Clock, Duration>& end, Predicate is_over)
      REQUIRES(mutex) {
    Borrowed borrowed(mutex);
    return native_.wait_until(borrowed.lock, std::move(stop), end, std::move(is_over));
  }
};

}  // namespace tierhub
