// The agent beside a real tierd: it waits for the mount, outlives it, and says how it is.
#include <algorithm>
#include <filesystem>
#include <stdexcept>
#include <thread>

#include <sys/stat.h>
#include <unistd.h>

#include "tests/compute/agent_fixture.h"
#include "tests/support/tier_fixture.h"

namespace tierhub::test {
namespace {
namespace fs = std::filesystem;
using std::chrono::seconds;

class AgentOfTierd : public AgentTest {
 protected:
  AgentOfTierd() {
    if (::geteuid() != 0) throw std::runtime_error("these tests mount a tier: run them as root");
    ::chmod(fs::path(tier.mount).parent_path().c_str(), 0755);
    ::chmod(tier.archive.c_str(), 0755);
    write_text(tier.in_archive("data/one"), "one");
  }

  std::vector<std::string> options() const {
    return {"--allow-root", "--watch",  tier.in_mount("jobs"),      "--require-mount",
            tier.mount,     "--socket", tier.client().socket_path()};
  }

  size_t count_in_log(const std::string& text) const {
    const std::string log = agent_log();
    size_t count = 0;
    for (size_t at = log.find(text); at != std::string::npos; at = log.find(text, at + 1)) ++count;
    return count;
  }

  void until_it_watches(size_t times) {
    until("the agent watches; " + agent_log(),
          [&] { return count_in_log("tieragent watches") >= times; });
  }

  // Drops a workflow into the mount, and waits until it has ended well.
  void expect_that_jobs_work(const std::string& stem) {
    write_text(tier.in_mount("jobs/" + stem), kJob);
    fs::rename(tier.in_mount("jobs/" + stem), tier.in_mount("jobs/incoming/" + stem + ".yaml"));
    until(stem + " ends; " + agent_log(), [&] {
      const auto names = names_in(tier.in_mount("jobs/done"));
      return std::any_of(names.begin(), names.end(),
                         [&](const std::string& name) { return name.starts_with(stem + "-2"); });
    });
  }

  static constexpr const char* kJob =
      "workflow: w\ninput: {dataset: data/one}\n"
      "steps: [{id: a, run: [cp, \"{input}\", \"{output}/copy\"]}]\n";

