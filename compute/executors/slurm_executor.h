// Tasks as steps of a Slurm cluster. The run holds nodes by jobs that do nothing (holders), and each task is an `srun` step in a
// holder. Slurm places, authenticates, limits and accounts; nothing here does.
//
// 1. What an earlier runner of this run left is cancelled, and nothing starts until it is gone.
// 2. As tasks wait, holders are submitted, up to the nodes of the settings. One squeue, every few seconds, says which exist.
//    The first step in a holder checks its node (node_check.h). A node that is bad is given back, and left out from then on.
//    A holder whose check ends without a verdict is given back; so is one whose check cannot begin, and then the next is asked for
//    after a while.
// 3. A task starts as `srun ... tieragent --run-task` in a holder with processors, memory and time left for it. The wrapper says
//    that it begins, enforces the limits, and says how the task ended when nothing of it is left (step.h).
//    Until then it gets beats, without which the wrapper ends the task (lease.h). A wrapper whose tasks are short gets one after
//    another, for some seconds: each has a record of its own, and its own limits.
// 4. A task is done if its record says so and srun says so, too. srun alone has returned 0 for a node that died.
// 5. If srun ends without a record, nobody knows whether the task still runs. Its holder is cancelled, and the task is lost once
//    squeue says that the holder has ended, and the lease of the wrapper is over: not before, or two of them would write the same
//    files. Slurm says of a node that it cannot reach, too, that its jobs have ended. A holder that squeue does not list has not
//    ended: a controller that was started again may know nothing of it for some seconds. An srun whose wrapper is silent for longer
//    than a lease is killed: its task has ended, if its wrapper is as it should be.
// 6. If srun's messages say that nothing was started (the controller is away), and no beat was written, the task is lost at once,
//    and the next starts wait a little. With a beat the wrapper may have started the task: then it is as in 5.
// 7. A holder without a task is given back after a while; one whose time runs out gets no new task.
// 8. At the end the holders are cancelled by their name, which is the run's own.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <sys/types.h>

#include "common/clock.h"
#include "compute/executors/executor.h"
#include "compute/executors/heartbeats.h"
#include "compute/executors/lease.h"
#include "compute/executors/node_check.h"
#include "compute/executors/slurm_commands.h"
#include "compute/executors/slurm_settings.h"
#include "compute/executors/step.h"

namespace tierhub::compute {

// One thread, which must have SIGCHLD blocked.
class SlurmExecutor final : public Executor {
 public:
  // `wrapper`: tieragent as the nodes see it. `lease_mark`: a file of the run's own. `needs`: what
  // each node is checked for, but for the nonce and the input; none: nodes are not checked.
  SlurmExecutor(SlurmSettings settings, std::string job_name, std::string wrapper,
                std::string lease_mark, std::optional<NodeOrder> needs = {});

  Result<void> begin(RunLog& log) override;
  void want(size_t startable, const Resources& first, const std::string& input) override;
  bool has_room(const Resources& resources) const override;
  Result<void> start(TaskId task, const ProcessSpec& spec, const Resources& resources,
                     std::string label) override;
  std::optional<TaskId> followed_by(size_t step, const Resources& resources) const override;
  bool empty() const override { return steps_.empty() && unsettled_.empty(); }
  void add_to(std::vector<pollfd>& polled) const override;
  std::vector<EndedTask> turn(RunLog& log) override;
  void stop_all(std::chrono::milliseconds grace) override;
  bool end(RunLog& log) override;
  std::string waits_for() const override;
  std::vector<NodeState> nodes() const override;
  std::string hopeless() const override;

 private:
  // A child of this process, what it reads, and what it writes.
  struct Child {
    UniqueFd input;  // if it stays open
    UniqueFd output;
    UniqueFd errors;
    std::string messages;  // from `errors`, bounded
  };
  struct Handed {
    TaskId task;
    OutputLines lines;
    SteadyClock::time_point started;
  };
  // An srun, and the tasks that its wrapper is given, one after another.
  struct Step {
    Child child;
    std::string nonce;
    StepOutput records;
    StepOutput notes;  // among the messages
    Resources resources;
    std::string holder;
    SteadyClock::time_point started;
    size_t workflow_step = 0;                   // of all its tasks
    bool more = false;                          // takes another task after the first
    std::optional<Handed> handed;               // that has no record of its end
    std::vector<EndedTask> recorded = {};       // that have, and wait for srun's word
    SteadyClock::time_point vacant_since = {};  // if no task is handed
    bool begun = false;
    // Once srun has ended: from then on its wrapper has no lease. None: it never had one.
    std::optional<SteadyClock::time_point> free_at = {};
    bool given_up = false;
  };
  enum class Purpose { look, submit, cancel };
  struct Command {
    Purpose purpose = Purpose::look;
    Child child = {};
    std::string output = {};
    SteadyClock::time_point kill_at = {};
    // No submission was under way when it began, and none has begun since.
    bool after_submit = false;
  };
  // `unchecked`: of its node nothing is known yet. `ready`: takes tasks. `leaving`: takes none, and is cancelled when it has none. `cancelled`:
  // Slurm was told to end it, and has not done so.
  struct Holder {
    enum class State { unchecked, ready, leaving, cancelled } state = State::unchecked;
    std::string name;  // as QueuedJob::name
    std::string node;
    std::optional<SteadyClock::time_point> ends_at;
    SteadyClock::duration granted{};  // how long it had when it was seen first
    SteadyClock::time_point cancelled_at;
    std::optional<SteadyClock::time_point> missing_since;  // from the queue
    SteadyClock::time_point idle_since;
  };

