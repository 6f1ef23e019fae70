#include "compute/executors/task_wrapper.h"

#include <array>

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/host_name.h"
#include "common/posix.h"
#include "common/signals.h"
#include "common/spawn.h"
#include "compute/executors/limited_process.h"
#include "compute/executors/step.h"

namespace tierhub::compute {
namespace {

constexpr int kNoOrder = 125;
constexpr int kNotStarted = 127;

Result<std::string> read_all(int fd) {
  std::string text;
  std::array<char, 65536> buffer;
  for (;;) {
    const ssize_t n = ::read(fd, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error::from_errno(errno, "read the order");
    if (n == 0) return text;
    text.append(buffer.data(), static_cast<size_t>(n));
  }
}

// Slurm calls nodes by names of its own.
std::string node_name() {
  if (const char* name = std::getenv("SLURMD_NODENAME")) return name;
  return name_of_this_host();
}

// With a script to read first, the shell looks for the program: the script may change PATH.
ProcessSpec after_setup(ProcessSpec spec, const std::string& setup) {
  if (setup.empty()) return spec;
  // A script that ends the shell, with 0 too, has not let the program run.
  std::vector<std::string> arguments = {
      "sh", "-c", "trap 'c=$?; [ $c -ne 0 ] || c=125; exit $c' EXIT; . \"$0\" && exec \"$@\"",
      setup};
  arguments.insert(arguments.end(), spec.arguments.begin(), spec.arguments.end());
  spec.arguments = std::move(arguments);
  spec.program = "/bin/sh";
  return spec;
}

// What the cluster tells a step of its devices is for the task as well. Not the number of its job: an
// srun in the task would start what the wrapper cannot end.
void add_cluster_environment(std::vector<std::string>& environment) {
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view variable(*entry);
    for (const std::string_view prefix :
         {"SLURMD_NODENAME=", "CUDA_", "ROCR_", "GPU_", "TMPDIR="}) {
      if (variable.starts_with(prefix)) environment.emplace_back(variable);
    }
  }
}

class Wrapper {
 public:
  explicit Wrapper(StepOrder order) : order_(std::move(order)), node_(node_name()) {}

  int run() {
    ::signal(SIGPIPE, SIG_IGN);
    ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    // With the daemon of this node dies what it started.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    Result<UniqueFd> signals = block_and_open_signals({SIGCHLD, SIGTERM, SIGINT});
    say({StepRecord::Kind::begun, node_});
    if (!signals) return end_unstarted(signals.error());
    signals_ = *std::move(signals);
    ProcessSpec spec = after_setup(order_.process, order_.setup);
    add_cluster_environment(spec.environment);
    // Slurm has control groups of its own.
    Result<LimitedProcess> process = LimitedProcess::start(
        spec, {SpawnPlan::kEmpty, STDOUT_FILENO, STDOUT_FILENO}, order_.limits, std::nullopt);
    if (!process) return end_unstarted(process.error());
    return watch(*std::move(process));
  }

 private:
  void say(const StepRecord& record) const {
    static_cast<void>(posix::write_all(STDOUT_FILENO, to_line(record, order_.nonce)));
  }

  int end_unstarted(const Error& why) const {
    say({StepRecord::Kind::ended, node_, TaskEnd::failed, kNotStarted, why.text()});
    return kNotStarted;
  }

  int watch(LimitedProcess process) {
    while (!has_ended(process.pid())) {
      pollfd polled{signals_.get(), POLLIN, 0};
      ::poll(&polled, 1, static_cast<int>(kMemoryEvery.count()));
      if (was_told_to_end())
        process.stop(TaskEnd::stopped, "it was stopped with the run", kTaskGrace);
      process.enforce_time();
      for (const auto& [pid, bytes] : memory_of_groups({process.pid()}))
        process.enforce_memory(bytes);
    }
    LimitedProcess::End end = process.collect();
    kill_children();
    say({StepRecord::Kind::ended, node_, end.end, end.exit_code, std::move(end.reason),
         end.peak_bytes, end.processor_s});
    return end.exit_code;
  }

  // Waits for what the task left behind, too.
  static bool has_ended(pid_t pid) {
    for (;;) {
      siginfo_t info{};
      if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0)
        return false;
      if (info.si_pid == pid) return true;
      ::waitpid(info.si_pid, nullptr, 0);
    }
  }

  bool was_told_to_end() const {
    signalfd_siginfo info{};
    bool told = false;
    while (::read(signals_.get(), &info, sizeof info) == sizeof info)
      told = told || info.ssi_signo != SIGCHLD;
    return told;
  }

  StepOrder order_;
  std::string node_;
  UniqueFd signals_;
};

}  // namespace

int wrap_task() {
  const Result<std::string> text = read_all(STDIN_FILENO);
  const Result<StepOrder> order = text ? parse_order(*text) : Result<StepOrder>(text.error());
  if (!order) {
    fmt::print(stderr, "tieragent: {}\n", order.error().text());
    return kNoOrder;
  }
  return Wrapper(*order).run();
}

}  // namespace tierhub::compute
