// How warm a file is, as one number that needs no upkeep: the time at which a single use would have
// left the file as warm as it is.
//
// A use counts 1 at its time and half as much a half-life later, so the warmth of a file at time t
// is the sum over its uses of 2^(-(t - t_use) / half-life). Which of two files is warmer does not
// depend on t, so the sum is kept as the time h for which 2^(-(t - h) / half-life) equals it. A
// file that is used daily is many half-lives ahead of one that was read once, so a scan of
// everything does not push it out. For one use at time t, h = t: a time recorded as "last used" by
// older versions means the same.
#pragma once

#include <algorithm>
#include <cmath>

#include "common/clock.h"

namespace tierhub {

inline constexpr int64_t kHeatHalfLife_ns = int64_t{7} * 24 * 3600 * 1'000'000'000;
// Uses within this time are one: a program that opens a file ten times in a row read it once.
inline constexpr int64_t kOneUse_ns = int64_t{10} * 60 * 1'000'000'000;
// Reading so much of a larger file is a whole use.
inline constexpr uint64_t kUseBytes = uint64_t{1} << 30;

// Which part of a use it is to have read so much of a file; 1 at most.
inline double use_of(uint64_t read_bytes, uint64_t size_bytes) {
  const uint64_t whole = std::max<uint64_t>(1, std::min(size_bytes, kUseBytes));
  return std::min(1.0, static_cast<double>(read_bytes) / static_cast<double>(whole));
}

// The heat after `uses` (of one or a part of one) now.
inline Timestamp warmed(Timestamp heat, Timestamp now, double uses) {
  if (uses <= 0) return heat;
  const auto half_life = static_cast<double>(kHeatHalfLife_ns);
  const auto added = static_cast<double>(now.ns) + half_life * std::log2(uses);
  const auto before = static_cast<double>(heat.ns);
  const double warmer = std::max(added, before);
  const double apart = (warmer - std::min(added, before)) / half_life;
  return {static_cast<int64_t>(warmer + half_life * std::log2(1 + std::exp2(-apart)))};
}

}  // namespace tierhub
