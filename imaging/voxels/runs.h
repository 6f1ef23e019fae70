// Rows of voxels as runs: what lies next to each other in x and belongs together.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace tierhub::imaging {

// Half-open.
struct Run {
  uint32_t begin = 0;
  uint32_t end = 0;
};

namespace detail {

inline constexpr size_t kWord = 64;

template <class T>
bool any_above(const T* row, T threshold) {
  bool any = false;
  for (size_t i = 0; i < kWord; ++i) any |= row[i] > threshold;
  return any;
}

// Bit i says whether voxel i is above the threshold.
template <class T>
uint64_t bits_above(const T* row, size_t size, T threshold) {
  if (size == kWord && !any_above(row, threshold)) return 0;
  uint64_t bits = 0;
  for (size_t i = 0; i < size; ++i) bits |= uint64_t{row[i] > threshold} << i;
  return bits;
}

}  // namespace detail

// Appends the runs of voxels above the threshold in a row of `size` < 2^32. Quick where few are.
template <class T>
void append_runs(const T* row, size_t size, T threshold, std::vector<Run>& runs) {
  const size_t first = runs.size();
  for (size_t start = 0; start < size; start += detail::kWord) {
    uint64_t bits =
        detail::bits_above(row + start, std::min(detail::kWord, size - start), threshold);
    for (size_t at = start; bits != 0;) {
      const int skip = std::countr_zero(bits);
      const int length = std::countr_one(bits >> skip);
      const auto begin = static_cast<uint32_t>(at + static_cast<size_t>(skip));
      const uint32_t end = begin + static_cast<uint32_t>(length);
      if (runs.size() > first && runs.back().end == begin) {
        runs.back().end = end;
      } else {
        runs.push_back({begin, end});
      }
      at = end;
      bits = skip + length == 64 ? 0 : bits >> (skip + length);
    }
  }
}

}  // namespace tierhub::imaging
