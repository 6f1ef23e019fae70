#include "compute/executors/slurm_executor.h"

#include <algorithm>

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/posix.h"
#include "compute/executors/text.h"

namespace tierhub::compute {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kLookOften{1000};
constexpr milliseconds kLookSeldom{5000};
constexpr seconds kImpatience{30};
constexpr seconds kCommandPatience{60};
constexpr milliseconds kFirstDelay{1000};
constexpr milliseconds kLongestDelay{30000};
constexpr seconds kEndPatience{20};
constexpr seconds kSettlePatience{10};
// A step must begin within this time. After a restart, the controller may believe that steps which have ended still use their
// processors; srun then waits for ever.
constexpr seconds kStartPatience{30};
constexpr size_t kMaxMessages = 64 * 1024;
constexpr size_t kTimesKept = 101;
// A job that Slurm has not listed for so long was forgotten: after its end, if the controller runs as it should.
constexpr seconds kForgotten{30};
constexpr seconds kCancelAgain{5};
// So many bad nodes, or twice as many as a run has, and no good one: the fault is that of the run, or of the site.
constexpr size_t kLeastBadNodes = 3;
// So many checks of a node without a verdict are one: that it is bad.
constexpr unsigned kMostUndecided = 3;
// So many checks that cannot begin, one after the other: the run cannot go on. Between them are 1, 2, 4 and 8 s.
constexpr unsigned kMostFailedBegins = 5;
// An srun is for one task, unless tasks of this step are shorter. Then it takes tasks for so long: they are done when it says so.
constexpr seconds kShort{5};
constexpr seconds kBundle{30};
// So long does a wrapper wait for its next task.
constexpr milliseconds kVacantPatience{200};
// Nothing is started that may well not end in time.
constexpr int kTimesOfMedian = 3;

// The last line that names an error, or else the last that says something.
std::string last_message(std::string_view messages) {
  std::string last;
  std::string last_error;
  for (size_t begin = 0; begin < messages.size();) {
    const size_t end = std::min(messages.find('\n', begin), messages.size());
    const std::string_view line = messages.substr(begin, end - begin);
    begin = end + 1;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    last = line;
    if (line.find("error: ") != std::string_view::npos) last_error = line;
  }
  return last_error.empty() ? last : last_error;
}

std::string how_srun_ended(int status, const std::string& message) {
  return fmt::format("srun: {}{}{}", describe_exit(status), message.empty() ? "" : ": ", message);
}

Result<UniqueFd> memory_file(std::string_view text) {
  UniqueFd fd(::memfd_create("order", MFD_CLOEXEC));
  if (!fd) return Error::from_errno(errno, "memfd_create");
  TRY(posix::write_all(fd.get(), text));
  ::lseek(fd.get(), 0, SEEK_SET);
  return fd;
}

void keep_messages(std::string& messages, const std::string& more) {
  messages += more;
  if (messages.size() > kMaxMessages) messages.erase(0, messages.size() - kMaxMessages);
}

// Variables of a job that this process itself may run in would be taken for options.
std::vector<std::string> environment_for(const SlurmSettings& settings) {
  std::vector<std::string> kept;
  for (const std::string& entry : own_environment()) {
    if (entry.starts_with("SLURM_") && !entry.starts_with("SLURM_CONF=")) continue;
    if (entry.starts_with("SBATCH_") || entry.starts_with("SQUEUE_")) continue;
    if (entry.starts_with("SLURM_CONF=") && !settings.configuration.empty()) continue;
    kept.push_back(entry);
  }
  if (!settings.configuration.empty()) kept.push_back("SLURM_CONF=" + settings.configuration);
  return kept;
}

}  // namespace

SlurmExecutor::SlurmExecutor(SlurmSettings settings, std::string job_name, std::string wrapper,
                             std::string lease_mark, std::optional<NodeOrder> needs)
    : settings_(std::move(settings)),
      job_name_(std::move(job_name)),
      wrapper_(std::move(wrapper)),
      lease_(settings_.lease),
      lease_mark_(std::move(lease_mark)),
      needs_(std::move(needs)),
      environment_(environment_for(settings_)) {
  if (const std::optional<milliseconds> lease = lease_mark_.find(lease_))
    earlier_free_at_ = SteadyClock::now() + *lease + lease_margin(*lease);
}

Result<void> SlurmExecutor::begin(RunLog& log) {
  impatient_until_ = SteadyClock::now() + kImpatience;
  if (needs_) remove_old_checks(needs_->places);
  log.line("run",
           fmt::format("Slurm: up to {} node{} with {} processor{} each, as the jobs {}",
                       settings_.nodes, settings_.nodes == 1 ? "" : "s", settings_.processors,
                       settings_.processors == 1 ? "" : "s", job_name_));
  return run_command(Purpose::cancel, scancel_words(job_name_));
}

