// What executes the tasks of a run. The run loop decides which task may start (its input is resident, and the agent has granted
// its worker slots); an executor says whether there is room for it, starts it, and says how it ended.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include <poll.h>

#include "common/clock.h"
#include "common/result.h"
#include "compute/executors/log.h"
#include "compute/executors/process.h"
#include "compute/workflow/schedule.h"
#include "compute/workflow/workflow.h"

namespace tierhub::compute {

// Between SIGTERM and SIGKILL for a task.
inline constexpr std::chrono::seconds kTaskGrace{5};

// `lost`: nothing is known of the task but that it no longer runs; its machine died, say.
// `unstarted`: it never ran. Both may be started again, and neither is the task's fault.
enum class TaskEnd { done, failed, out_of_time, out_of_memory, lost, unstarted, stopped };

// A machine of a cluster that a run was given.
struct NodeState {
  std::string name;
  std::string fault = {};  // why it is not used, one sentence; empty: it is
  double read_rate = 0;    // bytes a second of an input; 0: not measured
};

struct EndedTask {
  TaskId task;
  TaskEnd end = TaskEnd::failed;
  int exit_code = 0;        // 128 + signal if a signal ended it
  std::string reason = {};  // "exit code 3", "it took longer than 1 h 00 min"; empty if it is done
  std::string node = {};    // where it ran; empty: on this machine
  uint64_t peak_bytes = 0;
  double processor_s = 0;
  std::deque<std::string> last_lines = {};
  TaskReport report = {};            // if it is done
  std::optional<Timestamp> at = {};  // if that was earlier than now
  // Nobody saw its end: what it has open may still be written to.
  bool unseen = false;
};

// Belongs to the runner's thread. No function waits for a task, a node or a controller.
class Executor {
 public:
  virtual ~Executor() = default;

  // Once, before all others: ends what an earlier runner of this run has left running, and asks for
  // nodes.
  virtual Result<void> begin(RunLog& log) = 0;
  // So many tasks could start now, the first of them with these resources, and with this input
  // (a path; empty: none). 0: none.
  virtual void want(size_t startable, const Resources& first, const std::string& input) = 0;
  // Whether a task with these resources can be started now.
  virtual bool has_room(const Resources& resources) const = 0;
  // Only with room for it. `label` names the task in the log: "segment.0003".
  virtual Result<void> start(TaskId task, const ProcessSpec& spec, const Resources& resources,
                             std::string label) = 0;
  // Short tasks need no process of their own to start them: one that is there takes a task of this
  // step with these resources after the one that is returned, whose end is on record, and which still
  // has its worker slots. The next start() of such a task goes there.
  virtual std::optional<TaskId> followed_by(size_t /*step*/, const Resources& /*resources*/) const {
    return std::nullopt;
  }
  // No task runs, and none may still be running.
  virtual bool empty() const = 0;
  // Appends what to poll for.
  virtual void add_to(std::vector<pollfd>& polled) const = 0;
  // Everything that is due: reads what tasks wrote, enforces limits, collects what has ended.
  virtual std::vector<EndedTask> turn(RunLog& log) = 0;
  // Tasks are told to end (SIGTERM), and killed after `grace`. Once is enough.
  virtual void stop_all(std::chrono::milliseconds grace) = 0;
  // Gives back what was asked for. True if nothing that belongs to the run is left running; else the
  // log says what may be.
  virtual bool end(RunLog& log) = 0;
  // What tasks wait for, in one sentence; empty: for nothing.
  virtual std::string waits_for() const = 0;
  // Those that were looked at, by name.
  virtual std::vector<NodeState> nodes() const { return {}; }
  // Why no task can ever start; empty: one may.
  virtual std::string hopeless() const { return ""; }
};

}  // namespace tierhub::compute
