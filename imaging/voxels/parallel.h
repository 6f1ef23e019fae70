// How many threads a function may use.
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>

#include "common/worker_pool.h"

namespace tierhub::imaging {

// A value: cheap to copy. Functions that take one return the same voxels for every number of
// threads.
class Parallel {
 public:
  explicit Parallel(size_t threads = 1) : threads_(std::max<size_t>(threads, 1)) {}
  size_t threads() const { return threads_; }

  // Runs body(0) ... body(count - 1) on up to threads() threads, this one among them, and returns
  // when all are done. Rethrows the first exception.
  void for_each(size_t count, const std::function<void(size_t)>& body) const {
    in_lanes(threads_, count, body);
  }

  // Cuts 0 ... count - 1 into a few ranges a thread and runs body(begin, end) for each: for work
  // whose scratch memory is worth sharing.
  void for_ranges(size_t count, const std::function<void(size_t, size_t)>& body) const {
    constexpr size_t kRangesPerThread = 8;  // so that threads end at about the same time
    const size_t ranges = std::min(count, threads_ == 1 ? 1 : threads_ * kRangesPerThread);
    for_each(ranges, [&](size_t i) { body(count * i / ranges, count * (i + 1) / ranges); });
  }

 private:
  size_t threads_;
};

}  // namespace tierhub::imaging