// --- What the run loop asks ---

void SlurmExecutor::want(size_t startable, const Resources& first, const std::string& input) {
  startable_ = startable;
  input_ = input;
  processors_of_first_ = step_processors(settings_, first);
}

bool SlurmExecutor::has_room(const Resources& resources) const {
  if (!cleared_ || kill_at_ || backs_off()) return false;
  return find_holder(resources).has_value();
}

// The one with the most processors left: tasks spread over the nodes.
std::optional<std::string> SlurmExecutor::find_holder(const Resources& resources) const {
  const unsigned processors = step_processors(settings_, resources);
  const uint64_t memory = step_memory(settings_, resources).value_or(0);
  std::optional<std::string> best;
  unsigned least = 0;
  for (const auto& [job, holder] : holders_) {
    if (holder.state != Holder::State::ready || holder.missing_since || ends_too_soon(holder))
      continue;
    const Use use = use_of(job);
    if (use.processors + processors > settings_.processors) continue;
    if (settings_.memory_bytes && use.memory_bytes + memory > *settings_.memory_bytes) continue;
    if (!best || use.processors < least) {
      best = job;
      least = use.processors;
    }
  }
  return best;
}

SlurmExecutor::Use SlurmExecutor::use_of(const std::string& job) const {
  Use use;
  const auto add = [&](const Step& step) {
    if (step.holder != job) return;
    use.processors += step_processors(settings_, step.resources);
    use.memory_bytes += step_memory(settings_, step.resources).value_or(0);
    use.steps += 1;
  };
  for (const auto& [pid, step] : steps_) add(step);
  for (const Step& step : unsettled_) add(step);
  return use;
}

// Half of what a new holder has is always enough: or tasks that take long would never start.
bool SlurmExecutor::ends_too_soon(const Holder& holder) const {
  const std::optional<SteadyClock::duration> median = median_of(times_);
  if (!holder.ends_at || !median) return false;
  return SteadyClock::now() + std::min(kTimesOfMedian * *median, holder.granted / 2) >
         *holder.ends_at;
}

Result<void> SlurmExecutor::start(TaskId task, const ProcessSpec& spec, const Resources& resources,
                                  std::string label) {
  const SteadyClock::time_point now = SteadyClock::now();
  Handed handed{task, OutputLines(std::move(label)), now};
  if (const std::optional<pid_t> vacant = find_vacant(task.step, resources)) {
    Step& step = steps_.at(*vacant);
    step.handed = std::move(handed);
    heartbeats_->send(
        *vacant,
        to_json(StepOrder{step.nonce, spec, resources, settings_.setup, lease_, true}) + "\n");
    return {};
  }
  const std::optional<std::string> job = find_holder(resources);
  if (!job) return Error(std::errc::resource_unavailable_try_again, "no node has room");
  TRY_ASSIGN(const std::string nonce, make_nonce());
  if (!marked_) TRY(lease_mark_.set(lease_));
  marked_ = true;
  const bool more = is_short(task.step);
  const StepOrder order{nonce, spec, resources, settings_.setup, lease_, more};
  Step step{{},        nonce, StepOutput(nonce), StepOutput(nonce), resources, *job, now,
            task.step, more,  std::move(handed)};
  TRY_ASSIGN(const pid_t pid,
             spawn_open(srun_words(settings_, *job, resources, wrapper_), step.child));
  if (!heartbeats_) heartbeats_.emplace(lease_);
  heartbeats_->add(pid, std::move(step.child.input));
  heartbeats_->send(pid, to_json(order) + "\n");
  steps_.emplace(pid, std::move(step));
  return {};
}

// --- Wrappers that take one task after another ---

bool SlurmExecutor::is_short(size_t workflow_step) const {
  const auto times = times_of_step_.find(workflow_step);
  if (times == times_of_step_.end()) return false;
  const std::optional<SteadyClock::duration> median = median_of(times->second);
  return median && *median < kShort;
}

std::optional<pid_t> SlurmExecutor::find_vacant(size_t workflow_step,
                                                const Resources& resources) const {
  if (kill_at_) return std::nullopt;
  const SteadyClock::time_point now = SteadyClock::now();
  for (const auto& [pid, step] : steps_) {
    if (!step.more || step.handed || step.given_up || step.workflow_step != workflow_step) continue;
    if (step.resources.cpus != resources.cpus ||
        step.resources.memory_bytes != resources.memory_bytes || now - step.started > kBundle)
      continue;
    const auto holder = holders_.find(step.holder);
    if (holder == holders_.end() || holder->second.state != Holder::State::ready ||
        holder->second.missing_since || ends_too_soon(holder->second))
      continue;
    return pid;
  }
  return std::nullopt;
}

