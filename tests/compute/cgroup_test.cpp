// What a task started is known by its control group, whatever it did to get away. Needs root, and a
// machine that lets root make control groups.
#include <cerrno>
#include <filesystem>

#include <signal.h>
#include <unistd.h>

#include "tests/compute/agent_fixture.h"

namespace tierhub::test {
namespace {
namespace fs = std::filesystem;

class ControlGroups : public AgentTest {
 protected:
  ControlGroups() {
    write_text(at("data/a.txt"), "a");
    if (::geteuid() == 0) start_agent({"--allow-root"});
  }

  // Its process number goes to a file, then it leaves its session, its parents and its environment.
  std::string escape(const std::string& then) const {
    return "workflow: w\ninput: {dataset: data/a.txt}\nsteps:\n"
           "  - id: a\n"
           "    run: [sh, -c, 'grep -c tierhub /proc/self/cgroup > " +
           at("groups") + "; setsid env -i sh -c \"(/bin/sleep 987 & echo \\$! > " + at("pid") +
           ") &\" & until [ -s " + at("pid") + " ]; do sleep 0.02; done; " + then + "']\n";
  }
  bool no_groups() const { return std::stoi("0" + read_text(at("groups"))) == 0; }
  bool is_alive() const {
    const pid_t pid = std::stoi(read_text(at("pid")));
    return ::kill(pid, 0) == 0;
  }
};

TEST_F(ControlGroups, WhatGotAwayFromATaskEndsWithIt) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root makes control groups";
  const EndedRun run = drop_and_wait("job", escape("true"));
  ASSERT_EQ(run.ending, "done") << run.report << run.log;
  if (no_groups()) GTEST_SKIP() << "no control group can be made here";
  EXPECT_FALSE(is_alive());
}

TEST_F(ControlGroups, WhatARunLeftWhenItsAgentWasKilledEndsWhenItGoesOn) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root makes control groups";
  drop("job.yaml", escape("until [ -e " + at("go") + " ]; do sleep 0.05; done"));
  until("it got away; " + agent_log(), [&] { return !read_text(at("pid")).empty(); });
  if (no_groups()) GTEST_SKIP() << "no control group can be made here";
  signal_agent(SIGKILL);
  wait_for_agent();
  EXPECT_TRUE(is_alive()) << "nothing but its group knows it";
  const pid_t pid = std::stoi(read_text(at("pid")));
  fs::remove(at("pid"));
  write_text(at("go"), "");
  start_agent({"--allow-root"});
  const EndedRun run = ended("job");
  EXPECT_EQ(run.ending, "done") << run.report << run.log;
  EXPECT_NE(::kill(pid, 0), 0) << "of the first agent";
  EXPECT_FALSE(is_alive()) << "of the second";
}

TEST_F(ControlGroups, AreGoneAfterTheRun) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root makes control groups";
  const EndedRun run = drop_and_wait("job", escape("cat /proc/self/cgroup"));
  ASSERT_EQ(run.ending, "done") << run.report << run.log;
  if (no_groups()) GTEST_SKIP() << "no control group can be made here";
  EXPECT_NE(run.log.find("/tierhub." + run.run + "/a.0000"), std::string::npos) << run.log;
  std::error_code ignored;
  for (const char* root : {"/sys/fs/cgroup/memory", "/sys/fs/cgroup/unified", "/sys/fs/cgroup"}) {
    auto entry = fs::recursive_directory_iterator(
        root, fs::directory_options::skip_permission_denied, ignored);
    for (; entry != fs::recursive_directory_iterator(); entry.increment(ignored)) {
      if (!entry->is_directory(ignored)) entry.disable_recursion_pending();
      EXPECT_EQ(entry->path().string().find("tierhub." + run.run), std::string::npos)
          << entry->path();
    }
  }
}

}  // namespace
}  // namespace tierhub::test
