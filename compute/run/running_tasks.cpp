#include "compute/run/running_tasks.h"

#include <algorithm>
#include <array>

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include "compute/run/status.h"

namespace tierhub::compute {
namespace {

constexpr std::chrono::milliseconds kMemoryEvery{200};
constexpr std::chrono::milliseconds kUnlimitedMemoryEvery{1000};
constexpr std::string_view kMarkVariable = "TIERHUB_MARK=";
constexpr size_t kReadsAtOnce = 64;

void drain(int fd, OutputLines& lines, RunLog& log) {
  std::array<char, 65536> buffer;
  for (size_t i = 0; i < kReadsAtOnce; ++i) {
    const ssize_t n = ::read(fd, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    lines.write({buffer.data(), static_cast<size_t>(n)}, log);
  }
}

// "TIERHUB_MARK=..." of what a task is started with; empty if it has none.
std::string mark_in(const std::vector<std::string>& environment) {
  for (const std::string& variable : environment) {
    if (variable.starts_with(kMarkVariable)) return variable;
  }
  return "";
}

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

}  // namespace

Result<void> RunningTasks::start(TaskId task, const ProcessSpec& spec, const Resources& limits,
                                 std::vector<unsigned> slots, std::string log_source) {
  std::optional<TaskCgroup> cgroup = TaskCgroup::make(cgroups_, log_source, limits.memory_bytes);
  ProcessSpec joining = spec;
  std::vector<UniqueFd> entries;
  if (cgroup) entries = cgroup->entries();
  for (const UniqueFd& entry : entries) joining.cgroups.push_back(entry.get());
  Result<StartedProcess> process = start_process(joining);
  if (!process) {
    if (cgroup) cgroup->remove();
    return process.error();
  }
  StartedProcess started = *std::move(process);
  Running running{
      task,   std::move(started.output), OutputLines(std::move(log_source)), std::move(slots),
      limits, SteadyClock::now()};
  running.cgroup = std::move(cgroup);
  running.mark = mark_in(spec.environment);
  running_.emplace(started.pid, std::move(running));
  return {};
}

void RunningTasks::add_to(std::vector<pollfd>& polled) const {
  for (const auto& [pid, running] : running_) {
    if (running.output) polled.push_back({running.output.get(), POLLIN, 0});
  }
}

void RunningTasks::read_output(RunLog& log) {
  for (auto& [pid, running] : running_) {
    if (!running.output) continue;
    pollfd polled{running.output.get(), POLLIN, 0};
    if (::poll(&polled, 1, 0) <= 0) continue;
    drain(running.output.get(), running.lines, log);
    // Closed by the task: nothing more to poll for.
    if ((polled.revents & POLLHUP) != 0 && (polled.revents & POLLIN) == 0) running.output.reset();
  }
}

std::vector<RunningTasks::Ended> RunningTasks::reap(RunLog& log) {
  std::vector<Ended> ended;
  for (;;) {
    // The process stays a zombie until its group is gone, so that its number is not given away.
    siginfo_t info{};
    if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0)
      return ended;
    const pid_t pid = info.si_pid;
    const auto found = running_.find(pid);
    if (found == running_.end()) {
      ::waitpid(pid, nullptr, 0);  // left behind by a task, and ours as its reaper
      continue;
    }
    ended.push_back(collect(pid, std::move(found->second), log));
    running_.erase(found);
  }
}

RunningTasks::Ended RunningTasks::collect(pid_t pid, Running running, RunLog& log) {
  signal_group(pid, SIGKILL);
  // What left the group. Those that became ours are found by the mark that they inherited.
  if (!running.mark.empty()) kill_marked_children(running.mark);
  const bool kernel_ended_one = running.cgroup && running.cgroup->was_out_of_memory();
  if (running.cgroup) running.cgroup->remove();
  int status = 0;
  rusage used{};
  ::wait4(pid, &status, 0, &used);
  if (running.output) drain(running.output.get(), running.lines, log);
  running.lines.end(log);
  if (kernel_ended_one && status != 0 && running.stop_reason.empty()) {
    running.out_of_memory = true;
    running.stop_reason = fmt::format("it used more than {} of memory (resources.memory)",
                                      size_text(running.limits.memory_bytes.value_or(0)));
  }
  Ended ended;
  ended.task = running.task;
  ended.last_lines = running.lines.last();
  ended.slots = std::move(running.slots);
  ended.out_of_memory = running.out_of_memory;
  ended.processor_s = seconds_of(used.ru_utime) + seconds_of(used.ru_stime);
  ended.peak_bytes =
      std::max(running.peak_bytes, static_cast<uint64_t>(std::max(used.ru_maxrss, 0L)) * 1024);
  ended.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  ended.succeeded = ended.exit_code == 0 && running.stop_reason.empty();
  if (ended.succeeded) ended.report = std::move(running.lines.report());
  if (!ended.succeeded) {
    ended.reason = running.stop_reason.empty() ? describe_exit(status) : running.stop_reason;
  }
  return ended;
}

void RunningTasks::enforce_limits() {
  const SteadyClock::time_point now = SteadyClock::now();
  for (auto& [pid, running] : running_) {
    if (running.kill_at && now >= *running.kill_at) signal_group(pid, SIGKILL);
    const std::optional<std::chrono::seconds> time = running.limits.time;
    if (time && !running.kill_at && now - running.started > *time) {
      stop(pid, running,
           fmt::format("it took longer than {} (resources.time)",
                       duration_text(static_cast<double>(time->count()))),
           kGrace);
    }
  }
  if (now < next_memory_check_) return;
  const bool any_limited = std::any_of(running_.begin(), running_.end(), [](const auto& entry) {
    return entry.second.limits.memory_bytes.has_value();
  });
  next_memory_check_ = now + (any_limited ? kMemoryEvery : kUnlimitedMemoryEvery);
  check_memory();
}

void RunningTasks::check_memory() {
  std::set<pid_t> groups;
  for (const auto& [pid, running] : running_) groups.insert(pid);
  for (const auto& [pid, bytes] : memory_of_groups(groups)) {
    Running& running = running_.at(pid);
    running.peak_bytes = std::max(running.peak_bytes, bytes);
    if (!running.limits.memory_bytes || running.kill_at) continue;
    const uint64_t limit = *running.limits.memory_bytes;
    if (bytes <= limit) continue;
    running.out_of_memory = true;
    stop(pid, running,
         fmt::format("it used {} of memory, more than {} (resources.memory)", size_text(bytes),
                     size_text(limit)),
         std::chrono::milliseconds(0));
  }
}

void RunningTasks::stop(pid_t pid, Running& running, std::string reason,
                        std::chrono::milliseconds grace) {
  running.stop_reason = std::move(reason);
  running.kill_at = SteadyClock::now() + grace;
  signal_group(pid, grace.count() == 0 ? SIGKILL : SIGTERM);
}

void RunningTasks::stop_all(std::chrono::milliseconds grace) {
  for (auto& [pid, running] : running_) {
    if (!running.kill_at) stop(pid, running, "it was stopped with the run", grace);
  }
}

}  // namespace tierhub::compute