std::optional<TaskId> SlurmExecutor::followed_by(size_t workflow_step,
                                                 const Resources& resources) const {
  const std::optional<pid_t> vacant = find_vacant(workflow_step, resources);
  if (!vacant) return std::nullopt;
  return steps_.at(*vacant).recorded.back().task;
}

void SlurmExecutor::dismiss(pid_t pid, Step& step) {
  if (!std::exchange(step.more, false)) return;
  heartbeats_->send(pid, fmt::format("{}\n", kEnough));
}

void SlurmExecutor::dismiss_idle_steps() {
  const SteadyClock::time_point now = SteadyClock::now();
  for (auto& [pid, step] : steps_) {
    if (step.handed || !step.more) continue;
    if (kill_at_ || startable_ == 0 || now - step.vacant_since > kVacantPatience ||
        now - step.started > kBundle)
      dismiss(pid, step);
  }
}

void SlurmExecutor::stop_all(milliseconds grace) {
  if (kill_at_) return;
  kill_at_ = SteadyClock::now() + grace;
  if (empty()) return;
  static_cast<void>(run_command(Purpose::cancel, scancel_steps_words(job_name_)));
}

std::string SlurmExecutor::waits_for() const {
  if (!trouble_.empty()) return "Slurm: " + trouble_;
  if (SteadyClock::now() < check_again_at_)
    return "Slurm: no node can be checked: " + cannot_check_;
  if (!unsettled_.empty()) {
    const auto holder = holders_.find(unsettled_.front().holder);
    if (holder == holders_.end()) return "Slurm: a node was lost; its tasks run elsewhere soon";
    return fmt::format("Slurm: {} is silent; its tasks run elsewhere once Slurm has given it up",
                       holder->second.node);
  }
  if (!cleared_ && clearing_told_) return "Slurm: what an earlier runner left is being ended";
  const bool is_checked = std::any_of(holders_.begin(), holders_.end(), [](const auto& entry) {
    return entry.second.state == Holder::State::unchecked;
  });
  if (is_checked && startable_ > 0) return "Slurm: a node is being checked";
  if (pending_ == 0 || startable_ == 0) return "";
  const bool has_reason = !pending_reason_.empty() && pending_reason_ != "None";
  return fmt::format("Slurm: {}, {} of {} nodes", has_reason ? pending_reason_ : "starting",
                     holders_.size(), holders_.size() + pending_);
}

std::vector<NodeState> SlurmExecutor::nodes() const {
  std::vector<NodeState> nodes;
  for (const auto& [name, node] : nodes_) nodes.push_back(node);
  return nodes;
}

// --- Nodes ---

std::string SlurmExecutor::hopeless() const {
  const bool one_is_ready = std::any_of(holders_.begin(), holders_.end(), [](const auto& entry) {
    return entry.second.state == Holder::State::ready;
  });
  if (failed_begins_ >= kMostFailedBegins && !one_is_ready && empty())
    return "no node can be checked: " + cannot_check_;
  std::string faults;
  size_t bad = 0;
  for (const auto& [name, node] : nodes_) {
    if (node.fault.empty()) return "";
    faults += fmt::format("{}{}: {}", bad == 0 ? "" : "; ", name, node.fault);
    ++bad;
  }
  const size_t most = std::max<size_t>(kLeastBadNodes, 2 * size_t{settings_.nodes});
  if (bad == 0 || (bad < most && no_more_nodes_.empty())) return "";
  return fmt::format("no node can be used: {}", faults);
}

void SlurmExecutor::check_nodes(RunLog& log) {
  if (kill_at_ || backs_off()) return;
  for (auto& [job, holder] : holders_) {
    if (holder.state != Holder::State::unchecked) continue;
    const auto known = nodes_.find(holder.node);
    if (!needs_ || known != nodes_.end()) {
      holder.state =
          !needs_ || known->second.fault.empty() ? Holder::State::ready : Holder::State::leaving;
      holder.idle_since = SteadyClock::now();
      continue;
    }
    const bool is_under_way = std::any_of(checks_.begin(), checks_.end(), [&](const auto& entry) {
      return entry.second.node == holder.node;
    });
    if (is_under_way) continue;
    if (SteadyClock::now() < check_again_at_) {
      holder.state = Holder::State::leaving;
      continue;
    }
    const Result<void> begun = begin_check(job, holder.node);
    if (begun) {
      failed_begins_ = 0;
      cannot_check_.clear();
      continue;
    }
    holder.state = Holder::State::leaving;
    on_check_that_cannot_begin(begun.error().text(), log);
  }
}

void SlurmExecutor::on_check_that_cannot_begin(std::string why, RunLog& log) {
  if (why != cannot_check_) log.line("run", "Slurm: no node can be checked: " + why);
  cannot_check_ = std::move(why);
  const milliseconds delay = kFirstDelay * (1 << std::min(failed_begins_, 5u));
  check_again_at_ = SteadyClock::now() + std::min(delay, kLongestDelay);
  ++failed_begins_;
}

