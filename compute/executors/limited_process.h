// A task's process within its limits of time and memory, on the machine where it runs.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include <sys/types.h>

#include "common/clock.h"
#include "compute/executors/cgroups.h"
#include "compute/executors/executor.h"

namespace tierhub::compute {

// How often the memory of tasks is looked at, and if none has a limit.
inline constexpr std::chrono::milliseconds kMemoryEvery{200};
inline constexpr std::chrono::milliseconds kUnlimitedMemoryEvery{1000};

class LimitedProcess {
 public:
  // With these standard descriptors, and in the group, if there is one. The error names the program.
  static Result<LimitedProcess> start(ProcessSpec spec, std::vector<int> descriptors,
                                      Resources limits, std::optional<TaskCgroup> cgroup);

  pid_t pid() const { return pid_; }
  bool has_memory_limit() const { return limits_.memory_bytes.has_value(); }

  // Tells it to end (SIGTERM), and has it killed after `grace`. The first reason counts.
  void stop(TaskEnd as, std::string reason, std::chrono::milliseconds grace);
  // Stops it when its time is over; kills it when its grace is.
  void enforce_time();
  // `used_bytes`: by its group, now.
  void enforce_memory(uint64_t used_bytes);

  struct End {
    TaskEnd end = TaskEnd::failed;
    int exit_code = 0;  // as in EndedTask
    std::string reason;
    // The larger of two: what its largest process had resident (not less than this process had when
    // it started it), and what all of them together had for themselves when last looked at.
    uint64_t peak_bytes = 0;
    double processor_s = 0;  // of the process, and of those of its children that it waited for
  };
  // Once waitid() says that it has ended, with WNOWAIT: its number must not be given away before
  // the rest of its group is killed, which this does, and what left the group, which is found by
  // the mark in its environment ("TIERHUB_MARK=...").
  End collect();

 private:
  LimitedProcess(pid_t pid, const ProcessSpec& spec, Resources limits,
                 std::optional<TaskCgroup> cgroup);

  pid_t pid_;
  std::string mark_;
  std::optional<TaskCgroup> cgroup_;
  Resources limits_;
  SteadyClock::time_point started_;
  std::optional<SteadyClock::time_point> kill_at_;
  TaskEnd stopped_as_ = TaskEnd::stopped;
  std::string stop_reason_;
  uint64_t peak_bytes_ = 0;
};

}  // namespace tierhub::compute
