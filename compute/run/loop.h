// Works through a plan: stages what tasks read, asks for worker slots, starts tasks, and retries or
// stops when one fails.
#pragma once

#include <deque>
#include <map>
#include <vector>

#include "compute/executors/executor.h"
#include "compute/run/context.h"
#include "compute/run/ledger.h"

namespace tierhub::compute {

// One thread, the runner's.
class RunLoop {
 public:
  RunLoop(RunContext& context, Executor& executor) : context_(context), executor_(executor) {}

  // Returns when all tasks are done, or when the run stops and none is left running.
  void work_off();

 private:
  void request_staging();
  void request_slots();
  void take_outcomes();
  void start_granted();
  bool start_following();
  void start(TaskId task, std::vector<unsigned> slots);
  Result<void> hand_over(TaskId task);
  // Writes the file that {inputs} means.
  Result<void> list_inputs(size_t step) const;
  void on_end(EndedTask ended);
  // Not the task's fault: true if it is to be started again.
  bool comes_again(TaskRecord& record, const EndedTask& ended);
  // The slots of its step, or more if it was given more memory.
  unsigned slots_of(TaskId task) const;
  Resources limits_of(TaskId task) const;
  void give_more_memory(TaskId task);
  void on_failure(const Step& step, TaskRecord& record, EndedTask ended);
  // For good: ends the run, or leaves out what depends on the task.
  void give_up(TaskId task, TaskRecord& record, std::string error);
  // False if the run fails over it.
  bool remove_own_paths(TaskId task);
  void note_skipped();
  void note_worker_time();
  void wait();
  const Step& step_of(TaskId task) const { return context_.plan->workflow().steps[task.step]; }

  RunContext& context_;
  Executor& executor_;
  std::map<TaskId, std::vector<unsigned>> granted_;  // slots of the tasks that run
  std::map<TaskId, unsigned> losses_;
  // Since when its data is being fetched.
  std::map<TaskId, SteadyClock::time_point> staging_;
  std::map<TaskId, double> waited_for_data_s_;  // of tasks that did not start yet
  // Of tasks that went beyond their memory and are tried again.
  std::map<TaskId, uint64_t> more_memory_;
  unsigned held_slots_ = 0;
  WorkerClock clock_;
  SteadyClock::time_point expects_slots_since_;  // asked for them, or gave some back
  std::deque<TaskId> startable_;                 // all that they read is resident
};

}  // namespace tierhub::compute