Result<void> SlurmExecutor::begin_check(const std::string& job, const std::string& node) {
  NodeOrder order = *needs_;
  TRY_ASSIGN(order.nonce, make_nonce());
  order.read = input_;
  TRY_ASSIGN(NodeCheck check, NodeCheck::begin(std::move(order)));
  Child child;
  const Result<pid_t> pid = spawn_open(check_words(settings_, job, wrapper_), child);
  if (!pid) {
    check.end();
    return pid.error();
  }
  // A pipe takes an order whole: it is short.
  static_cast<void>(posix::write_all(child.input.get(), to_json(check.order())));
  checks_.emplace(*pid, Check{std::move(child), job, node, std::move(check)});
  return {};
}

void SlurmExecutor::read_checks() {
  for (auto& [pid, check] : checks_) {
    std::string answer = check.check.hear(read_now(check.child.output));
    keep_messages(check.child.messages, read_now(check.child.errors));
    if (!answer.empty()) static_cast<void>(posix::write_all(check.child.input.get(), answer));
    if (!check.check.is_over()) continue;
    check.child.input.reset();
    // It may wait for what does not come.
    if (!check.check.fault().empty()) signal_group(pid, SIGKILL);
  }
}

void SlurmExecutor::on_check_end(const Check& check, RunLog& log) {
  check.check.end();
  const auto found = holders_.find(check.holder);
  if (found == holders_.end() || kill_at_) return;
  Holder& holder = found->second;
  if (holder.state != Holder::State::unchecked) return;
  if (check.check.is_undecided()) {
    const unsigned times = ++undecided_[holder.node];
    if (times < kMostUndecided) {
      log.line("run", fmt::format("Slurm: {} is given back, to be looked at again: {}", holder.node,
                                  check.check.fault()));
      holder.state = Holder::State::leaving;
      return;
    }
  }
  nodes_[holder.node] = {holder.node, check.check.fault(), check.check.read_rate()};
  if (check.check.fault().empty()) {
    const double rate = check.check.read_rate();
    log.line("run", fmt::format("Slurm: {} is as it should be{}", holder.node,
                                rate > 0 ? fmt::format("; it reads {} a second",
                                                       size_text(static_cast<uint64_t>(rate)))
                                         : ""));
  } else {
    log.line("run", fmt::format("Slurm: {} is not used: {}", holder.node, check.check.fault()));
  }
}

// --- Children ---

Result<pid_t> SlurmExecutor::spawn_words(const CommandLineWords& words, std::string_view input,
                                         Child& child) {
  if (input.empty()) return spawn_child(words, SpawnPlan::kEmpty, child);
  TRY_ASSIGN(const UniqueFd text, memory_file(input));
  return spawn_child(words, text.get(), child);
}

Result<pid_t> SlurmExecutor::spawn_open(const CommandLineWords& words, Child& child) {
  TRY_ASSIGN(Pipe input, make_pipe());
  if (::fcntl(input.write.get(), F_SETFL, O_NONBLOCK) < 0) return Error::from_errno(errno, "fcntl");
  child.input = std::move(input.write);
  return spawn_child(words, input.read.get(), child);
}

Result<pid_t> SlurmExecutor::spawn_child(const CommandLineWords& words, int input, Child& child) {
  TRY_ASSIGN(Pipe output, make_output_pipe());
  TRY_ASSIGN(Pipe errors, make_output_pipe());
  const std::string& folder = settings_.commands_folder;
  SpawnPlan plan{folder.empty() ? words.front() : folder + "/" + words.front(), words};
  plan.descriptors = {input, output.write.get(), errors.write.get()};
  plan.environment = environment_;
  plan.folder = "/";
  plan.group = SpawnPlan::Group::own;
  plan.death_signal = SIGKILL;
  TRY_ASSIGN(const pid_t pid, spawn(plan));
  child.output = std::move(output.read);
  child.errors = std::move(errors.read);
  return pid;
}

Result<void> SlurmExecutor::run_command(Purpose purpose, const CommandLineWords& words,
                                        std::string_view input) {
  Command command{purpose};
  command.after_submit = !is_running(Purpose::submit);
  command.kill_at = SteadyClock::now() + kCommandPatience;
  TRY_ASSIGN(const pid_t pid, spawn_words(words, input, command.child));
  commands_.emplace(pid, std::move(command));
  return {};
}

bool SlurmExecutor::is_running(Purpose purpose) const {
  return std::any_of(commands_.begin(), commands_.end(),
                     [&](const auto& entry) { return entry.second.purpose == purpose; });
}

