// Whose run is a folder in running/? The agent believes its own claim alone, and a claim survives a
// death of the agent at every step. These tests change users, so they need root and say so.
#include <algorithm>
#include <array>
#include <atomic>
#include <climits>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <map>
#include <stdexcept>
#include <thread>

#include <fcntl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/compute/agent_fixture.h"

namespace tierhub::test {
namespace {
namespace fs = std::filesystem;

class Claims : public AgentTest {
 protected:
  Claims() {
    if (::geteuid() != 0) throw std::runtime_error("these tests change users: run them as root");
    write_text(at("data/open.txt"), "open");
    fs::create_directories(at("results"));
    ::chmod(at("results").c_str(), 01777);
    ::chmod(at("data").c_str(), 0755);
  }

  static constexpr const char* kWho =
      "workflow: w\ninput: {dataset: data/open.txt}\n"
      "steps: [{id: a, run: [sh, -c, 'id -u > {output}/uid']}]\n"
      "output: results/{run}\n";

  std::string uid_of(const EndedRun& run) const {
    return read_text(at("results/" + run.run + "/uid"));
  }

  // A folder in running/ with a work folder, as an agent leaves it, given to `user`.
  std::string leave_run(const std::string& stem, uid_t user) {
    const std::string run = stem + "-20260102T030405Z-abcd";
    write_text(jobs("running/" + run + "/job.yaml"), kWho);
    fs::create_directories(at("work/" + run));
    for (const std::string& path :
         {jobs("running/" + run), jobs("running/" + run + "/job.yaml"), at("work/" + run)}) {
      if (::chown(path.c_str(), user, user) != 0) throw std::runtime_error("chown " + path);
    }
    return run;
  }

