#include "compute/run/runner.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/hash.h"
#include "common/host_name.h"
#include "common/log.h"
#include "common/posix.h"
#include "compute/executors/lease.h"
#include "compute/executors/local_executor.h"
#include "compute/executors/slurm_executor.h"
#include "compute/run/context.h"
#include "compute/run/files_boot.h"
#include "compute/run/loop.h"
#include "compute/run/own_paths.h"
#include "compute/run/past_runs.h"
#include "compute/run/take_up.h"
#include "compute/staging/fingerprint.h"

namespace tierhub::compute {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kWaitTick{100};
constexpr std::chrono::seconds kTierdPatience{60};
constexpr uint64_t kLeastStagedAhead = uint64_t{256} << 20;

class Runner {
 public:
  Runner(const RunnerOptions& options, const OpenTierClient& open_tier)
      : open_tier_(open_tier), context_(options), options_(context_.options) {}

  RunnerExit run() {
    const Result<void> opened = context_.open();
    if (!opened) {
      log::error("a run cannot be started",
                 {{"run", options_.run}, {"error", opened.error().text()}});
      return RunnerExit::failed;
    }
    const std::string& ended = context_.record->ended();
    if (!ended.empty()) return ended == "done" ? RunnerExit::done : RunnerExit::failed;
    if (!options_.give_up_reason.empty()) {
      // Its runners died, and may have left tasks on nodes.
      static_cast<void>(make_executor()->end(*context_.log));
      return end_failed(options_.give_up_reason);
    }
    const Result<void> cleared = clear_nodes();
    if (!cleared) return end_stopped();
    const Result<void> prepared = prepare();
    if (context_.why_stop() != Stop::none) return end_stopped();
    if (!prepared) return end_failed(prepared.error().text());
    if (output_was_placed()) return end_done();
    if (unseen_ends_ && resumed_) {
      const Result<void> removed = remove_what_nobody_finished();
      if (!removed) return end_failed(removed.error().text());
    }
    planning_ = false;
    const std::unique_ptr<Executor> executor = make_executor();
    const Result<void> begun = executor->begin(*context_.log);
    if (!begun) return end_failed(begun.error().text());
    RunLoop(context_, *executor).work_off();
    if (context_.why_stop() != Stop::none) return end_stopped();
    if (!context_.schedule->has_result())
      return end_failed("nothing succeeded: " + first_failure());
    const Result<void> placed = place_output();
    if (!placed) return end_failed(placed.error().text());
    return end_done();
  }

 private:
  std::unique_ptr<Executor> make_executor() const {
    if (!options_.slurm) return std::make_unique<LocalExecutor>(options_.cgroups);
    std::optional<NodeOrder> needs;
    if (context_.plan) needs = context_.plan->needs_of_nodes();
    return std::make_unique<SlurmExecutor>(
        *options_.slurm, slurm_job_name(options_.run, options_.run_folder),
        options_.task_programs() + "/tieragent", lease_mark(), needs);
  }

  std::string lease_mark() const { return context_.file(".leases"); }

  // What an earlier runner started on nodes has ended before anything of the run is looked at: it may
  // still write. An error if the run is to stop.
  Result<void> clear_nodes() {
    if (!options_.slurm || !context_.record->header()) return {};
    unseen_ends_ = LeaseMark(lease_mark()).find(options_.slurm->lease).has_value();
    const std::unique_ptr<Executor> earlier = make_executor();
    while (!earlier->end(*context_.log)) {
      TRY(check_stop());
      ::poll(nullptr, 0, static_cast<int>(kWaitTick.count()));
    }
    return {};
  }