void SlurmExecutor::add_to(std::vector<pollfd>& polled) const {
  for (const auto& [pid, step] : steps_) {
    if (step.child.output) polled.push_back({step.child.output.get(), POLLIN, 0});
    if (step.child.errors) polled.push_back({step.child.errors.get(), POLLIN, 0});
  }
  for (const auto& [pid, check] : checks_) {
    if (check.child.output) polled.push_back({check.child.output.get(), POLLIN, 0});
  }
  if (heartbeats_) heartbeats_->add_to(polled);
}

std::vector<EndedTask> SlurmExecutor::turn(RunLog& log) {
  const SteadyClock::time_point now = SteadyClock::now();
  if (heartbeats_) heartbeats_->write_pending();
  read_children(log);
  read_checks();
  reap(log);
  check_nodes(log);
  dismiss_idle_steps();
  give_up_silent_steps(log);
  settle_those_without_a_word();
  if (kill_at_ && now >= *kill_at_ && !cancelled_ && !empty() && !backs_off() &&
      !is_running(Purpose::cancel)) {
    cancelled_ = true;
    static_cast<void>(run_command(Purpose::cancel, scancel_words(job_name_)));
  }
  look(log);
  submit_holders(log);
  give_up_holders_that_start_nothing(log);
  give_back_holders(log);
  return std::exchange(ended_, {});
}

void SlurmExecutor::read_children(RunLog& log) {
  for (auto& [pid, step] : steps_) read_step(pid, step, log);
  const SteadyClock::time_point now = SteadyClock::now();
  for (auto& [pid, command] : commands_) {
    command.output += read_now(command.child.output);
    keep_messages(command.child.messages, read_now(command.child.errors));
    if (now > command.kill_at) signal_group(pid, SIGKILL);
  }
}

void SlurmExecutor::read_step(pid_t pid, Step& step, RunLog& log) {
  for (StepPiece& piece : step.records.write(read_now(step.child.output))) {
    if (step.handed) step.handed->lines.write(piece.text, log);
    if (piece.record) take_record(pid, step, *piece.record, log);
  }
  for (StepPiece& piece : step.notes.write(read_now(step.child.errors))) {
    keep_messages(step.child.messages, piece.text);
    if (piece.record) take_record(pid, step, *piece.record, log);
  }
}

void SlurmExecutor::take_record(pid_t pid, Step& step, const StepRecord& record, RunLog& log) {
  switch (record.kind) {
    case StepRecord::Kind::alive:
      heartbeats_->heard(pid, record.alive);
      return;
    case StepRecord::Kind::begun:
      step.begun = true;
      return;
    case StepRecord::Kind::ended:
      break;
  }
  if (!step.handed) return;
  Handed handed = *std::exchange(step.handed, std::nullopt);
  handed.lines.end(log);
  EndedTask ended{handed.task, record.end, record.exit_code, record.reason, record.node};
  ended.peak_bytes = record.peak_bytes;
  ended.processor_s = record.processor_s;
  ended.last_lines = handed.lines.last();
  ended.at = Timestamp::now();
  step.vacant_since = SteadyClock::now();
  if (ended.end == TaskEnd::done) {
    ended.report = std::move(handed.lines.report());
    for (Times* times : {&times_, &times_of_step_[handed.task.step]}) {
      times->push_back(step.vacant_since - handed.started);
      if (times->size() > kTimesKept) times->pop_front();
    }
    delay_ = milliseconds(0);
  } else {
    dismiss(pid, step);
  }
  step.recorded.push_back(std::move(ended));
}

void SlurmExecutor::reap(RunLog& log) {
  for (;;) {
    int status = 0;
    const pid_t pid = ::waitpid(-1, &status, WNOHANG);
    if (pid <= 0) return;
    if (auto step = steps_.extract(pid)) {
      if (const auto beaten_at = heartbeats_->remove(pid))
        step.mapped().free_at = *beaten_at + lease_ + lease_margin(lease_);
      on_step_end(pid, std::move(step.mapped()), status, log);
    }
    if (auto check = checks_.extract(pid)) {
      NodeCheck& node = check.mapped().check;
      static_cast<void>(node.hear(read_now(check.mapped().child.output)));
      keep_messages(check.mapped().child.messages, read_now(check.mapped().child.errors));
      const std::string message = last_message(check.mapped().child.messages);
      if (!node.is_over() && was_refused(check.mapped().child.messages)) {
        node.end();
        back_off(message, log);
      } else {
        if (!node.is_over()) {
          node.step_ended(how_srun_ended(status, message));
        }
        on_check_end(check.mapped(), log);
      }
    }
    if (auto command = commands_.extract(pid))
      on_command_end(std::move(command.mapped()), status, log);
  }
}

// --- Tasks that end ---

