// Agents and runners that die: runs go on where they were.
#include <filesystem>

#include <signal.h>
#include <unistd.h>

#include "tests/compute/agent_fixture.h"

namespace tierhub::test {
namespace {
namespace fs = std::filesystem;

class Crash : public AgentTest {
 protected:
  Crash() {
    for (const char* name : {"a", "b", "c"}) write_text(at(std::string("data/") + name), name);
    start();
  }

  void start() {
    if (::geteuid() == 0) {
      start_agent({"--allow-root"});
    } else {
      start_agent();
    }
  }

  // Each task notes that it was started; the last one waits for a file named `go`.
  std::string workflow() const {
    return "workflow: w\ninput: {dataset: data}\nscatter: {by: file}\nsteps:\n"
           "  - id: quick\n    run: [sh, -c, 'echo {task} >> " +
           at("started") +
           "; echo \"report: counted {task}\"']\n"
           "  - id: slow\n    gather: quick\n"
           "    run: [sh, -c, 'sleep 1000 & echo $$ $! > " +
           at("pids") + "; echo slow >> " + at("started") + "; until [ -e " + at("go") +
           " ]; do sleep 0.1; done; kill $!; "
           "touch {output}/ok']\n";
  }

  // Drops the workflow and returns when its last task runs.
  void run_until_slow() {
    drop("job.yaml", workflow());
    until("the slow task runs; " + agent_log(),
          [&] { return read_text(at("started")).find("slow") != std::string::npos; });
  }

  // The processes of the slow task.
  std::vector<pid_t> processes() const {
    std::stringstream text(read_text(at("pids")));
    return {std::istream_iterator<pid_t>(text), std::istream_iterator<pid_t>()};
  }

  void expect_gone(const std::vector<pid_t>& pids) {
    ASSERT_EQ(pids.size(), 2u);
    for (const pid_t pid : pids) {
      until("process " + std::to_string(pid) + " ends", [&] { return ::kill(pid, 0) != 0; });
    }
  }

  // The quick tasks ran once, the slow one twice.
  void expect_no_task_was_repeated() {
    const std::string started = read_text(at("started"));
    for (const char* task : {"0000", "0001", "0002"}) {
      EXPECT_EQ(started.find(task), started.rfind(task)) << started;
      EXPECT_NE(started.find(task), std::string::npos) << started;
    }
  }

  void expect_it_ends_well() {
    write_text(at("go"), "");
    const EndedRun run = ended("job");
    EXPECT_EQ(run.ending, "done") << run.report << run.log;
    EXPECT_TRUE(fs::exists(run.status["output"].get<std::string>() + "/ok"));
    EXPECT_EQ(run.status["tasks_done"], 4);
    EXPECT_EQ(run.status["tasks"].size(), 4u);
    EXPECT_NE(run.report.find("  counted 0000\n  counted 0001\n  counted 0002\n"),
              std::string::npos)
        << run.report;
    expect_no_task_was_repeated();
  }
};

TEST_F(Crash, KillingTheAgentEndsTasksAndTheNextAgentGoesOn) {
  run_until_slow();
  signal_agent(SIGKILL);
  wait_for_agent();
  expect_gone(processes());
  EXPECT_EQ(names_in(jobs("running")).size(), 1u);
  start();
  expect_it_ends_well();
}

TEST_F(Crash, StoppingTheAgentEndsTasksAndTheNextAgentGoesOn) {
  run_until_slow();
  signal_agent(SIGTERM);
  wait_for_agent();
  expect_gone(processes());
  start();
  expect_it_ends_well();
}

TEST_F(Crash, ARunnerThatDiesIsStartedAgain) {
  run_until_slow();
  const std::vector<pid_t> pids = processes();
  const std::string log = agent_log();
  const size_t at_pid = log.rfind("pid=") + 4;
  ASSERT_EQ(::kill(std::stoi(log.substr(at_pid)), SIGKILL), 0);
  expect_gone(pids);
  expect_it_ends_well();
}

TEST_F(Crash, ARunWhoseAgentDiedBeforeItWasMovedIsOnlyMoved) {
  drop("job.yaml", workflow());
  write_text(at("go"), "");
  const EndedRun run = ended("job");
  ASSERT_EQ(run.ending, "done") << run.report;
  signal_agent(SIGKILL);
  wait_for_agent();
  write_claim(run.run, "job.yaml", ::geteuid());
  fs::create_directories(at("work/" + run.run));
  fs::rename(run.folder, jobs("running/" + run.run));
  start();
  EXPECT_EQ(ended("job").ending, "done");
  expect_no_task_was_repeated();
}

TEST_F(Crash, ARunOfAnotherMachinesAgentIsLeftAlone) {
  signal_agent(SIGTERM);
  wait_for_agent();
  write_text(jobs("running/theirs-20260102T030405Z-abcd/job.yaml"), workflow());
  start();
  drop("job.yaml", "workflow: w\ninput: {dataset: data/a}\nsteps: [{id: a, run: [\"true\"]}]\n");
  EXPECT_EQ(ended("job").ending, "done");
  EXPECT_EQ(names_in(jobs("running")), std::vector<std::string>{"theirs-20260102T030405Z-abcd"});
}

TEST_F(Crash, AClaimThatWasCutShortIsMended) {
  signal_agent(SIGTERM);
  wait_for_agent();
  // Before the rename: the file still lies in incoming/.
  write_claim("early-20260102T030405Z-abcd", "early.yaml", {});
  fs::create_directories(jobs("running/early-20260102T030405Z-abcd"));
  write_text(jobs("incoming/early.yaml"),
             "workflow: w\ninput: {dataset: data/a}\nsteps: [{id: a, run: [\"true\"]}]\n");
  // After it: nobody has decided whose it is.
  write_claim("late-20260102T030405Z-abcd", "late.yaml", {});
  write_text(jobs("running/late-20260102T030405Z-abcd/job.yaml"),
             "workflow: w\ninput: {dataset: data/a}\nsteps: [{id: a, run: [\"true\"]}]\n");
  ::chmod(jobs("running/late-20260102T030405Z-abcd/job.yaml").c_str(), 0666);
  start();
  EXPECT_EQ(ended("early").ending, "done");
  const EndedRun late = ended("late");
  EXPECT_EQ(late.ending, "failed");
  EXPECT_NE(late.report.find("can write to it"), std::string::npos) << late.report;
  EXPECT_TRUE(names_in(jobs("running")).empty());
  expect_no_work_left();
}

TEST_F(Crash, TwoAgentsDoNotShareAWorkFolder) {
  const pid_t first = agent();
  EXPECT_EQ(start_agent_and_wait(), 1);
  EXPECT_NE(agent_log().find("another tieragent uses the work folder"), std::string::npos);
  EXPECT_EQ(::kill(first, SIGTERM), 0);
}

}  // namespace
}  // namespace tierhub::test
