#include "compute/run/context.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/host_name.h"
#include "common/posix.h"
#include "common/signals.h"
#include "compute/run/runner.h"

namespace tierhub::compute {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLookEvery{100};
constexpr std::chrono::seconds kLockPatience{60};
// status.json of a run with very many tasks is long: it is written less often then, and what tierd
// gets leaves the list out.
constexpr size_t kManyTasks = 1000;
constexpr size_t kMaxReportBytes = 400 * 1024;
constexpr milliseconds kHeartbeat{2000};
constexpr milliseconds kStatusEvery{250};
constexpr milliseconds kLongStatusEvery{2000};

// Readers see the old text or the new one. Not synced: it is written again in a moment, and losing
// it with the power costs nothing.
Result<void> exchange_file(const std::string& path, std::string_view text) {
  const std::string temporary = path + ".tmp";
  {
    TRY_ASSIGN(const UniqueFd fd, posix::open_at(AT_FDCWD, temporary,
                                                 O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0644));
    TRY(posix::write_all(fd.get(), text));
  }
  return posix::rename_at(AT_FDCWD, temporary, AT_FDCWD, path);
}

}  // namespace

Result<void> RunContext::open() {
  ::umask(022);
  ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  ::signal(SIGPIPE, SIG_IGN);
  TRY_ASSIGN(signals_, block_and_open_signals({SIGCHLD, SIGTERM, SIGINT}));
  slots.emplace(UniqueFd(options.slots_fd));
  TRY(lock());
  TRY_ASSIGN(RunLog opened_log, RunLog::open(file("run.log")));
  log.emplace(std::move(opened_log));
  TRY_ASSIGN(RunRecord opened_record, RunRecord::open(file("tasks.jsonl")));
  record.emplace(std::move(opened_record));
  const char* user = std::getenv("USER");
  status.run = options.run;
  status.user = user == nullptr ? "" : user;
  status.host = name_of_this_host();
  status.workers = options.workers;
  status.processors = usable_processors();
  status.work = options.work;
  status.started = record->header() ? record->header()->started : Timestamp::now();
  return {};
}

// The runner of an agent that was killed may still be ending its tasks.
Result<void> RunContext::lock() {
  TRY_ASSIGN(lock_, posix::open_at(AT_FDCWD, options.run_folder, O_RDONLY | O_DIRECTORY));
  const SteadyClock::time_point deadline = SteadyClock::now() + kLockPatience;
  while (::flock(lock_.get(), LOCK_EX | LOCK_NB) < 0) {
    if (errno != EWOULDBLOCK) return Error::from_errno(errno, "lock the run");
    if (SteadyClock::now() > deadline) {
      return Error(std::errc::device_or_resource_busy,
                   "an earlier runner of this run is still alive");
    }
    ::poll(nullptr, 0, static_cast<int>(kLookEvery.count()));
  }
  return {};
}

void RunContext::stop(Stop why) {
  if (stop_ == Stop::none) stop_ = why;
}

void RunContext::fail(std::string error) {
  if (stop_ == Stop::none) status.error = std::move(error);
  stop(Stop::failed);
}

void RunContext::look_for_stop() {
  signalfd_siginfo info{};
  while (::read(signals_.get(), &info, sizeof info) == sizeof info) {
    if (info.ssi_signo != SIGCHLD) stop(Stop::interrupted);
  }
  const SteadyClock::time_point now = SteadyClock::now();
  if (now < next_look_) return;
  next_look_ = now + kLookEvery;
  if (::faccessat(AT_FDCWD, file("CANCEL").c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
    stop(Stop::cancelled);
  }
}

void RunContext::note_skipped(const Schedule::Skipped& skipped) {
  const auto& [task, because] = skipped;
  const Step& step = plan->workflow().steps[task.step];
  TaskRecord& known = status.tasks[task];
  known.step = step.id;
  known.index = task.index;
  known.once = step.runs_once();
  known.state = "skipped";
  known.name = plan->inputs().shown_name(step, task.index);
  known.reason = plan->label(because) + " failed or was skipped";
  log->line(plan->label(task), "skipped: " + known.reason);
}

void RunContext::write_status_if_due() {
  const SteadyClock::duration age = SteadyClock::now() - written_;
  const milliseconds interval = status.tasks.size() > kManyTasks ? kLongStatusEvery : kStatusEvery;
  if (age >= (changed_ ? interval : kHeartbeat)) write_status();
}

void RunContext::write_status() {
  written_ = SteadyClock::now();
  changed_ = false;
  update_counts();
  const Timestamp now = Timestamp::now();
  const std::string json = to_json(status, now, TaskList::with);
  const Result<void> written = exchange_file(file("status.json"), json);
  if (!written) log->line("run", "status.json cannot be written: " + written.error().text());
  if (!stager) return;
  api::Run report{options.run,     ::geteuid(), std::string(to_text(status.state)),
                  status.workflow, now,         json};
  report.agent = host_name();
  if (json.size() > kMaxReportBytes) report.json = to_json(status, now, TaskList::without);
  stager->report(std::move(report));
}

void RunContext::update_counts() {
  status.steps.clear();
  if (plan && schedule) {
    for (size_t step = 0; step < plan->workflow().steps.size(); ++step)
      status.steps.push_back({plan->workflow().steps[step].id, schedule->tasks_of(step)});
  }
  status.tasks_running = status.tasks_failed = status.tasks_skipped = 0;
  StepCount none;
  for (const auto& [id, task] : status.tasks) {
    StepCount& step = id.step < status.steps.size() ? status.steps[id.step] : none;
    if (task.state == "done") ++step.done;
    // What has an end waits for the executor's word alone.
    if (task.state == "running" && !task.end) ++step.running, ++status.tasks_running;
    if (task.state == "failed") ++step.failed, ++status.tasks_failed;
    if (task.state == "skipped") ++step.skipped, ++status.tasks_skipped;
  }
  status.tasks_done = schedule ? schedule->done() : 0;
  if (plan) status.not_obeyed = plan->not_obeyed();
  status.waits_for = executor_waits_for;
  if (!stager) return;
  const Stager::Progress progress = stager->progress();
  status.bytes_staged = progress.staged_bytes;
  status.bytes_copied = progress.copied_bytes + metadata_copied_bytes;
  if (status.waits_for.empty())
    status.waits_for = metadata_wait.with([](const std::string& text) { return text; });
  if (status.waits_for.empty()) status.waits_for = progress.trouble;
}

}  // namespace tierhub::compute
