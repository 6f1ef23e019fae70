// The executor with programs in the place of Slurm's, which do what a cluster does at bad moments. One node, node1, which has room
// for any number of holders.
#include "compute/executors/slurm_executor.h"

#include <algorithm>
#include <filesystem>
#include <functional>

#include <poll.h>
#include <signal.h>
#include <sys/stat.h>

#include <gtest/gtest.h>

#include "common/posix.h"
#include "tests/support/temporary_directory.h"

namespace tierhub::compute {
namespace {
namespace fs = std::filesystem;

// Two programs that change the queue at a time would lose a job.
const std::string kAlone = "exec 9> lock; flock 9\n";

constexpr const char* kSayGood =
    "read -r order\n"
    "echo \"{\\\"word\\\":\\\"good\\\",\\\"place\\\":0,\\\"reason\\\":\\\"\\\","
    "\\\"now_ns\\\":$(date +%s%N),\\\"read_bytes\\\":0,\\\"read_s\\\":0}\"\n";

class SlurmExecutorTest : public ::testing::Test {
 protected:
  SlurmExecutorTest() : log_(RunLog::open(folder_ / "log").value()) {
    ::signal(SIGPIPE, SIG_IGN);
    fs::create_directories(folder_ / "bin");
    settings_.commands_folder = folder_ / "bin";
    settings_.lease = std::chrono::seconds(1);
    write_command("sbatch",
                  "cat > /dev/null\n" + kAlone +
                      "for word; do case $word in --array=1-*) n=${word#--array=1-};; esac; done\n"
                      "echo x >> submitted; job=$(wc -l < submitted)\n"
                      "for i in $(seq $n); do\n"
                      "  echo \"$job$i|${job}_$i|RUNNING|node1|None|30:00\" >> queue\n"
                      "done\n");
    write_command("squeue", "cat queue 2> /dev/null || true\n");
    write_command("scancel",
                  kAlone +
                      "[ -e queue ] || exit 0\n"
                      "case $* in *--signal*) exit;; *--name*) id='[^|]*';; *) id=$1;; esac\n"
                      "sed \"s/|$id|RUNNING|/|$id|CANCELLED|/\" queue > queue.new\n"
                      "mv queue.new queue\n");
  }

  // Runs in the folder of the test.
  void write_command(const std::string& name, const std::string& script) {
    const std::string file = folder_ / ("bin/" + name);
    ASSERT_TRUE(
        posix::replace_file(file, "#!/bin/bash\ncd " + folder_.path() + " || exit 9\n" + script));
    ::chmod(file.c_str(), 0755);
  }
  // What it writes to `checks` is a line for each check.
  void write_srun(const std::string& of_a_check, const std::string& of_a_task = "exit 1\n") {
    write_command("srun", "case $* in *--check-node) echo x >> checks\n" + of_a_check + ";; *)\n" +
                              of_a_task + ";; esac\n");
  }
  void begin() {
    executor_.emplace(settings_, "tierhub-test", "/bin/false", folder_ / "mark", needs_);
    ASSERT_TRUE(executor_->begin(log_));
  }
  void turn_until(const std::string& what, const std::function<bool()>& condition) {
    const auto deadline = SteadyClock::now() + std::chrono::seconds(60);
    while (!condition()) {
      ASSERT_LT(SteadyClock::now(), deadline) << what << "\n" << text("log");
      executor_->want(startable_, {}, "");
      for (EndedTask& ended : executor_->turn(log_)) ended_.push_back(std::move(ended));
      ::poll(nullptr, 0, 10);
    }
  }
  void start_a_task() {
    turn_until("a node is ready", [&] { return executor_->has_room({}); });
    ASSERT_TRUE(executor_->start({0, 0}, {}, {}, "task"));
  }
  std::string text(const std::string& file) const {
    const Result<std::string> found = posix::read_file(folder_ / file);
    return found ? *found : "";
  }
  size_t lines_of(const std::string& file) const {
    const std::string lines = text(file);
    return static_cast<size_t>(std::count(lines.begin(), lines.end(), '\n'));
  }
  // "" if node1 has none, or is not known.
  std::string fault() const {
    const std::vector<NodeState> nodes = executor_->nodes();
    return nodes.empty() ? "" : nodes.front().fault;
  }

