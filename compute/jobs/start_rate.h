// How often tasks of all runs together may begin as new steps of a cluster: its controller has other users.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>

#include "common/clock.h"

namespace tierhub::compute {

// At most so many in any second. Pure; one thread.
class StartRate {
 public:
  // None: any number.
  explicit StartRate(std::optional<unsigned> per_second) : per_second_(per_second) {}

  // So many may begin at `now`.
  size_t left(SteadyClock::time_point now);
  void note(size_t begun, SteadyClock::time_point now);
  // When there is room again; none: there is.
  std::optional<SteadyClock::time_point> next(SteadyClock::time_point now);

 private:
  void forget_before(SteadyClock::time_point now);

  std::optional<unsigned> per_second_;
  std::deque<SteadyClock::time_point> begun_;  // in the last second
};

}  // namespace tierhub::compute
