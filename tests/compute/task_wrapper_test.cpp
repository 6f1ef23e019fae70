// The wrapper of a task as another machine runs it, in a process of its own, with pipes in place of Slurm.
#include "compute/executors/task_wrapper.h"

#include <chrono>
#include <functional>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "common/posix.h"
#include "common/spawn.h"
#include "compute/executors/lease.h"
#include "compute/executors/process.h"
#include "compute/executors/step.h"
#include "tests/support/temporary_directory.h"

namespace tierhub::compute {
namespace {
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr std::string_view kWrapperNonce = "00112233445566778899aabbccddeeff";

class TaskWrapper : public ::testing::Test {
 protected:
  ~TaskWrapper() override {
    if (wrapper_ <= 0) return;
    ::kill(wrapper_, SIGCONT);
    input_.reset();
    ::waitpid(wrapper_, nullptr, 0);
  }

  enum class More { no, yes };
  void start(const std::string& script, std::chrono::milliseconds lease, More more = More::no) {
    Pipe input = make_pipe().value();
    Pipe output = make_output_pipe().value();
    Pipe errors = make_output_pipe().value();
    wrapper_ = ::fork();
    if (wrapper_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
      ::dup2(input.read.get(), STDIN_FILENO);
      ::dup2(output.write.get(), STDOUT_FILENO);
      ::dup2(errors.write.get(), STDERR_FILENO);
      input.write.reset();
      input.read.reset();
      output.write.reset();
      errors.write.reset();
      ::_exit(wrap_task());
    }
    input_ = std::move(input.write);
    output_ = std::move(output.read);
    errors_ = std::move(errors.read);
    lease_ = lease;
    order(script, more);
  }
  void order(const std::string& script, More more, std::optional<std::chrono::seconds> time = {}) {
    StepOrder order;
    order.nonce = kWrapperNonce;
    order.process = {"sh", "/bin:/usr/bin", {"sh", "-c", script, folder_ / "mark"}, {}, "/"};
    order.lease = lease_;
    order.limits.time = time;
    order.more = more == More::yes;
    send(to_json(order) + "\n");
  }
  void send(const std::string& text) { ASSERT_TRUE(posix::write_all(input_.get(), text)); }
  void beat(uint64_t alive, std::chrono::milliseconds since) { send(to_line(Beat{alive, since})); }