void SlurmExecutor::on_step_end(pid_t pid, Step step, int status, RunLog& log) {
  read_step(pid, step, log);
  if (step.handed) {
    step.handed->lines.write(step.records.end(), log);
    step.handed->lines.end(log);
  }
  const std::string message = last_message(step.child.messages);
  const std::string how = how_srun_ended(status, message);
  const bool srun_succeeded = WIFEXITED(status) && WEXITSTATUS(status) == 0;
  for (EndedTask& ended : step.recorded) {
    // Nothing of the task runs any more: its record says so.
    if (ended.end == TaskEnd::done && !srun_succeeded) {
      ended.end = TaskEnd::lost;
      ended.reason = "its record says that it is done, but " + how;
    }
    // Slurm ends all steps of a job that it takes back, or that this executor cancels.
    if (ended.end == TaskEnd::stopped && !kill_at_) {
      ended.end = TaskEnd::lost;
      ended.reason = "its node was taken back";
    }
    settle(step, std::move(ended));
  }
  if (!step.handed) return;
  // A wrapper that got a beat may have started the task, whatever srun said before.
  if (!step.begun && !step.free_at && was_refused(step.child.messages)) {
    back_off(message, log);
    settle(step, {step.handed->task, TaskEnd::unstarted, 0, how});
    return;
  }
  const auto holder = holders_.find(step.holder);
  if (holder != holders_.end()) {
    log.line(
        "run",
        fmt::format(
            "{}: the node is given up; there is no word of how a task of it ended ({}): its tasks "
            "run again once Slurm has ended the job {}",
            holder->second.node, how, step.holder));
    cancel_holder(holder->second, log);
  }
  impatient_until_ = SteadyClock::now() + kImpatience;
  unsettled_.push_back(std::move(step));
}

void SlurmExecutor::settle(const Step& step, EndedTask ended) {
  const auto holder = holders_.find(step.holder);
  if (holder != holders_.end()) holder->second.idle_since = SteadyClock::now();
  if (kill_at_ && (ended.end == TaskEnd::lost || ended.end == TaskEnd::unstarted)) {
    ended.end = TaskEnd::stopped;
    ended.reason = "it was stopped with the run";
  }
  ended_.push_back(std::move(ended));
}

std::optional<SteadyClock::duration> SlurmExecutor::median_of(const Times& times) {
  if (times.empty()) return std::nullopt;
  std::vector<SteadyClock::duration> sorted(times.begin(), times.end());
  const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2);
  std::nth_element(sorted.begin(), middle, sorted.end());
  return *middle;
}

// --- Holders ---

milliseconds SlurmExecutor::look_interval() const {
  const bool waits = !cleared_ || pending_ > 0 || submitted_ || !unsettled_.empty();
  return waits && SteadyClock::now() < impatient_until_ ? kLookOften : kLookSeldom;
}

void SlurmExecutor::look(RunLog& log) {
  const SteadyClock::time_point now = SteadyClock::now();
  // What a cancellation does is seen after it alone.
  if (now < next_look_ || backs_off() || is_running(Purpose::look)) return;
  if (!cleared_ && is_running(Purpose::cancel)) return;
  next_look_ = now + look_interval();
  const Result<void> started = run_command(Purpose::look, squeue_words(job_name_));
  if (!started) back_off(started.error().text(), log);
}

void SlurmExecutor::on_command_end(Command command, int status, RunLog& log) {
  command.output += read_now(command.child.output);
  command.child.messages += read_now(command.child.errors);
  const bool succeeded = WIFEXITED(status) && WEXITSTATUS(status) == 0;
  const std::string message = last_message(command.child.messages);
  switch (command.purpose) {
    case Purpose::look: {
      const Result<std::vector<QueuedJob>> jobs = parse_squeue(command.output);
      if (succeeded && jobs) {
        if (command.after_submit) submitted_ = false;
        take_queue(*jobs, log);
      } else {
        back_off(succeeded ? jobs.error().text() : message, log);
      }
      break;
    }
    case Purpose::submit:
      if (succeeded) {
        impatient_until_ = SteadyClock::now() + kImpatience;
        next_look_ = SteadyClock::now();
      } else {
        const bool none_is_left =
            message.find("Requested node configuration is not available") != std::string::npos;
        if (none_is_left && !excluded_nodes().empty()) no_more_nodes_ = message;
        back_off("no node was asked for: " + message, log);
      }
      break;
    case Purpose::cancel:
      if (!succeeded) {
        back_off(message, log);
        cancelled_ = false;
      }
      break;
  }
}

