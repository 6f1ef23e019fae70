#include "common/mutex.h"

#include <chrono>
#include <thread>
#include <utility>

#include <gtest/gtest.h>

namespace tierhub {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

bool is_free(Mutex& mutex) {
  bool free = false;
  std::thread([&] {
    if (!mutex.try_lock()) return;
    free = true;
    mutex.unlock();
  }).join();
  return free;
}

TEST(MutexLock, HoldsTheMutexToTheEndOfItsScope) {
  Mutex mutex;
  {
    const MutexLock lock(mutex);
    EXPECT_FALSE(is_free(mutex));
  }
  EXPECT_TRUE(is_free(mutex));
}

TEST(MutexLock, CanBeUnlockedInBetween) {
  Mutex mutex;
  {
    MutexLock lock(mutex);
    lock.unlock();
    EXPECT_TRUE(is_free(mutex));
    lock.lock();
    EXPECT_FALSE(is_free(mutex));
    lock.unlock();
  }
  EXPECT_TRUE(is_free(mutex));
}

TEST(MovableMutexLock, HoldsTheMutexWhereItIsMovedTo) {
  Mutex mutex;
  MovableMutexLock outer;
  {
    MovableMutexLock lock(mutex);
    outer = std::move(lock);
  }
  EXPECT_FALSE(is_free(mutex));
  outer.unlock();
  EXPECT_TRUE(is_free(mutex));
}

TEST(ConditionVariable, HoldsTheMutexAfterAWaitThatRanOut) {
  Mutex mutex;
  ConditionVariable changed;
  const MutexLock lock(mutex);
  EXPECT_FALSE(changed.wait_for(mutex, milliseconds(1), [] { return false; }));
  EXPECT_FALSE(is_free(mutex));
}

TEST(ConditionVariable, LetsGoOfTheMutexWhileItWaits) {
  Mutex mutex;
  ConditionVariable changed;
  bool done = false;
  MutexLock lock(mutex);
  const std::jthread other([&] {
    const MutexLock other_lock(mutex);
    done = true;
    changed.notify_all();
  });
  EXPECT_TRUE(changed.wait_for(mutex, hours(1), [&] { return done; }));
}

TEST(StoppableConditionVariable, AWaitEndsWhenItsThreadIsToStop) {
  Mutex mutex;
  StoppableConditionVariable changed;
  bool result = true;
  std::jthread waiting([&](const std::stop_token& stop) {
    const MutexLock lock(mutex);
    result = changed.wait_for(mutex, stop, hours(1), [] { return false; });
  });
  waiting.request_stop();
  waiting.join();
  EXPECT_FALSE(result);
}

}  // namespace
}  // namespace tierhub
