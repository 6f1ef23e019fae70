// tieragent: the compute agent. Started by the administrator it watches jobs folders; started by
// itself, with --run-as-runner, it works off one run as the user whose job it is; asked by a person,
// it checks, plans or submits a workflow.
#include <filesystem>
#include <thread>

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "api/client.h"
#include "common/log.h"
#include "compute/executors/node_check.h"
#include "compute/executors/task_wrapper.h"
#include "compute/jobs/agent.h"
#include "compute/jobs/agent_settings.h"
#include "compute/jobs/runner_process.h"
#include "compute/run/runner.h"
#include "compute/staging/tierd_client.h"
#include "compute/submit/commands.h"

namespace tierhub::compute {
namespace {

enum ExitCode { kDone = 0, kFailed = 1, kUsage = 2 };

struct CommandLine {
  AgentOptions agent;
  RunnerOptions runner;
  AskOptions ask;
  std::string check, plan, submit;  // the workflow that is asked about
  std::string retry;                // the run that is
  bool list = false;
  std::string socket;
  std::string config, executor;
  std::string slurm;  // for a runner
  std::string log_level = "info";
  bool allow_root = false;
  bool run_as_runner = false;
  bool run_task = false;
  bool check_node = false;
};

std::string absolute(const std::string& path) {
  std::string text = std::filesystem::absolute(path).lexically_normal().string();
  while (text.size() > 1 && text.back() == '/') text.pop_back();
  return text;
}

// "none" is none; what is named must answer; the default is used if it is there, or if it will be
// because the mount is waited for.
std::string choose_socket(const std::string& option, const std::string& require_mount) {
  if (option == "none") return "";
  const char* variable = std::getenv("TIERHUB_SOCKET");
  const bool named =
      !option.empty() || !require_mount.empty() || (variable != nullptr && *variable != '\0');
  const std::string path = absolute(api::default_socket_path(option));
  return named || ::access(path.c_str(), F_OK) == 0 ? path : "";
}

void declare(CLI::App& app, CommandLine& line) {
  app.set_version_flag("--version", std::string("tieragent ") + TIERHUB_VERSION);
  app.add_option("--watch", line.agent.watch,
                 "a jobs folder: drop workflow files into its incoming/ (may be repeated)");
  app.add_option("--socket", line.socket,
                 "tierd's socket (default: TIERHUB_SOCKET, or /run/tierhub/tierd.sock); 'none' "
                 "works on plain folders");
  app.add_option("--workers", line.agent.workers,
                 "number of tasks to run at a time, over all runs (default: the processors of this "
                 "machine, or of the cluster's nodes)")
      ->check(CLI::Range(1u, 100'000u));
  app.add_option("--slots-per-user", line.agent.slots_per_user,
                 "of these, how many the runs of one user can have (default: all)")
      ->check(CLI::Range(1u, 100'000u));
  app.add_option("--runs-per-user", line.agent.runs_per_user,
                 "runs of one user at a time; further workflows wait in incoming/")
      ->check(CLI::Range(1u, 256u))
      ->capture_default_str();
  app.add_option("--work", line.agent.work,
                 "folder for files that the tasks of a run pass to one another")
      ->capture_default_str();
  app.add_option("--require-mount", line.agent.require_mount,
                 "folder where TierHub must be mounted: until it is, nothing is watched, and "
                 "nothing is created there");
  app.add_option("--config", line.config,
                 "settings file: where tasks run, and how the cluster is used "
                 "(/etc/tierhub/tieragent.yaml documents it)")
      ->type_name("FILE");
  app.add_option("--executor", line.executor,
                 "where tasks run: local (this machine) or slurm; replaces the file's")
      ->type_name("NAME");
  app.add_flag("--allow-root", line.allow_root, "run jobs that belong to root");
  app.add_option("--log-level", line.log_level, "debug, info, warning or error")
      ->capture_default_str();
  auto* asked = app.add_option_group("Asking", "One of these, as yourself:");
  asked->add_option("--check", line.check, "say everything that is wrong with a workflow")
      ->type_name("WORKFLOW");
  asked
      ->add_option("--plan", line.plan,
                   "show what a run would do: tasks, bytes to bring, memory; runs nothing")
      ->type_name("WORKFLOW");
  asked->add_option("--submit", line.submit, "drop a workflow into the jobs folder")
      ->type_name("WORKFLOW");
  asked
      ->add_option("--retry", line.retry,
                   "repeat what failed in a run that has ended; what it has done is taken up")
      ->type_name("RUN");
  asked->add_flag("--workflows", line.list, "list the workflows that come with TierHub");
  asked->require_option(0, 1);
  app.add_option("--set", line.ask.values,
                 "the value of a parameter; for a dataset of several paths, once for each")
      ->type_name("NAME=VALUE");
  app.add_option("--name", line.ask.name, "with --submit: what the run is called")
      ->type_name("NAME");
  app.add_option("--folder", line.ask.folder,
                 "with --submit and --retry: the jobs folder (default: that of the agent that "
                 "tierd knows)")
      ->type_name("DIR");
  app.add_flag("--json", line.ask.json, "with one of these: print JSON");
  app.footer(
      "WORKFLOW is a file, '-' for standard input, or the name of one that comes with TierHub.\n\n"
      "Examples:\n"
      "  tieragent --watch /mnt/tier/jobs --require-mount /mnt/tier\n"
      "  tieragent --check count.yaml\n"
      "  tieragent --plan nuclei-files --set 'images=plate7/**/*.tif' --set diameter=30\n"
      "  tieragent --submit nuclei-files --set 'images=plate7/**/*.tif' --set diameter=30");
  // What the agent passes to its runners; no part of the interface.
  app.add_flag("--run-as-runner", line.run_as_runner)->group("");
  app.add_option("--run", line.runner.run)->group("");
  app.add_option("--run-folder", line.runner.run_folder)->group("");
  app.add_option("--run-work", line.runner.work)->group("");
  app.add_option("--run-root", line.runner.root)->group("");
  app.add_option("--run-socket", line.runner.socket)->group("");
  app.add_option("--run-programs", line.runner.programs_folder)->group("");
  app.add_option("--run-cgroup", line.runner.cgroups)->group("");
  app.add_option("--run-workers", line.runner.workers)->group("");
  app.add_option("--run-slurm", line.slurm)->group("");
  app.add_flag("--run-task", line.run_task)->group("");
  app.add_flag("--check-node", line.check_node)->group("");
  app.add_option("--run-give-up", line.runner.give_up_reason)->group("");
}

// Where tasks run, and how many at a time.
Result<void> choose_executor(CommandLine& line) {
  AgentSettings settings;
  if (!line.config.empty()) {
    TRY_ASSIGN(settings, read_agent_settings(absolute(line.config)));
  }
  if (!line.executor.empty()) {
    TRY_ASSIGN(settings.executor, parse_executor(line.executor));
  }
  if (settings.executor == ExecutorKind::slurm) line.agent.slurm = settings.slurm;
  if (line.agent.workers != 0) return {};
  line.agent.workers = line.agent.slurm ? line.agent.slurm->nodes * line.agent.slurm->processors
                                        : std::max(1u, std::thread::hardware_concurrency());
  return {};
}

int run_as_agent(CommandLine& line) {
  if (const Result<void> chosen = choose_executor(line); !chosen) {
    fmt::print(stderr, "tieragent: {}\n", chosen.error().text());
    return kUsage;
  }
  for (std::string& path : line.agent.watch) path = absolute(path);
  line.agent.work = absolute(line.agent.work);
  if (!line.agent.require_mount.empty())
    line.agent.require_mount = absolute(line.agent.require_mount);
  line.agent.socket = choose_socket(line.socket, line.agent.require_mount);
  line.agent.root_jobs = line.allow_root ? RootJobs::allowed : RootJobs::refused;
  const Result<void> ran = run_agent(line.agent, open_tierd);
  if (ran) return kDone;
  fmt::print(stderr, "tieragent: {}\n", ran.error().text());
  return kFailed;
}

// The folder that this program is in.
std::string own_folder() {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/self/exe", error).parent_path().string();
}

// Nothing if nobody asks.
std::optional<AskExit> answer(CommandLine& line) {
  AskOptions& ask = line.ask;
  ask.programs_folder = own_folder();
  if (line.list) return list_command(ask);
  if (line.check.empty() && line.plan.empty() && line.submit.empty() && line.retry.empty())
    return std::nullopt;
  ask.socket = choose_socket(line.socket, "");
  if (!line.check.empty()) {
    ask.workflow = line.check;
    return check_command(ask, open_tierd);
  }
  if (!ask.folder.empty()) ask.folder = absolute(ask.folder);
  if (!line.retry.empty()) {
    ask.workflow = line.retry;
    return retry_command(ask, open_tierd);
  }
  ask.workflow = line.plan + line.submit;
  return line.plan.empty() ? submit_command(ask, open_tierd) : plan_command(ask, open_tierd);
}

int run(int argc, char** argv) {
  CLI::App app("Runs workflows that users drop into a jobs folder.", "tieragent");
  CommandLine line;
  line.agent.workers = 0;
  line.agent.work = "/var/lib/tierhub/work";
  declare(app, line);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? kDone : kUsage;
  }
  if (line.run_task) return wrap_task();
  if (line.check_node) return check_node();
  if (const std::optional<AskExit> answered = answer(line)) return static_cast<int>(*answered);
  const Result<log::Level> level = log::parse_level(line.log_level);
  if (!level || (!line.run_as_runner && line.agent.watch.empty())) {
    fmt::print(stderr, "tieragent: {}\n",
               level ? "name a jobs folder: --watch DIR (or see --help)" : level.error().text());
    return kUsage;
  }
  log::set_level(*level);
  if (!line.run_as_runner) return run_as_agent(line);
  line.runner.slots_fd = kRunnerSlotsFd;
  if (!line.slurm.empty()) {
    const Result<SlurmSettings> settings = parse_slurm_settings(line.slurm);
    if (!settings) {
      fmt::print(stderr, "tieragent: {}\n", settings.error().text());
      return kUsage;
    }
    line.runner.slurm = *settings;
  }
  return static_cast<int>(run_to_its_end(line.runner, open_tierd));
}

}  // namespace
}  // namespace tierhub::compute

int main(int argc, char** argv) { return tierhub::compute::run(argc, argv); }