  TemporaryDirectory folder_;
  RunLog log_;
  SlurmSettings settings_;
  size_t startable_ = 1;
  std::optional<NodeOrder> needs_ = NodeOrder{};
  std::optional<SlurmExecutor> executor_;
  std::vector<EndedTask> ended_;
};

TEST_F(SlurmExecutorTest, ChecksThatEndWithoutAWordExcludeANodeTheThirdTime) {
  write_srun("echo 'srun: error: Socket timed out on send/recv operation' >&2; exit 1\n");
  begin();
  turn_until("there is a fault", [&] { return !fault().empty(); });
  EXPECT_EQ(lines_of("checks"), 3u);
  EXPECT_NE(fault().find("its check ended without a word: srun: exit code 1: srun: error: Socket"),
            std::string::npos)
      << fault();
  EXPECT_GE(lines_of("submitted"), 3u) << "each of them is given back";
}

TEST_F(SlurmExecutorTest, ANodeWhoseChecksEndedTwiceWithoutAWordIsUsed) {
  write_srun("[ $(wc -l < checks) -gt 2 ] || exit 1\n" + std::string(kSayGood));
  begin();
  turn_until("the node is ready", [&] { return executor_->has_room({}); });
  EXPECT_EQ(fault(), "");
  EXPECT_EQ(lines_of("checks"), 3u);
}

TEST_F(SlurmExecutorTest, TwoHoldersOnANodeAreCheckedOnce) {
  settings_.nodes = 2;
  startable_ = 2;
  write_srun("sleep 0.3\n" + std::string(kSayGood));
  begin();
  turn_until("a node is ready", [&] { return lines_of("queue") == 2 && executor_->has_room({}); });
  EXPECT_EQ(lines_of("checks"), 1u);
}

TEST_F(SlurmExecutorTest, ACheckThatCannotBeginHoldsNoNodeAndEndsTheRun) {
  write_srun(kSayGood);
  // A list that is old when it arrives has nothing of what was submitted meanwhile.
  write_command("squeue", "cat queue 2> /dev/null; sleep 1\n");
  fs::create_directories(folder_ / "run/.node-check-old");
  ASSERT_TRUE(posix::replace_file(folder_ / "run/.node-check-old/here", "old"));
  ASSERT_TRUE(posix::replace_file(folder_ / "file", ""));
  needs_->places = {folder_ / "run", folder_ / "file/work"};
  begin();
  EXPECT_TRUE(fs::is_empty(folder_ / "run")) << "of an earlier runner";
  turn_until("the run says what it waits for",
             [&] { return executor_->waits_for().starts_with("Slurm: no node can be checked: "); });
  EXPECT_TRUE(fs::is_empty(folder_ / "run"));
  EXPECT_EQ(executor_->hopeless(), "") << "it may pass";
  turn_until("its node is given back",
             [&] { return text("queue").find("|RUNNING|") == std::string::npos; });
  turn_until("the run ends", [&] { return !executor_->hopeless().empty(); });
  EXPECT_NE(executor_->hopeless().find("file/work"), std::string::npos) << executor_->hopeless();
  EXPECT_EQ(lines_of("submitted"), 5u);
  EXPECT_EQ(lines_of("checks"), 0u);
}

TEST_F(SlurmExecutorTest, ARefusedStepNeverRan) {
  write_srun(kSayGood, "read -r order; echo 'srun: error: Requested nodes are busy' >&2; exit 1\n");
  begin();
  start_a_task();
  turn_until("the task has ended", [&] { return !ended_.empty(); });
  EXPECT_EQ(ended_.front().end, TaskEnd::unstarted);
}

// srun waits for a busy node, and then it starts the wrapper.
TEST_F(SlurmExecutorTest, AStepThatGotABeatMayHaveRunWhateverSrunSaid) {
  write_srun(kSayGood,
             "read -r order\n"
             "nonce=$(grep -o '\"nonce\":\"[0-9a-f]*\"' <<< \"$order\" | cut -d'\"' -f4)\n"
             "echo 'srun: Requested nodes are busy' >&2\n"
             "printf '\\x1e%s {\"node\":\"node1\",\"alive\":0}\\n' $nonce >&2\n"
             "read -r beat; [ \"$beat\" ] && echo x > beaten; exit 1\n");
  begin();
  start_a_task();
  const auto begun = SteadyClock::now();
  turn_until("the task has ended", [&] { return !ended_.empty(); });
  EXPECT_EQ(lines_of("beaten"), 1u);
  EXPECT_EQ(ended_.front().end, TaskEnd::lost);
  EXPECT_GE(SteadyClock::now() - begun, settings_.lease) << "until then it may run";
  EXPECT_NE(text("queue").find("|CANCELLED|"), std::string::npos);
}

}  // namespace
}  // namespace tierhub::compute
