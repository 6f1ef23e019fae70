#include "compute/run/loop.h"

#include <algorithm>
#include <utility>

#include <poll.h>

#include <fmt/format.h>

#include "common/posix.h"
#include "compute/executors/text.h"
#include "compute/run/own_paths.h"

namespace tierhub::compute {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kTick{100};
constexpr milliseconds kInterruptGrace{1000};
// Slots that are free come within this time, on a busy machine too.
constexpr milliseconds kPromptGrant{250};
// A task whose machine died so often may be the reason.
constexpr unsigned kMostLosses = 3;

// "exit code 1: imgop: c 3 is selected, but the dataset has only c 0": a program that ends by itself
// says last what was wrong.
std::string with_last_line(const EndedTask& ended) {
  constexpr size_t kMostBytes = 300;
  if (!ended.reason.starts_with("exit code")) return ended.reason;
  for (auto line = ended.last_lines.rbegin(); line != ended.last_lines.rend(); ++line) {
    if (line->find_first_not_of(" \t\r") == std::string::npos) continue;
    return fmt::format("{}: {}", ended.reason, line->substr(0, kMostBytes));
  }
  return ended.reason;
}

}  // namespace

void RunLoop::work_off() {
  context_.log->line("run",
                     fmt::format("{} tasks in {} steps, {} workers", context_.schedule->total(),
                                 context_.plan->workflow().steps.size(), context_.options.workers));
  for (;;) {
    context_.look_for_stop();
    if (const std::string why = executor_.hopeless(); !why.empty()) context_.fail(why);
    const Stop stop = context_.why_stop();
    if (stop == Stop::none) {
      request_staging();
      request_slots();
    } else {
      executor_.stop_all(stop == Stop::interrupted ? kInterruptGrace : kTaskGrace);
    }
    note_worker_time();
    if (executor_.empty() && (stop != Stop::none || context_.schedule->finished())) break;
    context_.executor_waits_for = executor_.waits_for();
    context_.status.nodes = executor_.nodes();
    context_.write_status_if_due();
    wait();
    take_outcomes();
    start_granted();
    for (EndedTask& ended : executor_.turn(*context_.log)) on_end(std::move(ended));
  }
  executor_.end(*context_.log);
}

// Tasks are staged a window ahead of the workers; those of later steps first, so that what is on
// the fast tier is used before more is brought. Tasks that read nothing from the mount need no
// window.
void RunLoop::request_staging() {
  Schedule& schedule = *context_.schedule;
  const size_t window = 4 * size_t{context_.options.workers} + 8;
  for (size_t step = context_.plan->workflow().steps.size(); step-- > 0;) {
    const bool staged = context_.stager && context_.plan->inputs().staged() &&
                        step_of({step, 0}).mentions(Placeholder::input);
    for (;;) {
      const auto next = schedule.ready().lower_bound({step, 0});
      if (next == schedule.ready().end() || next->step != step) break;
      if (staged && staging_.size() + startable_.size() >= window) break;
      const TaskId task = *next;
      schedule.take(task);
      if (staged) {
        staging_.emplace(task, SteadyClock::now());
        context_.stager->stage(task);
      } else {
        startable_.push_back(task);
      }
    }
  }
}

void RunLoop::request_slots() {
  if (startable_.empty()) {
    executor_.want(0, {}, "");
  } else {
    const TaskId first = startable_.front();
    executor_.want(startable_.size(), limits_of(first),
                   context_.plan->inputs().path_of(step_of(first), first.index));
  }
  if (startable_.empty() || context_.slots->waiting()) return;
  if (!executor_.has_room(limits_of(startable_.front()))) return;
  expects_slots_since_ = SteadyClock::now();
  if (!context_.slots->want(slots_of(startable_.front()))) context_.stop(Stop::interrupted);
}

