// The processes of the tasks that are running: starts them, reads what they write, enforces their
// limits, and says how they ended.
#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <poll.h>
#include <sys/types.h>

#include "common/clock.h"
#include "common/result.h"
#include "compute/run/cgroups.h"
#include "compute/run/log.h"
#include "compute/run/process.h"
#include "compute/workflow/schedule.h"
#include "compute/workflow/workflow.h"

namespace tierhub::compute {

// One thread, which must have SIGCHLD blocked.
class RunningTasks {
 public:
  // Between SIGTERM and SIGKILL.
  static constexpr std::chrono::seconds kGrace{5};

  struct Ended {
    TaskId task;
    bool succeeded = false;
    int exit_code = 0;           // 128 + signal if a signal ended it
    std::string reason;          // "exit code 3", "took longer than 1 h 00 min"
    bool out_of_memory = false;  // it was stopped because it used more than it may
    std::deque<std::string> last_lines;
    std::vector<unsigned> slots;
    TaskReport report;
    // Of its processes that it waited for, and of itself.
    double processor_s = 0;
    // The larger of two: what its largest process had resident (not less than this process had
    // when it started it), and what all of them together had for themselves when last looked at.
    uint64_t peak_bytes = 0;
  };

  // `cgroups`: of the run, below which each task has its own.
  explicit RunningTasks(std::vector<std::string> cgroups) : cgroups_(std::move(cgroups)) {}

  bool empty() const { return running_.empty(); }
  size_t size() const { return running_.size(); }

  Result<void> start(TaskId task, const ProcessSpec& spec, const Resources& limits,
                     std::vector<unsigned> slots, std::string log_source);
  // Appends what to poll for.
  void add_to(std::vector<pollfd>& polled) const;
  void read_output(RunLog& log);
  // Collects what has ended, with all that it started.
  std::vector<Ended> reap(RunLog& log);
  // Stops tasks that go beyond their time or memory.
  void enforce_limits();
  // SIGTERM to all; SIGKILL after `grace`, by `enforce_limits`.
  void stop_all(std::chrono::milliseconds grace);

 private:
  struct Running {
    TaskId task;
    UniqueFd output;
    OutputLines lines;
    std::vector<unsigned> slots;
    Resources limits;
    SteadyClock::time_point started;
    std::optional<SteadyClock::time_point> kill_at = {};
    std::string stop_reason = {};
    uint64_t peak_bytes = 0;  // seen by check_memory
    bool out_of_memory = false;
    std::optional<TaskCgroup> cgroup = {};
    std::string mark = {};  // in the environment of all that it starts
  };
  void stop(pid_t pid, Running& running, std::string reason, std::chrono::milliseconds grace);
  void check_memory();
  Ended collect(pid_t pid, Running running, RunLog& log);

  const std::vector<std::string> cgroups_;
  std::map<pid_t, Running> running_;
  SteadyClock::time_point next_memory_check_{};
};

}  // namespace tierhub::compute
