// Times, sizes and durations as people and programs read them in a run's log, status and report.
#pragma once

#include <cstdint>
#include <string>

#include "common/clock.h"

namespace tierhub::compute {

// "2026-01-02T03:04:05.678Z": always three digits, so that texts sort as times do.
std::string time_text(Timestamp time);
// "1.5 GiB"
std::string size_text(uint64_t bytes);
// "1 h 05 min", "12.3 s"
std::string duration_text(double seconds);

}  // namespace tierhub::compute