  struct Check {
    Child child;
    std::string holder;
    std::string node;
    NodeCheck check;
  };

  // Of the tasks in a holder.
  struct Use {
    unsigned processors = 0;
    uint64_t memory_bytes = 0;
    size_t steps = 0;
  };
  Use use_of(const std::string& job) const;
  bool ends_too_soon(const Holder& holder) const;

  Result<void> run_command(Purpose purpose, const CommandLineWords& words,
                           std::string_view input = {});
  bool is_running(Purpose purpose) const;
  Result<pid_t> spawn_words(const CommandLineWords& words, std::string_view input, Child& child);
  // Its input is a pipe.
  Result<pid_t> spawn_open(const CommandLineWords& words, Child& child);
  Result<pid_t> spawn_child(const CommandLineWords& words, int input, Child& child);

  void read_children(RunLog& log);
  void read_step(pid_t pid, Step& step, RunLog& log);
  void take_record(pid_t pid, Step& step, const StepRecord& record, RunLog& log);
  void reap(RunLog& log);
  void on_command_end(Command command, int status, RunLog& log);
  void on_step_end(pid_t pid, Step step, int status, RunLog& log);
  void settle(const Step& step, EndedTask ended);
  // Of a step that waits for another task like these.
  std::optional<pid_t> find_vacant(size_t workflow_step, const Resources& resources) const;
  // It gets no other task: its srun ends.
  void dismiss(pid_t pid, Step& step);
  void dismiss_idle_steps();
  bool is_short(size_t workflow_step) const;
  void settle_those_without_a_word();
  void give_up_silent_steps(RunLog& log);
  // What an earlier runner started may still have a lease.
  bool waits_for_leases() const;

  void check_nodes(RunLog& log);
  Result<void> begin_check(const std::string& job, const std::string& node);
  void on_check_that_cannot_begin(std::string why, RunLog& log);
  void read_checks();
  void on_check_end(const Check& check, RunLog& log);

  void look(RunLog& log);
  void take_queue(const std::vector<QueuedJob>& jobs, RunLog& log);
  void take_job(const QueuedJob& job, RunLog& log);
  void submit_holders(RunLog& log);
  void give_up_holders_that_start_nothing(RunLog& log);
  void give_back_holders(RunLog& log);
  void cancel_holder(Holder& holder, RunLog& log);
  void back_off(std::string why, RunLog& log);
  bool backs_off() const { return SteadyClock::now() < try_again_at_; }
  unsigned processors_wanted() const;
  std::vector<std::string> excluded_nodes() const;
  // The job of one with room.
  std::optional<std::string> find_holder(const Resources& resources) const;
  using Times = std::deque<SteadyClock::duration>;
  static std::optional<SteadyClock::duration> median_of(const Times& times);
  std::chrono::milliseconds look_interval() const;

  const SlurmSettings settings_;
  const std::string job_name_;
  const std::string wrapper_;
  const std::chrono::milliseconds lease_;
  const LeaseMark lease_mark_;
  const std::optional<NodeOrder> needs_;
  std::vector<std::string> environment_;

  // Of an earlier runner, if it left a mark: from then on nothing of it has a lease.
  std::optional<SteadyClock::time_point> earlier_free_at_;
  bool marked_ = false;
  bool lease_wait_told_ = false;
  std::optional<Heartbeats> heartbeats_;  // once there is a step

  std::map<pid_t, Step> steps_;
  std::vector<Step> unsettled_;  // srun ended without a record; the holder may still be there
  std::map<pid_t, Command> commands_;
  std::map<pid_t, Check> checks_;
  std::map<std::string, Holder> holders_;      // by job
  std::map<std::string, NodeState> nodes_;     // that were checked, by name
  std::string no_more_nodes_;                  // Slurm's word, once some were left out
  std::map<std::string, unsigned> undecided_;  // checks without a verdict, by node
  unsigned failed_begins_ = 0;                 // of checks, in a row
  std::string cannot_check_;                   // why
  SteadyClock::time_point check_again_at_{};
  std::set<std::string> forgotten_;  // holders that Slurm did not list for a while
  std::vector<EndedTask> ended_;

  bool cleared_ = false;  // nothing of an earlier runner is left
  bool clearing_told_ = false;
  size_t startable_ = 0;
  unsigned processors_of_first_ = 1;
  std::string input_;   // of the first
  size_t pending_ = 0;  // holders that Slurm has not started
  std::string pending_reason_;
  bool submitted_ = false;                          // since the last look
  std::optional<SteadyClock::time_point> kill_at_;  // the run is being stopped
  bool cancelled_ = false;
  SteadyClock::time_point next_look_{};
  SteadyClock::time_point next_clearing_{};
  SteadyClock::time_point impatient_until_{};  // looks often until then
  SteadyClock::time_point try_again_at_{};
  std::chrono::milliseconds delay_{0};
  std::string trouble_;
  Times times_;  // of tasks that are done
  std::map<size_t, Times> times_of_step_;
};

}  // namespace tierhub::compute