void RunLoop::take_outcomes() {
  if (!context_.stager) return;
  for (const Stager::Outcome& outcome : context_.stager->take_outcomes()) {
    if (const auto asked = staging_.find(outcome.task); asked != staging_.end()) {
      waited_for_data_s_[outcome.task] =
          std::chrono::duration<double>(SteadyClock::now() - asked->second).count();
      staging_.erase(asked);
    }
    if (outcome.resident) {
      startable_.push_back(outcome.task);
      continue;
    }
    const Step& step = step_of(outcome.task);
    const std::string why =
        context_.plan->inputs().as_seen(step, outcome.task.index, outcome.resident.error().text());
    context_.stager->release(outcome.task);
    if (outcome.resident.error().is(kTierdIsGone)) {
      context_.fail(why);
      continue;
    }
    TaskRecord& record = context_.status.tasks[outcome.task];
    record.step = step.id;
    record.index = outcome.task.index;
    record.reason = "its input cannot be used: " + why;
    give_up(outcome.task, record,
            fmt::format("the input of the step '{}', task {} cannot be used: {}", step.id,
                        outcome.task.index, why));
  }
}

// Takes over the slots of a task that has ended, but for the word of its executor.
bool RunLoop::start_following() {
  if (context_.why_stop() != Stop::none || startable_.empty()) return false;
  const TaskId task = startable_.front();
  const std::optional<TaskId> before = executor_.followed_by(task.step, limits_of(task));
  if (!before || granted_[*before].empty()) return false;
  std::vector<unsigned> slots = std::exchange(granted_[*before], {});
  held_slots_ -= static_cast<unsigned>(slots.size());
  context_.status.tasks[*before].end = Timestamp::now();
  startable_.pop_front();
  start(task, std::move(slots));
  return true;
}

void RunLoop::start_granted() {
  while (start_following()) continue;
  const Result<std::optional<std::vector<unsigned>>> granted = context_.slots->receive();
  if (!granted) {
    context_.stop(Stop::interrupted);
    return;
  }
  if (!*granted) return;
  if (context_.why_stop() != Stop::none || startable_.empty() ||
      !executor_.has_room(limits_of(startable_.front()))) {
    static_cast<void>(context_.slots->release(**granted));
    return;
  }
  const TaskId task = startable_.front();
  startable_.pop_front();
  start(task, **granted);
}

void RunLoop::start(TaskId task, std::vector<unsigned> slots) {
  TaskRecord& record = context_.status.tasks[task];
  const TaskRecord before = std::exchange(record, {});
  record.processor_s = before.processor_s;
  record.peak_bytes = before.peak_bytes;
  record.waited_for_data_s = before.waited_for_data_s;
  if (const auto waited = waited_for_data_s_.extract(task)) {
    record.waited_for_data_s += waited.mapped();
  }
  record.step = step_of(task).id;
  record.index = task.index;
  record.once = step_of(task).runs_once();
  record.state = "running";
  record.attempts = before.attempts + 1;
  record.slot = slots.empty() ? 0 : static_cast<int>(slots.front());
  record.start = Timestamp::now();
  held_slots_ += static_cast<unsigned>(slots.size());
  context_.status.state = RunState::running;
  context_.status_changed();
  if (context_.stager) context_.stager->started(task);
  granted_[task] = std::move(slots);
  const Result<void> started = hand_over(task);
  if (started) return;
  // Between the question and the start the room may have gone.
  const bool no_room = started.error().is(std::errc::resource_unavailable_try_again);
  on_end({task, no_room ? TaskEnd::unstarted : TaskEnd::failed, 127, started.error().text()});
}

Result<void> RunLoop::hand_over(TaskId task) {
  if (const auto problem = context_.plan->inputs().problem_of(step_of(task), task.index))
    return *problem;
  TRY_ASSIGN(const ProcessSpec spec, context_.plan->process_for(task));
  TRY(context_.plan->make_parents(task));
  if (step_of(task).mentions(Placeholder::inputs)) TRY(list_inputs(task.step));
  const std::string label = context_.plan->label(task);
  context_.log->line(label, fmt::format("starts: {}", fmt::join(spec.arguments, " ")));
  return executor_.start(task, spec, limits_of(task), label);
}