  void expect_run_as_nobody(const std::string& stem, const std::string& why) {
    const EndedRun run = ended(stem);
    EXPECT_EQ(run.ending, "failed") << stem;
    EXPECT_NE(run.report.find("does not know whose job it is"), std::string::npos) << run.report;
    EXPECT_NE(run.report.find(why), std::string::npos) << run.report;
    EXPECT_EQ(run.status["state"], "failed");
    EXPECT_EQ(uid_of(run), "") << stem << " was run";
  }
};

TEST_F(Claims, AFolderWithoutAClaimIsRunAsNobody) {
  leave_run("mallorys", kMallory);
  leave_run("roots", 0);
  start_agent();
  expect_run_as_nobody("mallorys", "its claim is missing");
  expect_run_as_nobody("roots", "its claim is missing");
}

TEST_F(Claims, AFolderOfSomeoneElseThanItsClaimNamesIsRunAsNobody) {
  write_claim(leave_run("given", kMallory), "given.yaml", kAlice);
  write_claim(leave_run("early", kMallory), "early.yaml", {});
  start_agent();
  expect_run_as_nobody("given", "claimed for user 54321, but its folder belongs to user 54322");
  expect_run_as_nobody("early", "already belongs to user 54322");
}

TEST_F(Claims, ADamagedClaimIsNotGuessed) {
  const std::string run = leave_run("torn", kAlice);
  write_text(at("work/.claims/" + run), R"({"tierhub_claim":1,"jobs":"/j","fi)");
  start_agent();
  expect_run_as_nobody("torn", "the record of the claim");
}

// What a user put into his folder must not direct what the agent writes there.
TEST_F(Claims, TheReportOfAFolderOfAUserIsWrittenIntoNothingOfHis) {
  const std::string run = leave_run("trap", kMallory);
  write_text(at("precious"), "precious");
  for (const char* name : {"REPORT.txt", "status.json", "REPORT.txt.tmp", "status.json.tmp"}) {
    fs::create_symlink(at("precious"), jobs("running/" + run + "/" + name));
  }
  start_agent();
  expect_run_as_nobody("trap", "its claim is missing");
  EXPECT_EQ(read_text(at("precious")), "precious");
}

TEST_F(Claims, AFolderThatWasNotGivenAwayYetIsRunAsItsClaimSays) {
  write_claim(leave_run("root-owned", 0), "root-owned.yaml", kAlice);
  start_agent();
  const EndedRun run = ended("root-owned");
  ASSERT_EQ(run.ending, "done") << run.report;
  EXPECT_EQ(uid_of(run), "54321\n");
  expect_no_work_left();
}

// --- Death at every step ---

// The system calls that change something on a disk, and the start of a runner.
const std::map<long, std::string> kSteps = {
    {SYS_openat, "create"},    {SYS_mkdirat, "mkdir"},  {SYS_renameat, "rename"},
    {SYS_renameat2, "rename"}, {SYS_fchown, "chown"},   {SYS_fchmod, "chmod"},
    {SYS_fsync, "sync"},       {SYS_fdatasync, "sync"}, {SYS_unlinkat, "unlink"},
    {SYS_clone, "fork"},       {SYS_clone3, "fork"}};

// Runs an agent under ptrace and ends it right before one of its steps.
class StepTracer {
 public:
  explicit StepTracer(pid_t agent) : agent_(agent) {
    wait_for_stop();
    ::ptrace(PTRACE_SETOPTIONS, agent_, nullptr, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
  }

  // Steps count from here on. Any thread.
  void arm() { armed_ = true; }

  // Kills the agent before its n-th step (from 1). False if it ended before.
  bool kill_before(size_t n) {
    int signal = 0;
    for (;;) {
      ::ptrace(PTRACE_SYSCALL, agent_, nullptr, signal);
      if (!wait_for_stop()) return false;
      signal = 0;
      if (WSTOPSIG(status_) != (SIGTRAP | 0x80)) {
        signal = WSTOPSIG(status_);
        continue;
      }
      const std::string step = armed_ ? step_here() : "";
      if (step.empty()) continue;
      steps_.push_back(step);
      if (steps_.size() < n) continue;
      ::kill(agent_, SIGKILL);
      while (wait_for_stop()) ::ptrace(PTRACE_CONT, agent_, nullptr, 0);
      return true;
    }
  }

  // "sync .../work/.claims", in order; the last one was not done if the agent was killed.
  const std::vector<std::string>& steps() const { return steps_; }

 private:
  bool wait_for_stop() {
    if (::waitpid(agent_, &status_, 0) < 0) throw std::runtime_error("waitpid");
    return WIFSTOPPED(status_);
  }

  std::string step_here() const {
    __ptrace_syscall_info info{};
    ::ptrace(PTRACE_GET_SYSCALL_INFO, agent_, sizeof info, &info);
    if (info.op != PTRACE_SYSCALL_INFO_ENTRY) return "";
    const auto number = static_cast<long>(info.entry.nr);
    const auto found = kSteps.find(number);
    if (found == kSteps.end()) return "";
    const auto& args = info.entry.args;
    if (number == SYS_openat && (args[2] & O_CREAT) == 0) return "";
    if (found->second == "fork") return "fork";
    std::string path = descriptor(static_cast<int>(args[0]));
    if (found->second == "rename") {
      path = descriptor(static_cast<int>(args[2])) + "/" + text_at(args[3]);
    } else if (number == SYS_openat || number == SYS_mkdirat || number == SYS_unlinkat) {
      const std::string name = text_at(args[1]);
      path = name.starts_with('/') ? name : path + "/" + name;
    }
    return found->second + " " + path;
  }

  std::string descriptor(int fd) const {
    std::error_code ignored;
    const std::string link = "/proc/" + std::to_string(agent_) + "/fd/" + std::to_string(fd);
    return fs::read_symlink(link, ignored).string();
  }

  std::string text_at(uint64_t address) const {
    std::ifstream memory("/proc/" + std::to_string(agent_) + "/mem");
    memory.seekg(static_cast<std::streamoff>(address));
    std::string text;
    std::getline(memory, text, '\0');
    return text;
  }

  const pid_t agent_;
  int status_ = 0;
  std::atomic<bool> armed_ = false;
  std::vector<std::string> steps_;
};

class DeathAtEveryStep : public Claims {
 protected:
  // Drops a file and kills the agent before its n-th step. False if it had fewer.
  bool die_before(size_t n, const std::string& stem, std::optional<uid_t> user,
                  std::vector<std::string>& steps) {
    const size_t log_before = agent_log().size();
    StepTracer tracer(start_traced_agent());
    std::atomic<bool> over = false;
    std::exception_ptr failure;
    std::thread other([&] {
      try {
        until("the agent watches; " + agent_log(), [&] {
          return agent_log().find("tieragent watches", log_before) != std::string::npos;
        });
        tracer.arm();
        drop(stem + ".yaml", kWho, user);
        until("the run has ended, or the agent; " + agent_log(), [&] {
          return over ||
                 (names_in(jobs("incoming")).empty() && names_in(at("work/.claims")).empty());
        });
      } catch (...) {
        failure = std::current_exception();
      }
      if (!over) signal_agent(SIGTERM);
    });
    const bool killed = tracer.kill_before(n);
    over = true;
    other.join();
    forget_agent();
    if (failure) std::rethrow_exception(failure);
    steps = tracer.steps();
    return killed;
  }

