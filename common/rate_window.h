// How fast a counter has grown recently.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <utility>

#include "common/clock.h"
#include "common/duration.h"
#include "common/guarded.h"

namespace tierhub {

// Any thread.
class RateWindow {
 public:
  explicit RateWindow(double window_s) : window_s_(window_s) {}

  // The number is `total` now. To be called again and again.
  void note(uint64_t total) {
    const auto now = SteadyClock::now();
    samples_.with([&](Samples& samples) {
      samples.emplace_back(now, total);
      // One stays that is older than the window: the rate is over all of it.
      while (samples.size() > 2 && samples[1].first < now - seconds(window_s_)) samples.pop_front();
    });
  }

  double per_s() const {
    return samples_.with([](const Samples& samples) {
      if (samples.size() < 2) return 0.0;
      const std::chrono::duration<double> time = samples.back().first - samples.front().first;
      const uint64_t grown = samples.back().second - samples.front().second;
      return time.count() > 0 ? static_cast<double>(grown) / time.count() : 0.0;
    });
  }

 private:
  using Samples = std::deque<std::pair<SteadyClock::time_point, uint64_t>>;
  const double window_s_;
  Guarded<Samples> samples_;
};

}  // namespace tierhub