void SlurmExecutor::take_queue(const std::vector<QueuedJob>& jobs, RunLog& log) {
  trouble_.clear();
  delay_ = milliseconds(0);
  if (!cleared_) {
    cleared_ = std::all_of(jobs.begin(), jobs.end(), has_ended);
    if (cleared_) return;
    if (!clearing_told_) {
      clearing_told_ = true;
      log.line("run", "Slurm: what an earlier runner left is being ended");
    }
    const SteadyClock::time_point now = SteadyClock::now();
    if (now < next_clearing_ || is_running(Purpose::cancel)) return;
    next_clearing_ = now + kCancelAgain;
    static_cast<void>(run_command(Purpose::cancel, scancel_words(job_name_)));
    return;
  }
  pending_ = 0;
  const SteadyClock::time_point now = SteadyClock::now();
  for (auto& [job, holder] : holders_) {
    if (!holder.missing_since) holder.missing_since = now;
  }
  for (const QueuedJob& job : jobs) take_job(job, log);
  std::erase_if(holders_, [&](const auto& entry) {
    const Holder& holder = entry.second;
    const bool gone = holder.missing_since && now - *holder.missing_since > kForgotten;
    if (gone) {
      log.line("run", fmt::format("Slurm: {} is no longer ours", holder.node));
      forgotten_.insert(entry.first);
    }
    return gone;
  });
}

// Slurm has ended the holder, and the wrapper has ended the task: nothing of it is left.
void SlurmExecutor::settle_those_without_a_word() {
  const SteadyClock::time_point now = SteadyClock::now();
  std::erase_if(unsettled_, [&](Step& step) {
    if (holders_.contains(step.holder) || (step.free_at && now < *step.free_at)) return false;
    EndedTask ended{step.handed->task, TaskEnd::lost, 0, "its node was lost"};
    ended.unseen = step.free_at.has_value();
    settle(step, std::move(ended));
    return true;
  });
}

void SlurmExecutor::give_up_silent_steps(RunLog& log) {
  if (!heartbeats_) return;
  const SteadyClock::duration patience = lease_ + lease_margin(lease_);
  for (auto& [pid, step] : steps_) {
    const auto heard_at = heartbeats_->heard_at(pid);
    if (step.given_up || !heard_at || SteadyClock::now() - *heard_at < patience) continue;
    step.given_up = true;
    log.line("run",
             fmt::format("job {}: nothing was heard of a task for {} s: it is given up",
                         step.holder, std::chrono::duration_cast<seconds>(patience).count()));
    signal_group(pid, SIGKILL);
  }
}

bool SlurmExecutor::waits_for_leases() const {
  return !marked_ && earlier_free_at_ && SteadyClock::now() < *earlier_free_at_;
}

void SlurmExecutor::take_job(const QueuedJob& job, RunLog& log) {
  if (job.state == "PENDING" || job.state == "CONFIGURING") {
    ++pending_;
    pending_reason_ = job.reason;
    return;
  }
  const SteadyClock::time_point now = SteadyClock::now();
  const auto known = holders_.find(job.job);
  if (has_ended(job)) {
    if (known == holders_.end()) return;
    log.line("run", fmt::format("Slurm: {} is no longer ours ({})", job.node, job.state));
    holders_.erase(known);
    return;
  }
  // Its tasks were taken for lost.
  if (forgotten_.contains(job.job)) {
    if (!is_running(Purpose::cancel))
      static_cast<void>(run_command(Purpose::cancel, scancel_job_words(job.name)));
    return;
  }
  Holder& holder = holders_[job.job];
  holder.missing_since.reset();
  if (known == holders_.end()) {
    holder.name = job.name;
    holder.node = job.node;
    holder.idle_since = now;
    if (job.left) holder.granted = *job.left;
    log.line("run", fmt::format("Slurm: {} is ours (job {})", job.node, job.job));
  }
  if (job.left && job.left->count() > 0) holder.ends_at = now + *job.left;
  const bool runs = job.state == "RUNNING";
  if (!runs) holder.state = Holder::State::cancelled;
  // A controller may refuse to cancel a job for a moment.
  if (runs && holder.state == Holder::State::cancelled &&
      now - holder.cancelled_at > kCancelAgain) {
    holder.state = Holder::State::leaving;
    cancel_holder(holder, log);
  }
}

std::vector<std::string> SlurmExecutor::excluded_nodes() const {
  std::vector<std::string> names;
  for (const auto& [name, node] : nodes_) {
    if (!node.fault.empty()) names.push_back(name);
  }
  return names;
}

unsigned SlurmExecutor::processors_wanted() const {
  uint64_t processors = uint64_t{startable_} * processors_of_first_;
  for (const auto& [pid, step] : steps_) processors += step_processors(settings_, step.resources);
  const uint64_t most = uint64_t{settings_.nodes} * settings_.processors;
  return static_cast<unsigned>(std::min(processors, most));
}