Result<void> RunLoop::list_inputs(size_t step) const {
  const std::vector<Step>& steps = context_.plan->workflow().steps;
  std::string text;
  for (size_t index = 0; index < context_.plan->inputs().size(); ++index) {
    const auto is_lost = [&](size_t from) {
      return !steps[from].runs_once() && !context_.schedule->is_done({from, index});
    };
    const std::vector<size_t>& gathered = steps[step].gather;
    if (std::any_of(gathered.begin(), gathered.end(), is_lost)) continue;
    const std::string path = context_.plan->inputs().path_of_item(index);
    if (path.find('\n') != std::string::npos) {
      return Error(std::errc::invalid_argument,
                   "an input has a line feed in its name, which a list cannot have");
    }
    text += path + "\n";
  }
  const std::string file = context_.plan->list_of_inputs(step);
  TRY(posix::make_directories(file.substr(0, file.rfind('/')), 0777));
  return posix::replace_file(file, text);
}

void RunLoop::on_end(EndedTask ended) {
  TaskRecord& record = context_.status.tasks[ended.task];
  record.end = ended.at.value_or(Timestamp::now());
  record.exit_code = ended.exit_code;
  record.node = ended.node;
  record.processor_s += ended.processor_s;
  record.peak_bytes = std::max(record.peak_bytes, ended.peak_bytes);
  const std::vector<unsigned> slots = std::exchange(granted_[ended.task], {});
  granted_.erase(ended.task);
  held_slots_ -= static_cast<unsigned>(slots.size());
  expects_slots_since_ = SteadyClock::now();  // the next task of this run may have them
  record.reason = ended.end == TaskEnd::done ? "" : with_last_line(ended);
  context_.status_changed();
  if (!slots.empty() && !context_.slots->release(slots)) context_.stop(Stop::interrupted);
  if (context_.stager) context_.stager->release(ended.task);
  if (ended.end != TaskEnd::done) {
    on_failure(step_of(ended.task), record, std::move(ended));
    return;
  }
  record.state = "done";
  context_.schedule->mark_done(ended.task);
  note_skipped();
  context_.log->line(context_.plan->label(ended.task),
                     fmt::format("done in {}", duration_text(record.seconds(*record.end))));
  record.report = std::move(ended.report);
  const Result<void> written = context_.record->add_finished(record);
  context_.status.measured.add(ended.task, std::exchange(record.report, {}));
  if (!written) context_.fail("tasks.jsonl cannot be written: " + written.error().text());
}

Resources RunLoop::limits_of(TaskId task) const {
  Resources limits = step_of(task).resources;
  const auto more = more_memory_.find(task);
  if (more != more_memory_.end()) limits.memory_bytes = more->second;
  return limits;
}

// A task with more memory than its slots stand for takes the slots of others, which would have used
// that memory.
unsigned RunLoop::slots_of(TaskId task) const {
  const unsigned own = context_.plan->slots_for(step_of(task));
  const auto more = more_memory_.find(task);
  if (more == more_memory_.end()) return own;
  const RunPlan::Machine machine = context_.plan->machine();
  const uint64_t of_a_slot = std::max<uint64_t>(machine.memory_bytes / machine.slots, 1);
  const uint64_t needed = (more->second + of_a_slot - 1) / of_a_slot;
  return std::max(own, static_cast<unsigned>(std::min<uint64_t>(needed, machine.slots)));
}

void RunLoop::give_more_memory(TaskId task) {
  const uint64_t machine = context_.plan->machine().memory_bytes;
  const uint64_t had = limits_of(task).memory_bytes.value_or(machine);
  const uint64_t gets = std::max(had, std::min(had > machine / 2 ? machine : 2 * had, machine));
  more_memory_[task] = gets;
  context_.log->line(
      context_.plan->label(task),
      fmt::format("gets {} of memory instead of {}, and {} of {} slots", size_text(gets),
                  size_text(had), slots_of(task), context_.options.workers));
}