  TestTier tier;
};

TEST_F(AgentOfTierd, WaitsForTheMountAndMakesNothingBelowTheBareMountPoint) {
  start_agent_until("waiting for TierHub's mount", options());
  std::this_thread::sleep_for(seconds(3));  // longer than it takes to look again
  EXPECT_EQ(names_in(tier.mount), std::vector<std::string>());
  tier.start();
  until_it_watches(1);
  expect_that_jobs_work("first");
}

TEST_F(AgentOfTierd, FollowsTierdThroughStopsAndDeaths) {
  tier.start();
  start_agent_until("tieragent watches", options());
  expect_that_jobs_work("before");
  tier.stop();
  until("the agent notices", [&] { return count_in_log("mount is gone") == 1; });
  std::this_thread::sleep_for(seconds(3));
  EXPECT_EQ(names_in(tier.mount), std::vector<std::string>());
  tier.start();
  until_it_watches(2);
  expect_that_jobs_work("after-stop");
  tier.kill();
  tier.start();
  until_it_watches(3);
  expect_that_jobs_work("after-kill");
}

TEST_F(AgentOfTierd, RunsGoOnWhenTheMountIsBack) {
  tier.start();
  start_agent_until("tieragent watches", options());
  write_text(tier.in_mount("jobs/incoming/slow.yaml"),
             "workflow: w\ninput: {dataset: data/one}\nsteps:\n"
             "  - id: quick\n    run: [sh, -c, 'echo quick >> " +
                 at("started") +
                 "']\n"
                 "  - id: slow\n    after: quick\n    run: [sh, -c, 'echo slow >> " +
                 at("started") + "; until [ -e " + at("go") + " ]; do sleep 0.1; done']\n");
  until("the slow step runs; " + agent_log(),
        [&] { return read_text(at("started")).find("slow") != std::string::npos; });
  tier.stop();
  until("the agent notices", [&] { return count_in_log("mount is gone") == 1; });
  tier.start();
  until_it_watches(2);
  write_text(at("go"), "");
  until("the run ends; " + agent_log(),
        [&] { return names_in(tier.in_mount("jobs/done")).size() == 1; });
  const std::string started = read_text(at("started"));
  EXPECT_EQ(started.find("quick"), started.rfind("quick")) << started;
  expect_no_work_left();
}

TEST_F(AgentOfTierd, RefusesToTakeAFolderForTheMount) {
  tier.start();
  fs::create_directories(tier.in_mount("folder"));
  start_agent_until("name the mount itself",
                    {"--require-mount", tier.in_mount("folder"), "--socket", "none"});
}

// --- What tierd is told ---

class AgentReports : public AgentOfTierd {
 protected:
  std::vector<api::Agent> agents() const { return tier.client().agents().value(); }
};

TEST_F(AgentReports, TheAgentSaysThatItLivesAndThatItStops) {
  tier.start();
  EXPECT_NE(tier.tierctl({"jobs", "list"}).err.find("no agent has reported"), std::string::npos);
  start_agent({"--socket", tier.client().socket_path()});
  until("the agent is known", [&] { return agents().size() == 1; });
  EXPECT_FALSE(agents()[0].gone);
  EXPECT_EQ(agents()[0].state, "watching");
  EXPECT_EQ(agents()[0].folders, std::vector<std::string>{at("jobs")});
  EXPECT_EQ(tier.status().agents, 1u);
  EXPECT_EQ(tier.tierctl({"jobs", "list"}).err, "");
  signal_agent(SIGTERM);
  wait_for_agent();
  ASSERT_EQ(agents().size(), 1u);
  EXPECT_TRUE(agents()[0].gone);
  EXPECT_EQ(tier.status().agents_gone, 1u);
  EXPECT_NE(tier.tierctl({"jobs", "list"}).err.find("no agent is running"), std::string::npos);
}

TEST_F(AgentReports, ARunOfAnAgentThatDiedIsShownAsSuch) {
  tier.start();
  start_agent({"--allow-root", "--socket", tier.client().socket_path()});
  drop("slow.yaml",
       "workflow: w\ninput: {dataset: data/one}\nsteps: [{id: a, run: [sleep, \"1000\"]}]\n");
  const auto state = [&] {
    const auto runs = tier.client().runs().value();
    return runs.size() == 1 ? runs[0].state : "";
  };
  until("the run is reported; " + agent_log(), [&] { return state() == "running"; });
  until("the agent is known", [&] { return agents().size() == 1; });
  EXPECT_EQ(tier.tierctl({"jobs", "list"}).out.find("gone"), std::string::npos);
  signal_agent(SIGKILL);
  wait_for_agent();
  until(
      "the run is shown as left alone",
      [&] {
        return tier.tierctl({"jobs", "list"}).out.find(" has been gone since ") !=
               std::string::npos;
      },
      seconds(90));
  EXPECT_NE(tier.tierctl({"status"}).out.find(" has been gone since "), std::string::npos);
}

TEST_F(AgentReports, ARefusalIsShownToWhoeverDroppedTheFile) {
  tier.start();
  start_agent({"--socket", tier.client().socket_path()});
  const std::string job =
      "workflow: w\ninput: {dataset: data/one}\nsteps: [{id: a, run: [\"true\"]}]\n";
  drop("roots.yaml", job);
  drop("open.yaml", job, kAlice, 0666);
  until("both are refused; " + agent_log(),
        [&] { return tier.client().runs().value().size() == 2; });
  const std::vector<api::Run> runs = tier.client().runs().value();
  for (const api::Run& run : runs) {
    EXPECT_EQ(run.state, "failed");
    EXPECT_EQ(run.uid, run.run.starts_with("open") ? kAlice : 0);
  }
  const std::string list = tier.tierctl({"jobs", "list"}).out;
  EXPECT_NE(list.find("--allow-root"), std::string::npos) << list;
  EXPECT_NE(list.find("users other than its owner can write to it"), std::string::npos) << list;
}

TEST_F(AgentReports, WhatTierdMissedIsToldWhenItIsBack) {
  tier.start();
  start_agent({"--socket", tier.client().socket_path()});
  until("the agent is known", [&] { return agents().size() == 1; });
  tier.stop();
  drop("roots.yaml", "workflow: w\n");
  EXPECT_EQ(ended("roots").ending, "failed");
  tier.start();
  until("the refusal is told", [&] { return tier.client().runs().value().size() == 1; });
  until("the agent is known again", [&] { return agents().size() == 1; });
}

}  // namespace
}  // namespace tierhub::test
