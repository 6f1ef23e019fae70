// The runner's side of leases (lease.h): what goes into the standard inputs of the wrappers, and when a beat went last. A thread
// writes the beats, so that a runner that waits for a file system loses no task.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <poll.h>
#include <sys/types.h>

#include "common/clock.h"
#include "common/mutex.h"
#include "common/unique_fd.h"

namespace tierhub::compute {

// All functions are for the runner's thread. SIGPIPE must be ignored.
class Heartbeats {
 public:
  // Starts the thread. `lease`: of each step.
  explicit Heartbeats(std::chrono::milliseconds lease);

  // `input`: that of the srun with this pid; it does not block.
  void add(pid_t step, UniqueFd input) EXCLUDES(mutex_);
  // Writes a line, after those before it; what does not fit goes out in write_pending().
  void send(pid_t step, std::string_view line) EXCLUDES(mutex_);
  // The wrapper has sent this alive: it gets a beat at once, and the next in time.
  void heard(pid_t step, uint64_t alive) EXCLUDES(mutex_);
  // When the wrapper was heard last.
  std::optional<SteadyClock::time_point> heard_at(pid_t step) const EXCLUDES(mutex_);
  // Closes the input: no beat comes after it. Returns when the last went; none if none did.
  std::optional<SteadyClock::time_point> remove(pid_t step) EXCLUDES(mutex_);

  void write_pending() EXCLUDES(mutex_);
  // Appends what write_pending() waits for.
  void add_to(std::vector<pollfd>& polled) const EXCLUDES(mutex_);

 private:
  struct Pulse {
    UniqueFd input;
    std::string unsent;
    std::optional<uint64_t> alive;
    SteadyClock::time_point heard_at;
    std::optional<SteadyClock::time_point> beaten_at;
  };
  static void write_some(Pulse& pulse);
  static void beat(Pulse& pulse);
  void run(const std::stop_token& stop) EXCLUDES(mutex_);

  const std::chrono::milliseconds interval_;
  mutable Mutex mutex_;
  StoppableConditionVariable stopped_;
  std::map<pid_t, Pulse> pulses_ GUARDED_BY(mutex_);
  std::jthread thread_;  // last: it ends before what it uses
};

}  // namespace tierhub::compute
