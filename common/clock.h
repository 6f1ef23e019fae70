// Wall-clock time as TierHub stores it: nanoseconds since 1970-01-01 UTC.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>

#include <time.h>

namespace tierhub {

struct Timestamp {
  int64_t ns = 0;
  constexpr auto operator<=>(const Timestamp&) const = default;

  static Timestamp now();
  static constexpr Timestamp from(const timespec& t) {
    return {int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec};
  }
  constexpr timespec to_timespec() const {
    int64_t seconds = ns / 1'000'000'000;
    int64_t rest = ns % 1'000'000'000;
    if (rest < 0) {
      rest += 1'000'000'000;
      --seconds;
    }
    return {seconds, rest};
  }
};

using SteadyClock = std::chrono::steady_clock;

}  // namespace tierhub
