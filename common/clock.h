// Wall-clock time as TierHub stores it: nanoseconds since 1970-01-01 UTC, from 1901 to 2486.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>

#include <time.h>

namespace tierhub {

// Holds the times that ext4 and xfs know: the 2^64 ns from 1901-12-13 20:45:52 on. What is later
// than 2262 has wrapped around to values that would be before 1901.
struct Timestamp {
  int64_t ns = 0;
  constexpr bool operator==(const Timestamp&) const = default;
  constexpr std::strong_ordering operator<=>(const Timestamp& other) const {
    return since_first() <=> other.since_first();
  }

  static Timestamp now();
  // A time out of range becomes the nearest that can be held, as on a local file system.
  static constexpr Timestamp from(const timespec& t) {
    if (t.tv_sec < kFirst_s) return from_first(0);
    if (t.tv_sec >= kLast_s) return from_first(static_cast<uint64_t>(kLast_s - kFirst_s) * kSecond);
    const auto seconds = static_cast<uint64_t>(t.tv_sec - kFirst_s);
    return from_first(seconds * kSecond + static_cast<uint64_t>(t.tv_nsec));
  }
  constexpr timespec to_timespec() const {
    const uint64_t offset = since_first();
    return {static_cast<int64_t>(offset / kSecond) + kFirst_s,
            static_cast<int64_t>(offset % kSecond)};
  }
  // Negative if `earlier` is later. Right if they are less than 292 years apart.
  constexpr int64_t ns_since(const Timestamp& earlier) const {
    return static_cast<int64_t>(static_cast<uint64_t>(ns) - static_cast<uint64_t>(earlier.ns));
  }

 private:
  static constexpr uint64_t kSecond = 1'000'000'000;
  static constexpr int64_t kFirst_s = -(int64_t{1} << 31);
  static constexpr int64_t kLast_s = 16'299'260'425;  // the last whole second
  static constexpr uint64_t kFirst_ns = static_cast<uint64_t>(kFirst_s) * kSecond;

  static constexpr Timestamp from_first(uint64_t offset_ns) {
    return {static_cast<int64_t>(kFirst_ns + offset_ns)};
  }
  constexpr uint64_t since_first() const { return static_cast<uint64_t>(ns) - kFirst_ns; }
};

using SteadyClock = std::chrono::steady_clock;

}  // namespace tierhub