void SlurmExecutor::submit_holders(RunLog& log) {
  if (!cleared_ || kill_at_ || submitted_ || backs_off() || startable_ == 0) return;
  if (is_running(Purpose::submit) || SteadyClock::now() < check_again_at_) return;
  const unsigned nodes =
      (processors_wanted() + settings_.processors - 1) / std::max(1u, settings_.processors);
  const size_t there = pending_ + static_cast<size_t>(std::count_if(
                                      holders_.begin(), holders_.end(), [](const auto& entry) {
                                        return entry.second.state == Holder::State::ready ||
                                               entry.second.state == Holder::State::unchecked;
                                      }));
  if (nodes <= there) return;
  const auto missing = static_cast<unsigned>(nodes - there);
  const Result<void> started =
      run_command(Purpose::submit, sbatch_words(settings_, job_name_, missing, excluded_nodes()),
                  holder_script());
  if (!started) {
    back_off(started.error().text(), log);
    return;
  }
  submitted_ = true;
  for (auto& [pid, command] : commands_) command.after_submit = false;
  log.line("run", fmt::format("Slurm: asks for {} node{}", missing, missing == 1 ? "" : "s"));
}

void SlurmExecutor::give_up_holders_that_start_nothing(RunLog& log) {
  for (const auto& [pid, step] : steps_) {
    if (step.begun || SteadyClock::now() - step.started < kStartPatience) continue;
    const auto found = holders_.find(step.holder);
    if (found == holders_.end() || found->second.state == Holder::State::cancelled) continue;
    const bool others_run = std::any_of(steps_.begin(), steps_.end(), [&](const auto& entry) {
      return entry.second.holder == found->first && entry.second.begun;
    });
    // Tasks that run are not given up for one that does not start.
    if (others_run) found->second.state = Holder::State::leaving;
    if (others_run || backs_off()) continue;
    log.line("run", fmt::format("{}: a task did not begin within {} s ({}): the node is given up",
                                found->second.node, kStartPatience.count(),
                                last_message(step.child.messages)));
    cancel_holder(found->second, log);
  }
}

void SlurmExecutor::give_back_holders(RunLog& log) {
  const SteadyClock::time_point now = SteadyClock::now();
  for (auto& [job, holder] : holders_) {
    if (holder.state == Holder::State::ready && ends_too_soon(holder))
      holder.state = Holder::State::leaving;
    if (holder.state == Holder::State::cancelled || holder.state == Holder::State::unchecked ||
        use_of(job).steps > 0)
      continue;
    const bool idle = startable_ == 0 && now - holder.idle_since > settings_.idle;
    if (idle || holder.state == Holder::State::leaving) cancel_holder(holder, log);
  }
}

void SlurmExecutor::cancel_holder(Holder& holder, RunLog& log) {
  if (holder.state == Holder::State::cancelled) return;
  const Result<void> started = run_command(Purpose::cancel, scancel_job_words(holder.name));
  if (!started) {
    back_off(started.error().text(), log);
    return;
  }
  holder.state = Holder::State::cancelled;
  holder.cancelled_at = SteadyClock::now();
}

void SlurmExecutor::back_off(std::string why, RunLog& log) {
  if (why != trouble_) log.line("run", "Slurm: " + why);
  trouble_ = std::move(why);
  delay_ = std::clamp(delay_ * 2, kFirstDelay, kLongestDelay);
  try_again_at_ = SteadyClock::now() + delay_;
  next_look_ = try_again_at_;
}

bool SlurmExecutor::end(RunLog& log) {
  if (lease_wait_told_ && waits_for_leases()) return false;
  // What was asked for a moment ago must be known before it can be cancelled.
  const SteadyClock::time_point settled_by = SteadyClock::now() + kSettlePatience;
  while ((is_running(Purpose::submit) || is_running(Purpose::look)) &&
         SteadyClock::now() < settled_by) {
    read_children(log);
    reap(log);
    ::poll(nullptr, 0, 20);
  }
  const SteadyClock::time_point deadline = SteadyClock::now() + kEndPatience;
  startable_ = 0;
  kill_at_ = SteadyClock::now();
  cancelled_ = true;
  bool told = false;
  cleared_ = false;
  try_again_at_ = {};
  while (!cleared_ && SteadyClock::now() < deadline) {
    if (!told || (!backs_off() && !is_running(Purpose::cancel) && !trouble_.empty())) {
      told = run_command(Purpose::cancel, scancel_words(job_name_)).has_value();
    }
    read_children(log);
    reap(log);
    next_look_ = std::min(next_look_, SteadyClock::now() + milliseconds(200));
    look(log);
    ::poll(nullptr, 0, 20);
  }
  if (!cleared_) {
    log.line("run", fmt::format("Slurm still lists jobs of this run: scancel --name={} ends them",
                                job_name_));
  }
  static_cast<void>(kill_children());
  commands_.clear();  // their ends were seen there
  for (const auto& [pid, check] : checks_) check.check.end();
  checks_.clear();
  if (!cleared_) return false;
  if (waits_for_leases()) {
    if (!std::exchange(lease_wait_told_, true)) {
      log.line("run",
               "Slurm: the earlier runner did not see the end of each task: what cannot be reached "
               "ends when its lease does");
    }
    return false;
  }
  if (empty()) lease_mark_.remove();
  return true;
}

}  // namespace tierhub::compute
