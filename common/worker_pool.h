// A bounded set of threads for calls that block. A thread is started when a task finds none idle.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "common/mutex.h"

namespace tierhub {

class WorkerPool {
 public:
  explicit WorkerPool(size_t max_threads);
  // Finishes what was submitted. Waits for it, however long it blocks.
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // Any thread. Tasks begin in the order in which they were submitted.
  void submit(std::function<void()> task);

  // Runs body(0) ... body(count - 1), on this thread and on up to `max_lanes` - 1 of the pool, and
  // returns when all are done. This thread takes part, so it makes progress even if every thread of
  // the pool is stuck elsewhere. What one throws ends the loop and is thrown here.
  void for_each(size_t count, size_t max_lanes, const std::function<void(size_t)>& body);

 private:
  void work();

  const size_t max_threads_;
  Mutex mutex_;
  ConditionVariable changed_;
  std::deque<std::function<void()>> tasks_ GUARDED_BY(mutex_);
  size_t idle_threads_ GUARDED_BY(mutex_) = 0;
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::vector<std::jthread> threads_;
};

// Calls of a file each in flight at a time: each is short, and mostly waits for the archive or a
// disk.
inline constexpr size_t kLanes = 16;
// The same for calls that wait for nobody.
inline constexpr size_t kLocalLanes = 2;

// for_each() with threads of its own, at most `lanes` with this one, which end with it.
void in_lanes(size_t lanes, size_t count, const std::function<void(size_t)>& body);

}  // namespace tierhub
