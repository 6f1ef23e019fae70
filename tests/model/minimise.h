// Makes a failing sequence short enough to read.
#pragma once

#include <algorithm>
#include <chrono>
#include <vector>

namespace tierhub::test {

// The steps of `steps`, in their order, that are left when as many as possible are removed while
// `fails(steps)` stays true; it is true of `steps` itself. Removes large parts first, then smaller
// ones down to single steps, until nothing can be removed or the time is over.
template <class Step, class Fails>
std::vector<Step> minimise(std::vector<Step> steps, const Fails& fails,
                           std::chrono::seconds time_limit) {
  const auto end = std::chrono::steady_clock::now() + time_limit;
  size_t part = steps.size() / 2;
  while (part > 0) {
    bool removed = false;
    for (size_t begin = 0; begin < steps.size();) {
      if (std::chrono::steady_clock::now() >= end) return steps;
      const size_t size = std::min(part, steps.size() - begin);
      std::vector<Step> fewer = steps;
      fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(begin),
                  fewer.begin() + static_cast<std::ptrdiff_t>(begin + size));
      if (fails(fewer)) {
        steps = std::move(fewer);
        removed = true;
      } else {
        begin += size;
      }
    }
    // What could not be removed before may be removable without what came after it.
    if (!removed || part > 1) part /= 2;
  }
  return steps;
}

}  // namespace tierhub::test
