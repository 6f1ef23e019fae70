// Which tasks of a run may start now. A pure state machine: no clock, no process, no file.
#pragma once

#include <compare>
#include <cstddef>
#include <set>
#include <vector>

#include "compute/workflow/workflow.h"

namespace tierhub::compute {

// Step and task are positions, from 0.
struct TaskId {
  size_t step = 0;
  size_t index = 0;
  constexpr auto operator<=>(const TaskId&) const = default;
};

// One thread. A task is waiting, then ready, then taken, then done.
class Schedule {
 public:
  // `items`: how many items the scatter gave; 1 without a scatter.
  Schedule(const Workflow& workflow, size_t items);

  size_t tasks_of(size_t step) const { return states_[step].size(); }
  size_t total() const { return total_; }
  size_t done() const { return done_tasks_; }
  bool finished() const { return done_tasks_ == total_; }
  bool is_done(TaskId task) const { return state(task) == State::done; }

  // Tasks that wait for no other task and were not taken.
  const std::set<TaskId>& ready() const { return ready_; }
  void take(TaskId task);
  void give_back(TaskId task);
  // Also for a task that was never taken: one that an earlier agent finished.
  void mark_done(TaskId task);

 private:
  struct Edge {
    size_t from = 0;       // the step that is waited for
    bool aligned = false;  // task i waits for task i alone
  };
  enum class State { waiting, ready, taken, done };

  State state(TaskId task) const { return states_[task.step][task.index]; }
  void set(TaskId task, State state);
  void wake(TaskId task);

  std::vector<std::vector<Edge>> waits_for_;        // by step
  std::vector<std::vector<size_t>> waited_for_by_;  // by step
  std::vector<std::vector<State>> states_;          // by step and index
  std::vector<size_t> done_of_;                     // by step
  std::set<TaskId> ready_;
  size_t total_ = 0;
  size_t done_tasks_ = 0;
};

}  // namespace tierhub::compute
