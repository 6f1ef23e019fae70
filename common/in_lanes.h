// Does the same work on many things in a few threads.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <exception>
#include <thread>
#include <vector>

#include "common/guarded.h"

namespace tierhub {

// Calls of a file each under way at a time: each is short, and mostly waits for the archive or a
// disk.
inline constexpr size_t kLanes = 16;
// The same of what waits for nobody.
inline constexpr size_t kLocalLanes = 2;

// Calls use(i) for each i below `count`, on at most `lanes` threads; returns when all are done.
// What one throws is thrown on the calling thread.
template <class Use>
void in_lanes(size_t lanes, size_t count, Use use) {
  lanes = std::min(lanes, count);
  std::atomic<size_t> next{0};
  Guarded<std::exception_ptr> thrown;
  const auto work = [&] {
    try {
      for (size_t i = next++; i < count; i = next++) use(i);
    } catch (...) {
      next = count;
      thrown.with(
          [](std::exception_ptr& first) { first = first ? first : std::current_exception(); });
    }
  };
  {
    std::vector<std::jthread> threads;
    for (size_t i = 1; i < lanes; ++i) threads.emplace_back(work);
    work();
  }
  if (const auto first = thrown.with([](std::exception_ptr& e) { return e; }))
    std::rethrow_exception(first);
}

}  // namespace tierhub
