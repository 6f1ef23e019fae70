#include "compute/workflow/schedule.h"

#include <algorithm>

namespace tierhub::compute {

Schedule::Schedule(const Workflow& workflow, size_t items)
    : waits_for_(workflow.steps.size()),
      waited_for_by_(workflow.steps.size()),
      done_of_(workflow.steps.size(), 0),
      lost_of_(workflow.steps.size(), 0),
      first_lost_of_(workflow.steps.size(), 0) {
  for (size_t step = 0; step < workflow.steps.size(); ++step) {
    const Step& what = workflow.steps[step];
    states_.emplace_back(what.runs_once() ? 1 : items, State::waiting);
    total_ += states_.back().size();
    for (const size_t from : what.gather) waits_for_[step].push_back({from, false, true});
    for (const size_t from : what.after) {
      const bool aligned = !what.runs_once() && !workflow.steps[from].runs_once();
      waits_for_[step].push_back({from, aligned, false});
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
                        : settled_of(edge.from) == tasks_of(edge.from);
  });
  if (const std::optional<TaskId> because = doom_of(task)) {
    skipped_.push_back({task, *because});
    settle(task, State::skipped);
  } else if (free) {
    set(task, State::ready);
  }
}

std::optional<TaskId> Schedule::doom_of(TaskId task) const {
  for (const Edge& edge : waits_for_[task.step]) {
    if (edge.aligned) {
      if (is_lost(state({edge.from, task.index}))) return TaskId{edge.from, task.index};
      continue;
    }
    if (settled_of(edge.from) < tasks_of(edge.from) || lost_of_[edge.from] == 0) continue;
    if (!edge.gather || done_of_[edge.from] == 0)
      return TaskId{edge.from, first_lost_of_[edge.from]};
  }
  return std::nullopt;
}

bool Schedule::has_result() const {
  for (size_t step = 0; step < states_.size(); ++step) {
    if (waited_for_by_[step].empty() && done_of_[step] > 0) return true;
  }
  return false;
}

void Schedule::take(TaskId task) { set(task, State::taken); }

void Schedule::give_back(TaskId task) { set(task, State::ready); }

void Schedule::mark_done(TaskId task) {
  if (is_done(task)) return;
  settle(task, State::done);
}

void Schedule::mark_failed(TaskId task) {
  if (!is_done(task) && !is_lost(state(task))) settle(task, State::failed);
}

// Steps wait for one another without circles, so that this ends; as deep as there are steps.
void Schedule::settle(TaskId task, State state) {
  set(task, state);
  ++settled_tasks_;
  if (state == State::done) {
    ++done_of_[task.step];
    ++done_tasks_;
  } else {
    if (lost_of_[task.step]++ == 0) first_lost_of_[task.step] = task.index;
  }
  const bool step_settled = settled_of(task.step) == tasks_of(task.step);
  for (const size_t next : waited_for_by_[task.step]) {
    if (step_settled) {
      for (size_t index = 0; index < tasks_of(next); ++index) wake({next, index});
    } else if (task.index < tasks_of(next)) {
      wake({next, task.index});
    }
  }
}

}  // namespace tierhub::compute
