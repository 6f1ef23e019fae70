#include "compute/executors/task_wrapper.h"

#include <algorithm>
#include <array>
#include <utility>

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
#include "compute/executors/input_lines.h"
#include "compute/executors/lease.h"
#include "compute/executors/limited_process.h"
#include "compute/executors/step.h"

namespace tierhub::compute {
namespace {

constexpr int kNoLease = 124;
constexpr int kNoOrder = 125;
constexpr int kNotStarted = 127;

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
  Wrapper(StepOrder order, InputLines input)
      : order_(std::move(order)),
        input_(std::move(input)),
        node_(node_name()),
        lease_(order_.lease, boot_time()) {}

  int run() {
    ::signal(SIGPIPE, SIG_IGN);
    ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    Result<UniqueFd> signals = block_and_open_signals({SIGCHLD, SIGTERM, SIGINT});
    if (!signals) return end_unstarted(signals.error());
    signals_ = *std::move(signals);
    if (const std::optional<int> code = wait_for_lease()) return *code;
    for (;;) {
      const int code = execute();
      if (is_over_ || !order_.more) return code;
      if (const std::optional<int> end = wait_for_order()) return *end;
    }
  }

 private:
  void say(const StepRecord& record) const {
    static_cast<void>(posix::write_all(STDOUT_FILENO, to_line(record, order_.nonce)));
  }

  int end_unstarted(const Error& why) const {
    say({StepRecord::Kind::ended, node_, TaskEnd::failed, kNotStarted, why.text()});
    return kNotStarted;
  }

  // One task. Returns the exit code.
  int execute() {
    say({StepRecord::Kind::begun, node_});
    ProcessSpec spec = after_setup(order_.process, order_.setup);
    add_cluster_environment(spec.environment);
    // Slurm has control groups of its own.
    Result<LimitedProcess> process = LimitedProcess::start(
        spec, {SpawnPlan::kEmpty, STDOUT_FILENO, STDOUT_FILENO}, order_.limits, std::nullopt);
    if (!process) return end_unstarted(process.error());
    return watch(*std::move(process));
  }

  // Nothing that was started is left. Returns the exit code.
  int end_early(TaskEnd as, std::string reason) {
    is_over_ = true;
    say({StepRecord::Kind::ended, node_, as, kNoLease, std::move(reason)});
    return kNoLease;
  }

  int end_in_silence() {
    is_over_ = true;
    return kNoLease;
  }

  // An exit code if nothing is to be started.
  std::optional<int> wait_for_lease() {
    while (!lease_.is_granted()) {
      keep_lease();
      if (has_no_lease()) return end_early(TaskEnd::lost, why_no_lease());
      wait();
      if (was_told_to_end()) return end_early(TaskEnd::stopped, "it was stopped before it began");
      read_input();
    }
    return std::nullopt;
  }

  // Between two tasks; an exit code if none comes.
  std::optional<int> wait_for_order() {
    for (;;) {
      if (has_no_lease()) return kNoLease;
      if (was_told_to_end() || enough_) return 0;
      if (next_) break;
      keep_lease();
      wait();
      read_input();
    }
    const Result<StepOrder> order = parse_order(*std::exchange(next_, std::nullopt));
    if (!order) return kNoOrder;
    order_ = *order;
    return std::nullopt;
  }

  int watch(LimitedProcess process) {
    while (!has_ended(process.pid())) {
      wait();
      // First of all: this process may have been suspended.
      read_input();
      if (has_no_lease()) return give_up(process.pid());
      keep_lease();
      if (was_told_to_end()) {
        enough_ = true;
        process.stop(TaskEnd::stopped, "it was stopped with the run", kTaskGrace);
      }
      process.enforce_time();
      for (const auto& [pid, bytes] : memory_of_groups({process.pid()}))
        process.enforce_memory(bytes);
    }
    LimitedProcess::End end = process.collect();
    if (!kill_children()) return end_in_silence();
    if (has_no_lease()) return end_early(TaskEnd::lost, why_no_lease());
    say({StepRecord::Kind::ended, node_, end.end, end.exit_code, std::move(end.reason),
         end.peak_bytes, end.processor_s});
    return end.exit_code;
  }

  // Without a word if something may still run.
  int give_up(pid_t task) {
    signal_group(task, SIGKILL);
    if (!kill_children()) return end_in_silence();
    return end_early(TaskEnd::lost, why_no_lease());
  }

  bool has_no_lease() const { return input_.at_end() || lease_.is_over(boot_time()); }
  std::string why_no_lease() const {
    if (input_.at_end()) return "its run has ended, or cannot be reached";
    return fmt::format("it heard nothing of its run for {} s",
                       std::chrono::ceil<std::chrono::seconds>(lease_.length()).count());
  }

  void wait() const {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(lease_.until() - boot_time());
    const auto limit =
        std::clamp(left, std::chrono::milliseconds(0), std::chrono::milliseconds(kMemoryEvery));
    std::array<pollfd, 2> polled = {pollfd{signals_.get(), POLLIN, 0},
                                    pollfd{STDIN_FILENO, POLLIN, 0}};
    ::poll(polled.data(), input_.at_end() ? 1 : 2, static_cast<int>(limit.count()));
  }

  void read_input() {
    for (;;) {
      pollfd polled{STDIN_FILENO, POLLIN, 0};
      if (input_.at_end() || ::poll(&polled, 1, 0) <= 0) break;
      input_.read_some();
    }
    while (const std::optional<std::string> line = input_.next()) {
      if (const std::optional<Beat> beat = parse_beat(*line)) {
        lease_.renew(*beat);
      } else if (*line == kEnough) {
        enough_ = true;
      } else {
        next_ = *line;
      }
    }
  }

  // Standard error is this process's alone. If nobody reads it, what does not fit is left out: a write that waits would keep this
  // process from ending the task.
  void keep_lease() {
    const Lease::Time now = boot_time();
    if (now < next_alive_) return;
    pollfd polled{STDERR_FILENO, POLLOUT, 0};
    if (::poll(&polled, 1, 0) <= 0 || (polled.revents & POLLOUT) == 0) return;
    const std::optional<uint64_t> number = lease_.next_alive(now);
    if (!number) return;
    next_alive_ = now + beat_interval(lease_.length());
    StepRecord record{StepRecord::Kind::alive, node_};
    record.alive = *number;
    static_cast<void>(posix::write_all(STDERR_FILENO, to_line(record, order_.nonce)));
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
  InputLines input_;
  std::string node_;
  UniqueFd signals_;
  Lease lease_;
  Lease::Time next_alive_{};
  std::optional<std::string> next_;  // an order that has not been looked at
  bool enough_ = false;              // no other task is wanted
  bool is_over_ = false;             // nothing more is said
};

}  // namespace

int wrap_task() {
  InputLines input;
  const std::optional<std::string> line = input.wait_for_next();
  const Result<StepOrder> order =
      line ? parse_order(*line)
           : Result<StepOrder>(Error(std::errc::invalid_argument, "there is no order of a task"));
  if (!order) {
    fmt::print(stderr, "tieragent: {}\n", order.error().text());
    return kNoOrder;
  }
  return Wrapper(*order, std::move(input)).run();
}

}  // namespace tierhub::compute
