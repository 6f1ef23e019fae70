#include "compute/executors/limited_process.h"

#include <algorithm>

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <fmt/format.h>

#include "compute/executors/text.h"

namespace tierhub::compute {
namespace {

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

// "TIERHUB_MARK=..." of what a task is started with; empty if it has none.
std::string mark_in(const std::vector<std::string>& environment) {
  for (const std::string& variable : environment) {
    if (variable.starts_with("TIERHUB_MARK=")) return variable;
  }
  return "";
}

}  // namespace

Result<LimitedProcess> LimitedProcess::start(ProcessSpec spec, std::vector<int> descriptors,
                                             Resources limits, std::optional<TaskCgroup> cgroup) {
  std::vector<UniqueFd> entries;
  if (cgroup) entries = cgroup->entries();
  for (const UniqueFd& entry : entries) spec.cgroups.push_back(entry.get());
  const Result<pid_t> pid = start_process(spec, std::move(descriptors));
  if (pid) return LimitedProcess(*pid, spec, std::move(limits), std::move(cgroup));
  if (cgroup) cgroup->remove();
  return pid.error();
}

LimitedProcess::LimitedProcess(pid_t pid, const ProcessSpec& spec, Resources limits,
                               std::optional<TaskCgroup> cgroup)
    : pid_(pid),
      mark_(mark_in(spec.environment)),
      cgroup_(std::move(cgroup)),
      limits_(std::move(limits)),
      started_(SteadyClock::now()) {}

void LimitedProcess::stop(TaskEnd as, std::string reason, std::chrono::milliseconds grace) {
  if (kill_at_) return;
  stopped_as_ = as;
  stop_reason_ = std::move(reason);
  kill_at_ = SteadyClock::now() + grace;
  signal_group(pid_, grace.count() == 0 ? SIGKILL : SIGTERM);
}

void LimitedProcess::enforce_time() {
  const SteadyClock::time_point now = SteadyClock::now();
  if (kill_at_ && now >= *kill_at_) signal_group(pid_, SIGKILL);
  if (!limits_.time || now - started_ <= *limits_.time) return;
  stop(TaskEnd::out_of_time,
       fmt::format("it took longer than {} (resources.time)",
                   duration_text(static_cast<double>(limits_.time->count()))),
       kTaskGrace);
}

void LimitedProcess::enforce_memory(uint64_t used_bytes) {
  peak_bytes_ = std::max(peak_bytes_, used_bytes);
  if (!limits_.memory_bytes || used_bytes <= *limits_.memory_bytes) return;
  stop(TaskEnd::out_of_memory,
       fmt::format("it used {} of memory, more than {} (resources.memory)", size_text(used_bytes),
                   size_text(*limits_.memory_bytes)),
       std::chrono::milliseconds(0));
}

LimitedProcess::End LimitedProcess::collect() {
  signal_group(pid_, SIGKILL);
  if (!mark_.empty()) kill_marked_children(mark_);
  const bool kernel_ended_one = cgroup_ && cgroup_->was_out_of_memory();
  if (cgroup_) cgroup_->remove();
  int status = 0;
  rusage usage{};
  ::wait4(pid_, &status, 0, &usage);
  if (kernel_ended_one && status != 0 && stop_reason_.empty()) {
    stopped_as_ = TaskEnd::out_of_memory;
    stop_reason_ = fmt::format("it used more than {} of memory (resources.memory)",
                               size_text(limits_.memory_bytes.value_or(0)));
  }
  End ended;
  ended.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  ended.peak_bytes =
      std::max(peak_bytes_, static_cast<uint64_t>(std::max(usage.ru_maxrss, 0L)) * 1024);
  ended.processor_s = seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
  if (!stop_reason_.empty()) {
    ended.end = stopped_as_;
    ended.reason = stop_reason_;
  } else if (ended.exit_code == 0) {
    ended.end = TaskEnd::done;
  } else {
    ended.reason = describe_exit(status);
  }
  return ended;
}

}  // namespace tierhub::compute
