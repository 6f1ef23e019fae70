#include "compute/executors/heartbeats.h"

#include <unistd.h>

#include "compute/executors/lease.h"

namespace tierhub::compute {

Heartbeats::Heartbeats(std::chrono::milliseconds lease)
    : interval_(beat_interval(lease)),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

void Heartbeats::add(pid_t step, UniqueFd input) {
  const MutexLock lock(mutex_);
  pulses_[step].input = std::move(input);
}

void Heartbeats::send(pid_t step, std::string_view line) {
  const MutexLock lock(mutex_);
  const auto found = pulses_.find(step);
  if (found == pulses_.end()) return;
  found->second.unsent += line;
  write_some(found->second);
}

void Heartbeats::heard(pid_t step, uint64_t alive) {
  const MutexLock lock(mutex_);
  const auto found = pulses_.find(step);
  if (found == pulses_.end()) return;
  Pulse& pulse = found->second;
  const bool is_first = !pulse.alive;
  pulse.alive = alive;
  pulse.heard_at = SteadyClock::now();
  if (is_first) beat(pulse);
}

std::optional<SteadyClock::time_point> Heartbeats::heard_at(pid_t step) const {
  const MutexLock lock(mutex_);
  const auto found = pulses_.find(step);
  if (found == pulses_.end() || !found->second.alive) return std::nullopt;
  return found->second.heard_at;
}

std::optional<SteadyClock::time_point> Heartbeats::remove(pid_t step) {
  const MutexLock lock(mutex_);
  const auto found = pulses_.find(step);
  if (found == pulses_.end()) return std::nullopt;
  const std::optional<SteadyClock::time_point> beaten_at = found->second.beaten_at;
  pulses_.erase(found);
  return beaten_at;
}

void Heartbeats::write_pending() {
  const MutexLock lock(mutex_);
  for (auto& [pid, pulse] : pulses_) write_some(pulse);
}

void Heartbeats::add_to(std::vector<pollfd>& polled) const {
  const MutexLock lock(mutex_);
  for (const auto& [pid, pulse] : pulses_) {
    if (!pulse.unsent.empty() && pulse.input) polled.push_back({pulse.input.get(), POLLOUT, 0});
  }
}

// A pipe that nobody reads any more loses what is written: its srun has ended.
void Heartbeats::write_some(Pulse& pulse) {
  while (!pulse.unsent.empty()) {
    const ssize_t n = ::write(pulse.input.get(), pulse.unsent.data(), pulse.unsent.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    if (n < 0) {
      pulse.unsent.clear();
      return;
    }
    pulse.unsent.erase(0, static_cast<size_t>(n));
  }
}

// A line this short is written whole or not at all. The time since the alive is taken before the write, and that of the beat
// after it, so that this thread may be held up anywhere.
void Heartbeats::beat(Pulse& pulse) {
  if (!pulse.alive || !pulse.unsent.empty()) return;
  const auto since =
      std::chrono::duration_cast<std::chrono::milliseconds>(SteadyClock::now() - pulse.heard_at);
  const std::string line = to_line(Beat{*pulse.alive, since});
  if (::write(pulse.input.get(), line.data(), line.size()) > 0)
    pulse.beaten_at = SteadyClock::now();
}

void Heartbeats::run(const std::stop_token& stop) {
  MutexLock lock(mutex_);
  while (!stop.stop_requested()) {
    for (auto& [pid, pulse] : pulses_) beat(pulse);
    stopped_.wait_for(mutex_, stop, interval_, [] { return false; });
  }
}

}  // namespace tierhub::compute