  Result<void> prepare() {
    TRY_ASSIGN(const std::string dropped, read_workflow_file(context_.file("job.yaml")));
    const Checked<std::optional<std::string>> retry = read_retry(dropped);
    if (!retry) return to_error(retry.error());
    const Checked<std::optional<WorkflowReference>> reference = read_reference(dropped);
    if (!reference) return to_error(reference.error());
    Job job{dropped, {}};
    if (*retry) {
      TRY_ASSIGN(job, job_to_repeat(**retry));
    }
    // A file that cannot be obeyed is refused before anyone is asked.
    if (!*reference) TRY(note_workflow(job));
    TRY_ASSIGN(const Places places, find_places());
    if (*reference) {
      TRY_ASSIGN(job, workflow_of(**reference, places));
      TRY(note_workflow(job));
    }
    const std::string whole = *reference || *retry ? dropped + job.text : dropped;
    const std::string job_checksum = checksum(std::as_bytes(std::span(whole))).hex();
    TRY_ASSIGN(const std::string boot_id, boot_of_files({options_.work, places.root}));
    const std::optional<RunHeader> header = context_.record->header();
    if (header && header->job_checksum != job_checksum) {
      return Error(std::errc::invalid_argument,
                   "job.yaml was changed while the run was interrupted: drop it as a new workflow");
    }
    // After a restart of the machine what tasks wrote on its disks may be gone or torn: everything
    // runs again.
    const bool goes_on = header && header->boot_id == boot_id;
    std::vector<std::string> known_items;
    if (earlier_) known_items = earlier_->header.item_paths;
    if (goes_on || context_.record->placing()) known_items = header->item_paths;
    TRY(make_plan(job, places, known_items));
    if (goes_on) resumed_ = true;
    if (output_was_placed()) return take_up();
    TRY(make_room());
    if (goes_on && (job.retry_of.empty() || context_.record->has_taken_up())) return take_up();
    if (header && !goes_on) {
      TRY(empty_folder(options_.work));
      TRY(empty_folder(context_.plan->output().hidden()));
    }
    const auto seen = goes_on ? header->seen : look_at_inputs();
    if (job.retry_of.empty()) work_key_ = work_key_of(job, seen);
    TRY(context_.record->begin({boot_id, job_checksum, context_.status.started,
                                context_.plan->inputs().item_paths(), job.values, seen,
                                job.retry_of, work_key_}));
    if (earlier_) return take_up_earlier(boot_id, seen);
    return {};
  }

  // What an earlier run did, with its values; its text is kept as that of a reference is.
  Result<Job> job_to_repeat(const std::string& run) {
    context_.status.retry_of = run;
    const std::string kept = context_.file("workflow.yaml");
    const std::optional<RunHeader>& header = context_.record->header();
    if (header && context_.record->has_taken_up()) {
      TRY_ASSIGN(std::string text, read_workflow_file(kept));
      return Job{std::move(text), header->values, run};
    }
    const std::string jobs = folder_of(folder_of(options_.run_folder));
    TRY_ASSIGN(earlier_, open_earlier_run(jobs, run));
    TRY(posix::replace_file(kept, earlier_->job.text));
    return Job{earlier_->job.text, earlier_->job.values, run};
  }

