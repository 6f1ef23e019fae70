// Durations from settings, which are in seconds.
#pragma once

#include <chrono>

#include "common/clock.h"

namespace tierhub {

inline SteadyClock::duration seconds(double s) {
  return std::chrono::duration_cast<SteadyClock::duration>(std::chrono::duration<double>(s));
}

}  // namespace tierhub
