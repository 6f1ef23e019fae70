// Many files go to the archive together: what a message or a waking thread costs is shared.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>

#include "common/clock.h"
#include "common/worker_pool.h"

namespace tierhub {

// How the small files of a wave go to the archive. One that answers at once wants few threads, and
// many files in a call; one that is far away wants many threads, which wait side by side.
struct Pace {
  size_t lanes;
  size_t group;
};

inline Pace pace_of(SteadyClock::duration each, size_t count) {
  constexpr std::chrono::milliseconds kSlow(1);
  if (each <= kSlow) return {kLocalLanes, 32};
  constexpr size_t kMostInLine = 4;
  return {kLanes, std::clamp<size_t>(count / kLanes, 1, kMostInLine)};
}

// Calls use(begin, end) for groups of [0, count): first for a few to see how quick the archive is,
// then for the others at its pace.
template <class Use>
void in_groups(size_t count, Use use) {
  constexpr size_t kMany = 64;
  constexpr size_t kSample = 4;
  if (count == 0) return;
  const size_t sample = count < kMany ? 1 : kSample;
  const auto start = SteadyClock::now();
  use(size_t{0}, sample);
  const Pace pace = pace_of((SteadyClock::now() - start) / sample, count);
  const size_t groups = (count - sample + pace.group - 1) / pace.group;
  in_lanes(pace.lanes, groups, [&](size_t i) {
    const size_t begin = sample + i * pace.group;
    use(begin, std::min(begin + pace.group, count));
  });
}

}  // namespace tierhub