void RunLoop::on_failure(const Step& step, TaskRecord& record, EndedTask ended) {
  const std::string label = context_.plan->label(ended.task);
  context_.log->line(label, "failed: " + ended.reason);
  if (context_.why_stop() != Stop::none) {
    record.state = "stopped";
    return;
  }
  if (comes_again(record, ended)) return;
  if (record.attempts <= step.retry) {
    record.state = "waiting";
    context_.log->line(label,
                       fmt::format("is tried again ({} of {})", record.attempts, step.retry));
    if (ended.end == TaskEnd::out_of_memory) give_more_memory(ended.task);
    context_.schedule->give_back(ended.task);
    return;
  }
  if (context_.plan->workflow().on_error == OnError::stop)
    context_.status.last_lines = std::move(ended.last_lines);
  const std::string tries =
      record.attempts == 1 ? "tried once" : fmt::format("tried {} times", record.attempts);
  give_up(ended.task, record,
          fmt::format("the step '{}' failed at task {} ({}): {}", step.id, ended.task.index, tries,
                      record.reason));
}

bool RunLoop::remove_own_paths(TaskId task) {
  for (const std::string& path : context_.plan->own_paths(task)) {
    const Result<void> removed = remove_path(path);
    if (removed) continue;
    context_.fail(fmt::format("what a task that failed has written cannot be removed: {}",
                              removed.error().text()));
    return false;
  }
  return true;
}

void RunLoop::give_up(TaskId task, TaskRecord& record, std::string error) {
  record.state = "failed";
  record.once = step_of(task).runs_once();
  record.name = context_.plan->inputs().shown_name(step_of(task), task.index);
  context_.status_changed();
  if (context_.plan->workflow().on_error == OnError::stop) {
    context_.fail(std::move(error));
    return;
  }
  // A half that it left must not be taken for a result.
  if (!remove_own_paths(task)) return;
  const Result<void> written = context_.record->add_failed(record);
  if (!written) context_.fail("tasks.jsonl cannot be written: " + written.error().text());
  context_.log->line(context_.plan->label(task), "failed for good; the run carries on without it");
  context_.schedule->mark_failed(task);
  note_skipped();
}

void RunLoop::note_skipped() {
  for (const Schedule::Skipped& skipped : context_.schedule->take_skipped())
    context_.note_skipped(skipped);
}

void RunLoop::note_worker_time() {
  const SteadyClock::time_point now = SteadyClock::now();
  WorkerClock::Moment moment;
  moment.workers = context_.options.workers;
  moment.held = held_slots_;
  moment.startable = !startable_.empty();
  moment.kept_waiting =
      moment.startable && context_.slots->waiting() && now - expects_slots_since_ > kPromptGrant;
  moment.fetching = !staging_.empty();
  clock_.set(now, moment);
  context_.status.worker_time = clock_.time();
}

bool RunLoop::comes_again(TaskRecord& record, const EndedTask& ended) {
  if (ended.end == TaskEnd::lost && ++losses_[ended.task] >= kMostLosses) return false;
  if (ended.end != TaskEnd::lost && ended.end != TaskEnd::unstarted) return false;
  // What the lost one has open becomes nobody's (compute/executors/lease.h).
  if (ended.unseen && !remove_own_paths(ended.task)) return true;
  record.state = "waiting";
  record.attempts -= 1;
  context_.schedule->give_back(ended.task);
  return true;
}

void RunLoop::wait() {
  std::vector<pollfd> polled = {{context_.signal_fd(), POLLIN, 0}};
  // Once the agent is gone its socket is readable for ever.
  if (context_.why_stop() != Stop::interrupted) polled.push_back({context_.slots->fd(), POLLIN, 0});
  if (context_.stager) polled.push_back({context_.stager->event_fd(), POLLIN, 0});
  executor_.add_to(polled);
  bool more_to_ask = context_.why_stop() == Stop::none && !startable_.empty();
  if (more_to_ask) {
    const Resources limits = limits_of(startable_.front());
    more_to_ask = (!context_.slots->waiting() && executor_.has_room(limits)) ||
                  executor_.followed_by(startable_.front().step, limits);
  }
  ::poll(polled.data(), polled.size(), more_to_ask ? 0 : static_cast<int>(kTick.count()));
}

}  // namespace tierhub::compute
