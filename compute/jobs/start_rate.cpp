#include "compute/jobs/start_rate.h"

#include <algorithm>
#include <limits>

namespace tierhub::compute {
namespace {
constexpr std::chrono::seconds kWindow{1};
}

void StartRate::forget_before(SteadyClock::time_point now) {
  while (!begun_.empty() && begun_.front() + kWindow <= now) begun_.pop_front();
}

size_t StartRate::left(SteadyClock::time_point now) {
  if (!per_second_) return std::numeric_limits<size_t>::max();
  forget_before(now);
  return *per_second_ - std::min<size_t>(begun_.size(), *per_second_);
}

void StartRate::note(size_t begun, SteadyClock::time_point now) {
  if (per_second_) begun_.insert(begun_.end(), begun, now);
}

std::optional<SteadyClock::time_point> StartRate::next(SteadyClock::time_point now) {
  if (left(now) > 0) return std::nullopt;
  return begun_.front() + kWindow;
}

}  // namespace tierhub::compute
