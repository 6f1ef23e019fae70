// Tasks as processes of this machine: starts them, reads what they write, enforces their limits, and
// says how they ended.
#pragma once

#include <map>

#include <sys/types.h>

#include "common/clock.h"
#include "compute/executors/executor.h"
#include "compute/executors/limited_process.h"

namespace tierhub::compute {

// One thread, which must have SIGCHLD blocked. How many tasks run at a time is decided by the worker
// slots alone, which the agent grants.
class LocalExecutor final : public Executor {
 public:
  // `cgroups`: of the run, below which each task has its own.
  explicit LocalExecutor(std::vector<std::string> cgroups) : cgroups_(std::move(cgroups)) {}

  Result<void> begin(RunLog& /*log*/) override { return {}; }
  void want(size_t /*startable*/, const Resources& /*first*/,
            const std::string& /*input*/) override {}
  bool has_room(const Resources& /*resources*/) const override { return true; }
  Result<void> start(TaskId task, const ProcessSpec& spec, const Resources& resources,
                     std::string label) override;
  bool empty() const override { return running_.empty(); }
  void add_to(std::vector<pollfd>& polled) const override;
  std::vector<EndedTask> turn(RunLog& log) override;
  void stop_all(std::chrono::milliseconds grace) override;
  bool end(RunLog& log) override;
  std::string waits_for() const override { return ""; }

 private:
  struct Running {
    TaskId task;
    UniqueFd output;
    OutputLines lines;
    LimitedProcess process;
  };
  void read_output(RunLog& log);
  // Collects what has ended, with all that it started.
  std::vector<EndedTask> reap(RunLog& log);
  static EndedTask collect(Running& running, RunLog& log);
  // Stops tasks that go beyond their time or memory.
  void enforce_limits();

  const std::vector<std::string> cgroups_;
  std::map<pid_t, Running> running_;
  SteadyClock::time_point next_memory_check_{};
};

}  // namespace tierhub::compute
