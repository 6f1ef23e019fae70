#include "compute/workflow/schedule.h"

#include <algorithm>

namespace tierhub::compute {

Schedule::Schedule(const Workflow& workflow, size_t items)
    : waits_for_(workflow.steps.size()),
      waited_for_by_(workflow.steps.size()),
      done_of_(workflow.steps.size(), 0) {
  for (size_t step = 0; step < workflow.steps.size(); ++step) {
    const Step& what = workflow.steps[step];
    states_.emplace_back(what.runs_once() ? 1 : items, State::waiting);
    total_ += states_.back().size();
    for (const size_t from : what.gather) waits_for_[step].push_back({from, false});
    for (const size_t from : what.after) {
      waits_for_[step].push_back({from, !what.runs_once() && !workflow.steps[from].runs_once()});
    }
    for (const Edge& edge : waits_for_[step]) waited_for_by_[edge.from].push_back(step);
  }
  for (size_t step = 0; step < states_.size(); ++step) {
    if (!waits_for_[step].empty()) continue;
    for (size_t index = 0; index < tasks_of(step); ++index) wake({step, index});
  }
}

void Schedule::set(TaskId task, State state) {
  states_[task.step][task.index] = state;
  if (state == State::ready) {
    ready_.insert(task);
  } else {
    ready_.erase(task);
  }
}

void Schedule::wake(TaskId task) {
  if (state(task) != State::waiting) return;
  const std::vector<Edge>& edges = waits_for_[task.step];
  const bool free = std::all_of(edges.begin(), edges.end(), [&](const Edge& edge) {
    return edge.aligned ? is_done({edge.from, task.index})
                        : done_of_[edge.from] == tasks_of(edge.from);
  });
  if (free) set(task, State::ready);
}

void Schedule::take(TaskId task) { set(task, State::taken); }

void Schedule::give_back(TaskId task) { set(task, State::ready); }

void Schedule::mark_done(TaskId task) {
  if (is_done(task)) return;
  set(task, State::done);
  ++done_of_[task.step];
  ++done_tasks_;
  const bool step_done = done_of_[task.step] == tasks_of(task.step);
  for (const size_t next : waited_for_by_[task.step]) {
    if (step_done) {
      for (size_t index = 0; index < tasks_of(next); ++index) wake({next, index});
    } else if (task.index < tasks_of(next)) {
      wake({next, task.index});
    }
  }
}

}  // namespace tierhub::compute