  // Kills agents before their first, second, ... step until one gets through; returns all steps.
  std::vector<std::string> die_at_every_step(std::optional<uid_t> user,
                                             const std::function<void(const EndedRun&)>& check) {
    std::vector<std::string> steps;
    for (size_t n = 1;; ++n) {
      const std::string stem = "job" + std::to_string(n);
      const bool killed = die_before(n, stem, user, steps);
      SCOPED_TRACE(stem + " died before: " + (killed ? steps.back() : "nothing"));
      if (killed) start_agent();
      check(ended(stem));
      EXPECT_TRUE(names_in(jobs("running")).empty());
      EXPECT_TRUE(names_in(jobs("incoming")).empty());
      EXPECT_EQ(names_in(jobs("done")).size() + names_in(jobs("failed")).size(), n);
      if (!killed) return steps;
      expect_no_work_left();
      signal_agent(SIGTERM);
      wait_for_agent();
      if (HasFailure()) return steps;
    }
  }
};

// Where in the list the k-th step is that begins and ends like this.
size_t place_of(const std::vector<std::string>& steps, const std::string& begin,
                const std::string& end, size_t k = 1) {
  for (size_t i = 0; i < steps.size(); ++i) {
    if (steps[i].starts_with(begin) && steps[i].find(end) != std::string::npos && --k == 0)
      return i;
  }
  ADD_FAILURE() << "no step " << begin << " " << end << " among "
                << ::testing::PrintToString(steps);
  return SIZE_MAX;
}

TEST_F(DeathAtEveryStep, LeavesTheRunToItsUser) {
  const std::vector<std::string> steps = die_at_every_step(kAlice, [&](const EndedRun& run) {
    EXPECT_EQ(run.ending, "done") << run.report << run.log;
    EXPECT_EQ(uid_of(run), "54321\n");
  });
  // What is durable before what.
  const size_t recorded = place_of(steps, "sync", "/work/.claims");
  const size_t made = place_of(steps, "mkdir", "/jobs/running/");
  const size_t taken = place_of(steps, "rename", "/job.yaml");
  const size_t taken_synced = place_of(steps, "sync", "/jobs/running");
  const size_t decided = place_of(steps, "rename", "/work/.claims/", 2);
  const size_t decided_synced = place_of(steps, "sync", "/work/.claims", 4);
  const size_t given = place_of(steps, "chown", "/jobs/running/");
  const size_t started = place_of(steps, "fork", "");
  const size_t moved = place_of(steps, "rename", "/jobs/done/");
  const size_t forgotten = place_of(steps, "unlink", "/work/.claims/");
  const std::array order = {recorded,       made,  taken,   taken_synced, decided,
                            decided_synced, given, started, moved,        forgotten};
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end())) << ::testing::PrintToString(steps);
}

TEST_F(DeathAtEveryStep, LeavesARefusedJobRefused) {
  die_at_every_step({}, [&](const EndedRun& run) {
    EXPECT_EQ(run.ending, "failed");
    EXPECT_NE(run.report.find("--allow-root"), std::string::npos) << run.report;
    EXPECT_EQ(uid_of(run), "");
  });
}

}  // namespace
}  // namespace tierhub::test
