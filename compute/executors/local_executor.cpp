#include "compute/executors/local_executor.h"

#include <sys/wait.h>

namespace tierhub::compute {

Result<void> LocalExecutor::start(TaskId task, const ProcessSpec& spec, const Resources& resources,
                                  std::string label) {
  TRY_ASSIGN(Pipe output, make_output_pipe());
  TRY_ASSIGN(
      LimitedProcess process,
      LimitedProcess::start(spec, {SpawnPlan::kEmpty, output.write.get(), output.write.get()},
                            resources, TaskCgroup::make(cgroups_, label, resources.memory_bytes)));
  const pid_t pid = process.pid();
  running_.emplace(pid, Running{task, std::move(output.read), OutputLines(std::move(label)),
                                std::move(process)});
  return {};
}

void LocalExecutor::add_to(std::vector<pollfd>& polled) const {
  for (const auto& [pid, running] : running_) {
    if (running.output) polled.push_back({running.output.get(), POLLIN, 0});
  }
}

std::vector<EndedTask> LocalExecutor::turn(RunLog& log) {
  read_output(log);
  std::vector<EndedTask> ended = reap(log);
  enforce_limits();
  return ended;
}

void LocalExecutor::read_output(RunLog& log) {
  for (auto& [pid, running] : running_) running.lines.write(read_now(running.output), log);
}

std::vector<EndedTask> LocalExecutor::reap(RunLog& log) {
  std::vector<EndedTask> ended;
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
    ended.push_back(collect(found->second, log));
    running_.erase(found);
  }
}

EndedTask LocalExecutor::collect(Running& running, RunLog& log) {
  LimitedProcess::End end = running.process.collect();
  running.lines.write(read_now(running.output), log);
  running.lines.end(log);
  EndedTask ended{running.task, end.end, end.exit_code, std::move(end.reason)};
  ended.peak_bytes = end.peak_bytes;
  ended.processor_s = end.processor_s;
  ended.last_lines = running.lines.last();
  if (end.end == TaskEnd::done) ended.report = std::move(running.lines.report());
  return ended;
}

void LocalExecutor::enforce_limits() {
  for (auto& [pid, running] : running_) running.process.enforce_time();
  const SteadyClock::time_point now = SteadyClock::now();
  if (now < next_memory_check_) return;
  std::set<pid_t> groups;
  bool any_limited = false;
  for (const auto& [pid, running] : running_) {
    groups.insert(pid);
    any_limited = any_limited || running.process.has_memory_limit();
  }
  next_memory_check_ = now + (any_limited ? kMemoryEvery : kUnlimitedMemoryEvery);
  for (const auto& [pid, bytes] : memory_of_groups(groups))
    running_.at(pid).process.enforce_memory(bytes);
}

void LocalExecutor::stop_all(std::chrono::milliseconds grace) {
  for (auto& [pid, running] : running_)
    running.process.stop(TaskEnd::stopped, "it was stopped with the run", grace);
}

bool LocalExecutor::end(RunLog& /*log*/) {
  static_cast<void>(kill_children());
  return true;
}

}  // namespace tierhub::compute
