#include "common/worker_pool.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <memory>

namespace tierhub {
namespace {

// Lives as long as the last runner that was handed to the pool, which may start after for_each()
// returned: it then finds no index left and does not touch `body`.
struct SharedLoop {
  std::atomic<size_t> next{0};
  Mutex mutex;
  ConditionVariable finished;
  size_t running GUARDED_BY(mutex) = 0;
  std::exception_ptr thrown GUARDED_BY(mutex);  // the first
};

void run_loop(SharedLoop& loop, size_t count, const std::function<void(size_t)>& body) {
  {
    const MutexLock lock(loop.mutex);
    ++loop.running;
  }
  std::exception_ptr thrown;
  try {
    for (size_t i = loop.next++; i < count; i = loop.next++) body(i);
  } catch (...) {
    loop.next = count;
    thrown = std::current_exception();
  }
  const MutexLock lock(loop.mutex);
  if (!loop.thrown) loop.thrown = thrown;
  if (--loop.running == 0) loop.finished.notify_all();
}

}  // namespace

WorkerPool::WorkerPool(size_t max_threads) : max_threads_(std::max<size_t>(max_threads, 1)) {}

WorkerPool::~WorkerPool() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  threads_.clear();
}

void WorkerPool::submit(std::function<void()> task) {
  {
    MutexLock lock(mutex_);
    tasks_.push_back(std::move(task));
    if (idle_threads_ < tasks_.size() && threads_.size() < max_threads_) {
      threads_.emplace_back([this] { work(); });
    }
  }
  changed_.notify_one();
}

void WorkerPool::for_each(size_t count, size_t max_lanes, const std::function<void(size_t)>& body) {
  const auto loop = std::make_shared<SharedLoop>();
  const size_t lanes = std::min(count, max_lanes);
  for (size_t lane = 1; lane < lanes; ++lane) {
    submit([loop, count, &body] { run_loop(*loop, count, body); });
  }
  run_loop(*loop, count, body);
  MutexLock lock(loop->mutex);
  loop->finished.wait(loop->mutex, [&]() REQUIRES(loop->mutex) { return loop->running == 0; });
  if (loop->thrown) std::rethrow_exception(loop->thrown);
}

void in_lanes(size_t lanes, size_t count, const std::function<void(size_t)>& body) {
  WorkerPool(lanes).for_each(count, lanes, body);
}

void WorkerPool::work() {
  MutexLock lock(mutex_);
  for (;;) {
    ++idle_threads_;
    changed_.wait(mutex_, [this]() REQUIRES(mutex_) { return stopping_ || !tasks_.empty(); });
    --idle_threads_;
    if (tasks_.empty()) return;
    std::function<void()> task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    task();
    task = nullptr;
    lock.lock();
  }
}

}  // namespace tierhub