  void read() {
    for (const StepPiece& piece : output_of_tasks_.write(read_now(output_))) {
      text_ += piece.text;
      if (!piece.record) continue;
      if (piece.record->kind == StepRecord::Kind::begun) ++begun_;
      if (piece.record->kind == StepRecord::Kind::ended) ended_.push_back(*piece.record);
    }
    for (const StepPiece& piece : notes_.write(read_now(errors_))) {
      if (piece.record && piece.record->kind == StepRecord::Kind::alive)
        alive_ = piece.record->alive;
    }
  }
  bool wait_for_ends(size_t count) {
    return wait_until([&] { return ended_.size() == count; }, [&] { renew(); });
  }
  // Answers each alive, as a runner does.
  void renew() {
    read();
    if (alive_ && alive_ != answered_) beat(*alive_, 0ms);
    answered_ = alive_;
  }
  bool wait_until(const std::function<bool()>& condition, const std::function<void()>& meanwhile) {
    const auto end = Clock::now() + 20s;
    while (!condition()) {
      if (Clock::now() > end) return false;
      meanwhile();
      ::poll(nullptr, 0, 5);
    }
    return true;
  }
  // With what the task wrote its number into.
  pid_t task() const {
    const Result<std::string> text = posix::read_file(folder_ / "mark");
    return text && text->ends_with('\n') ? std::stoi(*text) : 0;
  }
  static bool runs(pid_t pid) { return ::kill(pid, 0) == 0; }
  bool begin() {
    return wait_until([&] { return task() != 0; }, [&] { renew(); });
  }
  int wait_for_end() {
    int status = 0;
    wait_until([&] { return ::waitpid(wrapper_, &status, WNOHANG) == wrapper_; }, [&] { read(); });
    wrapper_ = 0;
    read();
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  TemporaryDirectory folder_;
  pid_t wrapper_ = 0;
  UniqueFd input_;
  UniqueFd output_;
  UniqueFd errors_;
  std::chrono::milliseconds lease_{0};
  StepOutput output_of_tasks_{kWrapperNonce};
  StepOutput notes_{kWrapperNonce};
  std::optional<uint64_t> alive_;
  std::optional<uint64_t> answered_;
  std::string text_;
  size_t begun_ = 0;
  std::vector<StepRecord> ended_;
};

// A child that leaves the group and the session of the task, and its parent.
constexpr const char* kLeavesTheGroup = "setsid sh -c 'echo $$ > $0; exec sleep 60' \"$0\" & wait";

TEST_F(TaskWrapper, StartsNothingBeforeTheFirstBeat) {
  start("echo $$ > $0", 300ms);
  EXPECT_EQ(wait_for_end(), 124);
  EXPECT_EQ(task(), 0);
  EXPECT_EQ(begun_, 0u);
  ASSERT_EQ(ended_.size(), 1u);
  EXPECT_EQ(ended_.at(0).end, TaskEnd::lost);
  EXPECT_NE(ended_.at(0).reason.find("it heard nothing of its run for 1 s"), std::string::npos);
}

TEST_F(TaskWrapper, SaysHowItsTaskEndedWhileItIsRenewed) {
  start("echo $$ > $0; sleep 1; echo out", 3s);
  EXPECT_TRUE(wait_for_ends(1));
  EXPECT_EQ(wait_for_end(), 0);
  ASSERT_EQ(ended_.size(), 1u);
  EXPECT_EQ(ended_.at(0).end, TaskEnd::done);
  EXPECT_EQ(text_, "out\n");
  EXPECT_GE(*alive_, 2u);
}

TEST_F(TaskWrapper, KillsAllOfItsTaskWhenItHearsNothingMore) {
  start(kLeavesTheGroup, 1500ms);
  ASSERT_TRUE(begin());
  const pid_t escaped = task();
  EXPECT_EQ(wait_for_end(), 124);
  EXPECT_FALSE(runs(escaped));
  ASSERT_EQ(ended_.size(), 1u);
  EXPECT_EQ(ended_.at(0).end, TaskEnd::lost);
}

TEST_F(TaskWrapper, OldBeatsDoNotKeepItsTaskAlive) {
  start("echo $$ > $0; exec sleep 60", 1500ms);
  ASSERT_TRUE(begin());
  const uint64_t answered = *answered_;
  const auto begun = Clock::now();
  // What lay in a buffer arrives, again and again.
  const auto send_old = [&] {
    const std::string line = to_line(Beat{answered, 0ms});
    static_cast<void>(::write(input_.get(), line.data(), line.size()) > 0);
    read();
  };
  ::signal(SIGPIPE, SIG_IGN);
  EXPECT_TRUE(wait_until([&] { return !ended_.empty(); }, send_old));
  EXPECT_LT(Clock::now() - begun, 5s);
  EXPECT_EQ(wait_for_end(), 124);
  EXPECT_FALSE(runs(task()));
}

TEST_F(TaskWrapper, KillsAllOfItsTaskWhenItsInputEnds) {
  start(kLeavesTheGroup, 1h);
  ASSERT_TRUE(begin());
  const pid_t escaped = task();
  input_.reset();
  EXPECT_EQ(wait_for_end(), 124);
  EXPECT_FALSE(runs(escaped));
  EXPECT_EQ(ended_.at(0).end, TaskEnd::lost);
}

// Its output and its records have no reader, and the pipes are full.
TEST_F(TaskWrapper, KillsItsTaskThoughNobodyReadsWhatItWrites) {
  start("echo $$ > $0; exec yes", 1500ms);
  ASSERT_TRUE(begin());
  const pid_t writer = task();
  EXPECT_TRUE(wait_until([&] { return !runs(writer); }, [] {}));
  EXPECT_EQ(wait_for_end(), 124);
}

TEST_F(TaskWrapper, EndsItsTaskAtOnceWhenItWasSuspendedForLongerThanTheLease) {
  start("echo $$ > $0; exec sleep 60", 1500ms);
  ASSERT_TRUE(begin());
  ::kill(wrapper_, SIGSTOP);
  ::poll(nullptr, 0, 1800);
  // These wait for it when it wakes up.
  for (int i = 0; i < 5; ++i) beat(*answered_, std::chrono::milliseconds(i));
  const auto woken = Clock::now();
  ::kill(wrapper_, SIGCONT);
  EXPECT_EQ(wait_for_end(), 124);
  EXPECT_LT(Clock::now() - woken, 500ms);
  EXPECT_FALSE(runs(task()));
}

TEST_F(TaskWrapper, TakesOneTaskAfterAnotherEachWithItsOwnEnd) {
  start("echo one", 1h, More::yes);
  ASSERT_TRUE(wait_for_ends(1));
  order("echo two; exit 3", More::yes);
  ASSERT_TRUE(wait_for_ends(2));
  order("echo three; exec sleep 60", More::yes, 1s);
  ASSERT_TRUE(wait_for_ends(3));
  order("echo four", More::yes);
  ASSERT_TRUE(wait_for_ends(4));
  EXPECT_EQ(text_, "one\ntwo\nthree\nfour\n");
  EXPECT_EQ(ended_[0].end, TaskEnd::done);
  EXPECT_EQ(ended_[1].exit_code, 3);
  EXPECT_EQ(ended_[2].end, TaskEnd::out_of_time);
  EXPECT_EQ(ended_[3].end, TaskEnd::done);
  send(std::string(kEnough) + "\n");
  EXPECT_EQ(wait_for_end(), 0) << "each has its record: the wrapper did what it should";
}

TEST_F(TaskWrapper, ThatIsStoppedTakesNoOtherTask) {
  start("echo $$ > $0; exec sleep 60", 1h, More::yes);
  ASSERT_TRUE(begin());
  order("echo never", More::yes);
  ::kill(wrapper_, SIGTERM);
  EXPECT_EQ(wait_for_end(), 0);
  ASSERT_EQ(ended_.size(), 1u);
  EXPECT_EQ(ended_[0].end, TaskEnd::stopped);
  EXPECT_EQ(text_, "");
}

TEST_F(TaskWrapper, LosesItsLeaseBetweenTasksToo) {
  start("echo one", 1500ms, More::yes);
  ASSERT_TRUE(wait_for_ends(1));
  EXPECT_EQ(wait_for_end(), 124);
  EXPECT_EQ(ended_[0].end, TaskEnd::done);
}

TEST_F(TaskWrapper, WithoutAnOrderItStartsNothing) {
  start("echo $$ > $0", 1h);
  // The next one has no input at all.
  Pipe input = make_pipe().value();
  const pid_t other = ::fork();
  if (other == 0) {
    ::dup2(input.read.get(), STDIN_FILENO);
    input.write.reset();
    input.read.reset();
    input_.reset();
    ::_exit(wrap_task());
  }
  input.write.reset();
  int status = 0;
  ::waitpid(other, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 125);
}

}  // namespace
}  // namespace tierhub::compute
