// The state of a run, for people and programs: status.json, and REPORT.txt at the end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "compute/executors/executor.h"
#include "compute/executors/measured.h"
#include "compute/run/ledger.h"
#include "compute/workflow/parameters.h"
#include "compute/workflow/schedule.h"

namespace tierhub::compute {

enum class RunState { staging, running, done, failed, cancelled };
std::string_view to_text(RunState state);

// One task as it was tried last; what it cost is of all its tries.
struct TaskRecord {
  std::string step;
  size_t index = 0;
  // "running", "done", "failed", "stopped", "waiting" (for another try), "skipped" (because a task
  // that it waits for failed)
  std::string state;
  bool once = false;     // of a step that runs once
  std::string from_run;  // the earlier run that did it, if it was taken up
  std::string name;      // of what it works on, if it failed or was skipped; for people
  unsigned attempts = 0;
  int slot = -1;     // the first of its worker slots
  std::string node;  // of the cluster; empty: this machine
  Timestamp start;
  std::optional<Timestamp> end;
  std::optional<int> exit_code;
  std::string reason;            // why it failed
  double processor_s = 0;        // of its processes, as far as they were waited for
  uint64_t peak_bytes = 0;       // of memory
  double waited_for_data_s = 0;  // from when its data was asked for until all of it was resident
  TaskReport report;             // until it is among what the run measured
  double seconds(Timestamp now) const;
};

// How far a step is, in tasks.
struct StepCount {
  std::string id;
  size_t total = 0;
  size_t done = 0;
  size_t running = 0;
  size_t failed = 0;
  size_t skipped = 0;
};

struct RunStatus {
  std::string run;
  std::string workflow;
  ParameterValues parameters;  // their values
  std::string user;
  std::string retry_of;  // the run whose failures this one repeats, or empty
  RunState state = RunState::staging;
  std::string waits_for;  // one sentence, or empty
  std::vector<NodeState> nodes;
  Timestamp started;
  std::optional<Timestamp> ended;
  unsigned workers = 1;
  unsigned processors = 1;  // that this machine gives the run
  size_t items_total = 1;   // what the scatter gave
  size_t tasks_total = 0;
  size_t tasks_done = 0;
  size_t tasks_failed = 0;
  size_t tasks_skipped = 0;
  size_t tasks_running = 0;
  std::vector<StepCount> steps;
  std::map<TaskId, TaskRecord> tasks;  // those that were started
  uint64_t bytes_staged = 0;
  uint64_t bytes_copied = 0;
  std::vector<std::string> left_out;  // of what the input's pattern matches, with the reason
  std::set<std::string> not_obeyed;
  std::string error;                   // one sentence, if it failed
  std::string output;                  // where the results are, or will be
  std::string output_on_share;         // for the report: where people on a share find it
  std::string partial_output;          // where they are if it failed; empty if there are none
  std::string host;                    // of the agent
  std::string work;                    // empty when it was removed
  std::deque<std::string> last_lines;  // of the task that failed
  Measured measured;                   // by tasks that succeeded
  WorkerTime worker_time;              // since this runner began
  Baseline baseline;                   // once it is done

  double wall_s(Timestamp now) const;
  Costs costs(Timestamp now) const;
  // Of the items, or of the tasks if there is but one item: "8 of 9".
  std::string how_many_are_fine() const;
  std::optional<double> eta_s(Timestamp now) const;
};

enum class TaskList { with, without };
// status.json. Text that is not UTF-8 comes out with replacement characters.
std::string to_json(const RunStatus& status, Timestamp now, TaskList tasks);
// REPORT.txt: what happened, and what to do next.
std::string to_report(const RunStatus& status, Timestamp now);

}  // namespace tierhub::compute
