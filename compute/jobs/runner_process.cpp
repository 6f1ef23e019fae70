#include "compute/jobs/runner_process.h"

#include <csignal>

#include <fmt/format.h>

#include "common/spawn.h"

namespace tierhub::compute {

std::vector<std::string> runner_arguments(const RunnerOptions& options) {
  std::vector<std::string> arguments = {"tieragent",
                                        "--run-as-runner",
                                        "--run=" + options.run,
                                        "--run-folder=" + options.run_folder,
                                        "--run-work=" + options.work,
                                        "--run-root=" + options.root,
                                        "--run-programs=" + options.programs_folder,
                                        fmt::format("--run-workers={}", options.workers)};
  if (options.slurm) arguments.push_back("--run-slurm=" + to_json(*options.slurm));
  // An option with an empty value would be refused.
  if (!options.socket.empty()) arguments.push_back("--run-socket=" + options.socket);
  for (const std::string& group : options.cgroups) arguments.push_back("--run-cgroup=" + group);
  if (!options.give_up_reason.empty()) {
    arguments.push_back("--run-give-up=" + options.give_up_reason);
  }
  return arguments;
}

Result<pid_t> start_runner(const Account& account, const RunnerOptions& options,
                           const UniqueFd& slots, const std::vector<UniqueFd>& cgroups) {
  SpawnPlan plan{"/proc/self/exe", runner_arguments(options)};
  plan.descriptors = {SpawnPlan::kEmpty, STDERR_FILENO, STDERR_FILENO, slots.get()};
  static_assert(kRunnerSlotsFd == 3);
  plan.environment = environment_of(account);
  plan.folder = "/";
  plan.group = SpawnPlan::Group::own_session;
  plan.death_signal = SIGTERM;
  plan.account = account;
  for (const UniqueFd& cgroup : cgroups) plan.cgroups.push_back(cgroup.get());
  return spawn(plan);
}

}  // namespace tierhub::compute
