// Which tasks of a run may start now. A pure state machine: no clock, no process, no file.
#pragma once

#include <compare>
#include <cstddef>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "compute/workflow/workflow.h"

namespace tierhub::compute {

// Step and task are positions, from 0.
struct TaskId {
  size_t step = 0;
  size_t index = 0;
  constexpr auto operator<=>(const TaskId&) const = default;
};

// One thread. A task is waiting, then ready, then taken, then done or failed. One that waits for a
// task that failed is skipped, but for a step that gathers: it goes on with what succeeded, and is
// skipped only if nothing did.
class Schedule {
 public:
  // `items`: how many items the scatter gave; 1 without a scatter.
  Schedule(const Workflow& workflow, size_t items);

  size_t tasks_of(size_t step) const { return states_[step].size(); }
  size_t total() const { return total_; }
  size_t done() const { return done_tasks_; }
  size_t settled() const { return settled_tasks_; }  // done, failed or skipped
  bool finished() const { return settled_tasks_ == total_; }
  bool is_done(TaskId task) const { return state(task) == State::done; }
  // Whether a task that no other waits for is done: without one a run has no result.
  bool has_result() const;

  // Tasks that wait for no other task and were not taken.
  const std::set<TaskId>& ready() const { return ready_; }
  void take(TaskId task);
  void give_back(TaskId task);
  // Also for a task that was never taken: one that an earlier agent finished.
  void mark_done(TaskId task);
  struct Skipped {
    TaskId task;
    TaskId because;  // it, or one of its step, failed or was skipped
  };
  void mark_failed(TaskId task);
  // The tasks that were skipped since this was asked last.
  std::vector<Skipped> take_skipped() { return std::exchange(skipped_, {}); }

 private:
  struct Edge {
    size_t from = 0;       // the step that is waited for
    bool aligned = false;  // task i waits for task i alone
    bool gather = false;   // what succeeded is enough
  };
  enum class State { waiting, ready, taken, done, failed, skipped };

  State state(TaskId task) const { return states_[task.step][task.index]; }
  static bool is_lost(State state) { return state == State::failed || state == State::skipped; }
  size_t settled_of(size_t step) const { return done_of_[step] + lost_of_[step]; }
  void set(TaskId task, State state);
  void wake(TaskId task);
  // Why a waiting task can never run, or nothing.
  std::optional<TaskId> doom_of(TaskId task) const;
  void settle(TaskId task, State state);

  std::vector<std::vector<Edge>> waits_for_;        // by step
  std::vector<std::vector<size_t>> waited_for_by_;  // by step
  std::vector<std::vector<State>> states_;          // by step and index
  std::vector<size_t> done_of_;                     // by step
  std::vector<size_t> lost_of_;                     // by step: failed or skipped
  std::vector<size_t> first_lost_of_;               // by step: an index, if there is one
  std::set<TaskId> ready_;
  size_t total_ = 0;
  size_t done_tasks_ = 0;
  size_t settled_tasks_ = 0;
  std::vector<Skipped> skipped_;
};

}  // namespace tierhub::compute