  // Steps 3 to 7 of take_up.h.
  Result<void> take_up_earlier(const std::string& boot_id,
                               const std::map<std::string, std::string>& seen) {
    const RunPlan& plan = *context_.plan;
    const TakeUpPlaces places{options_.run, folder_of(options_.work) + "/" + earlier_->run,
                              options_.work, plan.output().hidden()};
    const auto nothing =
        why_nothing_is_left(*earlier_, options_.run, boot_id, places.earlier_work, places.hidden);
    if (nothing) {
      context_.log->line("run",
                         fmt::format("nothing is taken up of {}: {}", earlier_->run, *nothing));
      TRY(empty_folder(places.work));
      TRY(empty_folder(places.hidden));
      return context_.record->mark_taken_up();
    }
    TRY(take_files(*earlier_, places, [this] { return check_stop(); }));
    std::map<TaskId, TaskRecord> finished;
    std::set<TaskId> ids;
    for (const TaskRecord& task : earlier_->finished) {
      const auto id = plan.find_task(task.step, task.index);
      if (!id) continue;
      finished[*id] = task;
      ids.insert(*id);
    }
    const auto is_usable = [&](TaskId task) {
      const std::string path = plan.inputs().path_of(plan.workflow().steps[task.step], task.index);
      const auto then = earlier_->header.seen.find(path);
      const auto now = seen.find(path);
      const bool is_same = path.empty() || (then != earlier_->header.seen.end() &&
                                            now != seen.end() && then->second == now->second);
      const std::vector<std::string> own = plan.own_paths(task);
      return is_same && std::all_of(own.begin(), own.end(), [](const std::string& path_there) {
               return ::faccessat(AT_FDCWD, path_there.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
             });
    };
    const std::set<TaskId> taken =
        tasks_to_take_up(plan.workflow(), plan.inputs().size(), ids, is_usable);
    for (size_t step = 0; step < plan.workflow().steps.size(); ++step) {
      for (size_t index = 0; index < context_.schedule->tasks_of(step); ++index) {
        if (taken.contains({step, index})) continue;
        for (const std::string& path : plan.own_paths({step, index})) TRY(remove_path(path));
      }
    }
    std::vector<TaskRecord> records;
    for (const TaskId id : taken) {
      TaskRecord& task = records.emplace_back(finished.at(id));
      if (task.from_run.empty()) task.from_run = earlier_->run;
      TRY(context_.record->add_finished(task));
    }
    TRY(context_.record->mark_taken_up());
    context_.log->line("run", fmt::format("takes up {} of {} tasks of {}", taken.size(),
                                          context_.schedule->total(), earlier_->run));
    for (const TaskRecord& task : records) count_as_done(task);
    return {};
  }

  std::map<std::string, std::string> look_at_inputs() const {
    std::map<std::string, std::string> seen;
    for (const std::string& path : context_.plan->inputs().distinct_paths())
      seen.emplace(path, fingerprint_of(path));
    return seen;
  }

  Result<void> note_workflow(const Job& job) {
    const CheckedWorkflow checked = check_workflow(job.text, job.values);
    if (!checked.name.empty()) context_.status.workflow = checked.name;
    context_.status.parameters = checked.values;
    if (!checked.workflow) return to_error(checked.complaints.front());
    return {};
  }

  // Two runs with the same key do the same work.
  std::string work_key_of(const Job& job, const std::map<std::string, std::string>& seen) const {
    std::vector<std::string> texts = {job.text};
    for (const auto& [name, value] : context_.status.parameters) {
      texts.push_back(name);
      texts.insert(texts.end(), value.begin(), value.end());
    }
    for (const std::string& path : context_.plan->inputs().distinct_paths()) {
      texts.push_back(path);
      texts.push_back(seen.at(path));
    }
    return joint_fingerprint(texts);
  }

  // A file that names a workflow means it as it was when the run began: that text is kept in the
  // run's folder before anything else happens, for a run that goes on, and for people.
  Result<Job> workflow_of(const WorkflowReference& reference, const Places& places) const {
    const std::string kept = context_.file("workflow.yaml");
    Result<std::string> text = read_workflow_file(kept);
    if (!text && !text.error().is(std::errc::no_such_file_or_directory)) return text.error();
    if (!text) {
      const WorkflowLibrary library{shipped_workflows(options_.programs_folder), places.root};
      TRY_ASSIGN(text, library.read(reference.workflow));
      TRY(posix::replace_file(kept, *text));
    }
    return Job{*std::move(text), reference.values, ""};
  }

  Result<void> make_plan(const Job& job, const Places& places,
                         const std::vector<std::string>& known_items) {
    TRY(start_stager());
    TRY_ASSIGN(context_.plan, RunPlan::make(options_, job, places, prefetcher(), known_items));
    context_.status.output = context_.plan->output().place();
    context_.status.output_on_share = on_share(places);
    context_.status.left_out = context_.plan->inputs().left_out();
    context_.schedule.emplace(context_.plan->workflow(), context_.plan->inputs().size());
    context_.status.tasks_total = context_.schedule->total();
    context_.status.items_total = context_.plan->inputs().size();
    return {};
  }

  // A share has the mount, or the folder that holds the jobs folder, as its top.
  std::string on_share(const Places& places) const {
    const std::string& place = context_.plan->output().place();
    if (!place.starts_with(places.root + "/")) return "";
    const std::string below = place.substr(places.root.size() + 1);
    if (places.mount.empty()) return below + ", next to the jobs folder";
    return fmt::format("{} on a share of {}", below, places.mount);
  }

  Result<Places> find_places() {
    if (options_.socket.empty()) return Places{options_.root, ""};
    TRY_ASSIGN(tier_, open_tier_(options_.socket));
    const SteadyClock::time_point deadline = SteadyClock::now() + kTierdPatience;
    for (;;) {
      const Result<api::Status> status = tier_->status();
      if (status) {
        staged_ahead_bytes_ = std::max(status->capacity_bytes / 8, kLeastStagedAhead);
        return Places{status->mount, status->mount};
      }
      if (!tier_->may_pass(status.error()) || SteadyClock::now() > deadline) {
        return Error(
            status.error().code(),
            fmt::format("tierd does not answer ({}): start it, then drop the workflow again",
                        status.error().text()));
      }
      TRY(check_stop());
      ::poll(nullptr, 0, static_cast<int>(kWaitTick.count()));
    }
  }

  Result<void> start_stager() {
    if (!tier_) return {};
    const auto input_of = [this](TaskId task) {
      return context_.plan->inputs().input_of(context_.plan->workflow().steps[task.step],
                                              task.index);
    };
    TRY_ASSIGN(context_.stager, Stager::start(tier_, options_.run, staged_ahead_bytes_, input_of));
    context_.write_status();
    return {};
  }

  // Brings metadata: from this thread while planning, from the stager's later.
  RunInputs::Prefetch prefetcher() {
    if (!tier_) return {};
    return [this](const TaskInput& input) -> Result<void> {
      const auto check = [this](const std::string& waits_for) {
        const std::string before = context_.metadata_wait.with(
            [&](std::string& text) { return std::exchange(text, waits_for); });
        if (!planning_) return stop_asked_for();
        if (waits_for != before) context_.status_changed();
        context_.write_status_if_due();
        return check_stop();
      };
      const auto copied_bytes =
          prefetch_and_wait(*tier_, input, options_.run, "run " + options_.run, check);
      context_.metadata_wait.with([](std::string& text) { text.clear(); });
      if (!copied_bytes) return copied_bytes.error();
      context_.metadata_copied_bytes += *copied_bytes;
      return {};
    };
  }

  // While nothing runs yet: an error if the run is to stop.
  Result<void> check_stop() {
    context_.look_for_stop();
    if (!context_.slots->receive()) context_.stop(Stop::interrupted);
    return stop_asked_for();
  }

  // Any thread.
  Result<void> stop_asked_for() const {
    if (context_.why_stop() == Stop::none) return {};
    return Error(std::errc::operation_canceled, "the run is being stopped");
  }

  Result<void> make_room() {
    TRY(context_.plan->output().check_free());
    context_.plan->output().take_back();
    TRY(context_.plan->output().make_hidden());
    if (::faccessat(AT_FDCWD, options_.work.c_str(), W_OK | X_OK, AT_EACCESS) == 0) return {};
    return Error::from_errno(errno, "the work folder " + options_.work);
  }

  // What a task has open whose end nobody saw becomes nobody's (compute/executors/lease.h).
  Result<void> remove_what_nobody_finished() const {
    for (size_t step = 0; step < context_.plan->workflow().steps.size(); ++step) {
      for (size_t index = 0; index < context_.schedule->tasks_of(step); ++index) {
        if (context_.schedule->is_done({step, index})) continue;
        for (const std::string& path : context_.plan->own_paths({step, index}))
          TRY(remove_path(path));
      }
    }
    return {};
  }

  // What an earlier runner finished stays finished.
  Result<void> take_up() {
    for (const TaskRecord& task : context_.record->finished()) count_as_done(task);
    // What failed for good stays so: the report names it, and a step that gathered did without it.
    for (const TaskRecord& task : context_.record->failed()) {
      if (const std::optional<TaskId> id = know(task)) context_.schedule->mark_failed(*id);
    }
    for (const Schedule::Skipped& skipped : context_.schedule->take_skipped())
      context_.note_skipped(skipped);
    context_.log->line("run",
                       fmt::format("continues where it was interrupted: {} of {} tasks are done",
                                   context_.schedule->done(), context_.schedule->total()));
    return {};
  }

  void count_as_done(const TaskRecord& task) {
    const std::optional<TaskId> id = know(task);
    if (!id) return;
    context_.schedule->mark_done(*id);
    context_.status.measured.add(*id, task.report);
  }

  // Puts a task of the record into the status; nothing if the workflow has no such task.
  std::optional<TaskId> know(const TaskRecord& task) {
    const std::optional<TaskId> id = context_.plan->find_task(task.step, task.index);
    if (!id) return std::nullopt;
    TaskRecord& known = context_.status.tasks[*id];
    known = task;
    known.once = context_.plan->workflow().steps[id->step].runs_once();
    known.report = {};
    return id;
  }

  bool output_was_placed() const {
    return context_.record->placing() && !context_.plan->output().hidden_exists() &&
           context_.plan->output().place_exists();
  }

  Result<void> place_output() {
    TRY(context_.record->mark_placing());
    return context_.plan->output().put_in_place();
  }

  std::string first_failure() const {
    for (const auto& [id, task] : context_.status.tasks) {
      if (task.state == "failed") return fmt::format("{}: {}", task.step, task.reason);
    }
    return "no task was done";
  }

  bool is_whole() const {
    return context_.schedule && context_.schedule->done() == context_.schedule->total();
  }

  // What tasks that failed would need stays.
  RunnerExit end_done() {
    if (!is_whole()) return end(RunState::done);
    const Result<void> emptied = empty_folder(options_.work);
    if (emptied) context_.status.work.clear();
    if (!emptied)
      context_.log->line("run", "the work folder could not be emptied: " + emptied.error().text());
    return end(RunState::done);
  }

  RunnerExit end_failed(std::string reason) {
    context_.status.error = std::move(reason);
    return end(RunState::failed);
  }

  RunnerExit end_stopped() {
    switch (context_.why_stop()) {
      case Stop::cancelled:
        return end(RunState::cancelled);
      case Stop::none:
      case Stop::failed:
        return end(RunState::failed);
      case Stop::interrupted:
        break;
    }
    context_.log->line("run", "interrupted: it continues when the agent is back");
    context_.write_status();
    return RunnerExit::interrupted;
  }

  RunnerExit end(RunState state) {
    RunStatus& status = context_.status;
    status.state = state;
    status.ended = Timestamp::now();
    if (state != RunState::done || !is_whole()) tidy_up();
    const EndLine line = end_line();
    if (state == RunState::done) {
      const std::string running = folder_of(options_.run_folder);
      status.baseline = find_baseline(folder_of(running) + "/done", line);
    }
    context_.write_status();
    const Result<void> reported =
        posix::replace_file(context_.file("REPORT.txt"), to_report(status, *status.ended));
    if (!reported) context_.log->line("run", "no REPORT.txt: " + reported.error().text());
    context_.log->line("run", fmt::format("{}{}{}", to_text(state),
                                          status.error.empty() ? "" : ": ", status.error));
    context_.log->end();
    context_.stager.reset();
    report_if_untold();
    const Result<void> ended = context_.record->mark_ended(line);
    if (!ended) context_.log->line("run", "tasks.jsonl: " + ended.error().text());
    return state == RunState::done ? RunnerExit::done : RunnerExit::failed;
  }

  // What later runs compare themselves with.
  EndLine end_line() const {
    const RunStatus& status = context_.status;
    EndLine line;
    line.state = to_text(status.state);
    if (!resumed_ && is_whole()) line.work_key = work_key_;
    line.workers = status.workers;
    line.wall_s = status.wall_s(*status.ended);
    line.waited_for_slots_s = status.worker_time.slots_s;
    if (context_.stager) {
      line.bytes_copied = context_.stager->progress().copied_bytes + context_.metadata_copied_bytes;
    }
    line.output = status.state == RunState::done ? status.output : status.partial_output;
    line.work_kept = !status.work.empty() && keeps_work();
    return line;
  }

  bool keeps_work() const {
    const Result<UniqueFd> work =
        posix::open_at(AT_FDCWD, options_.work, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!work) return false;
    const Result<std::vector<std::string>> names = posix::list_directory_fd(work->get());
    return !names || !names->empty();
  }

  // tierd hears also of a run that failed before it was asked for anything.
  void report_if_untold() {
    if (tier_ || options_.socket.empty()) return;
    const Result<std::unique_ptr<TierClient>> tier = open_tier_(options_.socket);
    if (!tier) return;
    const RunStatus& status = context_.status;
    const Timestamp now = Timestamp::now();
    api::Run report{options_.run,    ::geteuid(), std::string(to_text(status.state)),
                    status.workflow, now,         to_json(status, now, TaskList::without)};
    report.agent = host_name();
    const Result<void> sent = (*tier)->report_run(report);
    if (!sent) log::debug("the run could not be reported", {{"error", sent.error().text()}});
  }

  // Of a run that did not succeed, what was written stays.
  void tidy_up() {
    RunStatus& status = context_.status;
    if (context_.plan && status.state != RunState::done)
      status.partial_output = context_.plan->output().keep_what_was_written();
    if (!keeps_work()) status.work.clear();
  }

  const OpenTierClient& open_tier_;
  std::shared_ptr<TierClient> tier_;
  uint64_t staged_ahead_bytes_ = kLeastStagedAhead;
  std::atomic<bool> planning_ = true;
  std::optional<EarlierRun> earlier_;  // that is to be taken up
  std::string work_key_;
  bool resumed_ = false;
  bool unseen_ends_ = false;  // of tasks of an earlier runner
  RunContext context_;
  const RunnerOptions& options_;
};

}  // namespace

std::string host_name() {
  const std::string name = name_of_this_host();
  return name.empty() ? "localhost" : name;
}

RunnerExit run_to_its_end(const RunnerOptions& options, const OpenTierClient& open_tier) {
  return Runner(options, open_tier).run();
}

}  // namespace tierhub::compute
