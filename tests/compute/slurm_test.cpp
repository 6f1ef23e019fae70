// Runs whose tasks are steps of a Slurm cluster, which scripts/slurm-sandbox.sh makes on this machine: what Slurm does when
// nodes, daemons and programs fail, and that no task is believed to be done that is not.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <set>
#include <sstream>
#include <stdexcept>

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/compute/agent_fixture.h"
#include "tests/support/command.h"

namespace tierhub::test {
namespace {
namespace fs = std::filesystem;

class Slurm : public AgentTest {
 protected:
  static void SetUpTestSuite() {
    if (::geteuid() != 0)
      throw std::runtime_error("slurmd starts tasks as other users: run this as root");
    cluster_ = new TemporaryDirectory;
    ::chmod(cluster_->path().c_str(), 0755);
    sandbox("start", {"3", "2"});
  }
  static void TearDownTestSuite() {
    sandbox("stop", {});
    delete cluster_;
  }

  static std::string box() { return *cluster_ / "slurm"; }
  static void sandbox(const std::string& verb, const std::vector<std::string>& more) {
    std::vector<std::string> words = {TIERHUB_SOURCE_DIR "/scripts/slurm-sandbox.sh", verb, box()};
    words.insert(words.end(), more.begin(), more.end());
    const CommandResult outcome = run_command(words);
    if (outcome.exit_code != 0) throw std::runtime_error(outcome.text);
  }
  static std::string slurm(std::vector<std::string> words) {
    words.insert(words.begin(), {"env", "SLURM_CONF=" + box() + "/slurm.conf"});
    return run_command(words).out;
  }
  // Nothing of a run may be left after its end. Of a node that died, Slurm itself may still be cleaning up.
  static std::string jobs_left() {
    return slurm({"squeue", "--noheader", "--states=PENDING,RUNNING"});
  }

  Slurm() {
    for (int i = 1; i <= 6; ++i)
      write_text(at("data/f" + std::to_string(i) + ".txt"), std::to_string(i));
  }
  ~Slurm() override {
    EXPECT_EQ(jobs_left(), "") << "left in the queue";
    if (!HasFailure()) return;
    for (const char* folder : {"running", "done", "failed"}) {
      for (const std::string& run : names_in(jobs(folder)))
        std::cout << read_text(jobs(std::string(folder) + "/" + run + "/run.log"));
    }
    std::cout << slurm({"squeue", "--states=all"});
  }

  void start(const std::string& more_settings = "") {
    write_text(at("agent.yaml"),
               "executor: slurm\nslurm:\n  nodes: 3\n  processors: 2\n  memory: 1GiB\n"
               "  time: 30m\n  lease_s: 5\n  slurm_conf: " +
                   box() + "/slurm.conf\n" + more_settings);
    start_agent({"--allow-root", "--workers", "6", "--config", at("agent.yaml")});
  }
  // A program in place of one of Slurm's, which is $REAL in it.
  void replace_command(const std::string& name, const std::string& script) {
    for (const char* command : {"sbatch", "srun", "squeue", "scancel"}) {
      const std::string place = at("commands/") + command;
      fs::create_directories(at("commands"));
      if (!fs::exists(fs::symlink_status(place)))
        fs::create_symlink(std::string("/usr/bin/") + command, place);
    }
    fs::remove(at("commands/" + name));
    write_text(at("commands/" + name), "#!/bin/bash\nREAL=/usr/bin/" + name + "\n" + script);
    ::chmod(at("commands/" + name).c_str(), 0755);
  }
  static std::string by_file(const std::string& script, const std::string& more = "") {
    return "workflow: w\ninput: {dataset: data/*.txt}\nscatter: {by: file}\nsteps:\n"
           "  - id: work\n    run: [sh, -c, '" +
           script + "', '{input}', '{output}/{name}', '{work}']\n" + more +
           "  - id: join\n    gather: work\n    run: [sh, -c, 'cat {output}/f* > {output}/all']\n";
  }
  static std::string once(const std::string& script, const std::string& more = "") {
    return "workflow: w\ninput: {dataset: data/f1.txt}\nsteps:\n"
           "  - id: work\n    run: [sh, -c, '" +
           script + "', '{input}', '{output}/one', '{work}']\n" + more;
  }
  std::string output(const EndedRun& run, const std::string& file) const {
    return read_text(run.status["output"].get<std::string>() + "/" + file);
  }
  // The node on which a task of the run is running now.
  std::string busy_node() const {
    std::string node;
    until("a task runs on a node", [&] {
      node = slurm({"squeue", "--noheader", "--steps", "--format=%N"});
      node = node.substr(0, node.find('\n'));
      return node.starts_with("node") && !names_in(at("marks")).empty();
    });
    return read_text(at("marks/") + names_in(at("marks")).front()).substr(0, 5);
  }

  static TemporaryDirectory* cluster_;
};

TemporaryDirectory* Slurm::cluster_ = nullptr;

// Each task notes where it ran, and that it ran.
constexpr const char* kWaitForGo = "while [ ! -e {work}/../../go ]; do sleep 0.1; done; ";
constexpr const char* kNote = "echo $SLURMD_NODENAME > {work}/../../marks/$(basename $0)-$$; ";

TEST_F(Slurm, SpreadsTasksOverTheNodes) {
  start();
  const EndedRun run =
      drop_and_wait("job", by_file("cat $0 > $1; echo report: $SLURMD_NODENAME; sleep 1"));
  EXPECT_EQ(run.ending, "done") << run.report << run.log;
  EXPECT_EQ(output(run, "all"), "123456");
  std::set<std::string> nodes;
  for (const nlohmann::json& task : run.status["tasks"])
    nodes.insert(task["node"].get<std::string>());
  EXPECT_EQ(nodes, (std::set<std::string>{"node1", "node2", "node3"}));
  EXPECT_EQ(run.status["tasks_done"], 7);
  expect_no_work_left();
}

TEST_F(Slurm, FoldersAreInputsToo) {
  for (const char* image : {"a", "b", "c"}) {
    fs::create_directories(at("images/") + image + ".zarr");
    write_text(at("images/") + image + ".zarr/.zgroup", "{\"zarr_format\": 2}");
  }
  start();
  const EndedRun run = drop_and_wait(
      "job",
      "workflow: w\ninput: {dataset: \"images/*.zarr\"}\nscatter: {by: file}\nsteps:\n"
      "  - id: work\n    run: [sh, -c, 'cp $0/.zgroup $1', '{input}', "
      "'{output}/{name}']\n");
  EXPECT_EQ(run.ending, "done") << run.report << run.log;
  EXPECT_EQ(run.status["tasks_done"], 3);
  for (const nlohmann::json& node : run.status["nodes"]) EXPECT_EQ(node["fault"], "") << node;
}

TEST_F(Slurm, HasTheFaultOfATaskInItsOwnWords) {
  start();
  const EndedRun failed = drop_and_wait("fails", once("echo this is why >&2; exit 3"));
  EXPECT_EQ(failed.ending, "failed");
  EXPECT_NE(failed.report.find("exit code 3: this is why"), std::string::npos) << failed.report;
  const EndedRun missing = drop_and_wait("missing",
                                         "workflow: w\ninput: {dataset: data/f1.txt}\nsteps:\n  - "
                                         "id: work\n    run: [no-such-program, '{input}']\n");
  EXPECT_EQ(missing.ending, "failed");
  EXPECT_NE(missing.report.find("the program 'no-such-program' is in none of"), std::string::npos)
      << missing.report;
}

// srun's own --time looks once a minute or so, and its --mem needs cgroups.
TEST_F(Slurm, EnforcesTimeAndMemoryItself) {
  start();
  const EndedRun slow = drop_and_wait("slow", once("sleep 60", "    resources: {time: 1s}\n"));
  EXPECT_EQ(slow.ending, "failed");
  EXPECT_NE(slow.report.find("took longer than 1.0 s (resources.time)"), std::string::npos)
      << slow.report;
  EXPECT_LT(slow.status["wall_s"].get<double>(), 20);
  const EndedRun large = drop_and_wait(
      "large",
      once("head -c 200M /dev/zero | tail | wc -c; sleep 5", "    resources: {memory: 50MiB}\n"));
  EXPECT_EQ(large.ending, "failed");
  EXPECT_NE(large.report.find("more than 50.0 MiB (resources.memory)"), std::string::npos)
      << large.report;
}

TEST_F(Slurm, DoesNotBelieveAnSrunThatSaysZero) {
  // The first step is said to have succeeded and never ran.
  replace_command("srun", "if [[ $* = *--run-task ]] && mkdir " + at("lied") +
                              " 2>/dev/null; then exit 0; fi\nexec $REAL \"$@\"\n");
  start("  commands: " + at("commands") + "\n");
  const EndedRun run = drop_and_wait("job", by_file("cat $0 > $1"));
  EXPECT_EQ(run.ending, "done") << run.report << run.log;
  EXPECT_EQ(output(run, "all"), "123456");
  EXPECT_TRUE(fs::exists(at("lied")));
  EXPECT_NE(run.log.find("its node was lost"), std::string::npos) << run.log;
  for (const nlohmann::json& task : run.status["tasks"]) EXPECT_EQ(task["attempts"], 1);
}

TEST_F(Slurm, ShortTasksShareAnSrunAndEachHasItsOwnRecord) {
  for (int i = 10; i < 70; ++i)
    write_text(at("data/f" + std::to_string(i) + ".txt"), std::to_string(i));
  replace_command("srun", "echo x >> " + at("sruns") + "\nexec $REAL \"$@\"\n");
  start("  commands: " + at("commands") + "\n");
  const EndedRun run =
      drop_and_wait("job", by_file("sleep 0.3; if [ $(basename $0) = f42.txt ] && mkdir "
                                   "{work}/../../f; then exit 3; fi; "
                                   "echo of $(basename $0); cp $0 $1",
                                   "    retry: 1\n"));
  EXPECT_EQ(run.ending, "done") << run.report << run.log;
  EXPECT_EQ(run.status["tasks_done"], 67);
  size_t tried_twice = 0;
  for (const nlohmann::json& task : run.status["tasks"]) {
    EXPECT_EQ(task["exit_code"], 0);
    tried_twice += task["attempts"] == 2 ? 1 : 0;
  }
  EXPECT_EQ(tried_twice, 1u) << "the failure of one is not that of those before and after it";
  // Each line is of the task that wrote it.
  EXPECT_NE(run.log.find("work.0000 | of f1.txt"), std::string::npos) << run.log;
  const size_t sruns = read_text(at("sruns")).size() / 2;
  EXPECT_GE(sruns, 7u);
  EXPECT_LT(sruns, 30u);
}

// The first srun with several tasks says that it failed, after it has ended.
TEST_F(Slurm, DoesNotBelieveTheRecordsOfABundleThatSrunContradicts) {
  for (int i = 10; i < 40; ++i)
    write_text(at("data/f" + std::to_string(i) + ".txt"), std::to_string(i));
  replace_command("srun", "$REAL \"$@\" < <(tee " + at("orders-$$") +
                              "); code=$?\nif grep -q enough " + at("orders-$$") + " && mkdir " +
                              at("contradicted") + " 2>/dev/null; then exit 9; fi\nexit $code\n");
  start("  commands: " + at("commands") + "\n");
  const EndedRun run = drop_and_wait("job", by_file("sleep 0.3; echo x >> $1"));
  EXPECT_EQ(run.ending, "done") << run.report << run.log;
  EXPECT_TRUE(fs::exists(at("contradicted")));
  EXPECT_NE(run.log.find("its record says that it is done, but srun: exit code 9"),
            std::string::npos)
      << run.log;
  EXPECT_EQ(run.status["tasks_done"], 37);
  for (const nlohmann::json& task : run.status["tasks"]) EXPECT_EQ(task["attempts"], 1);
}

TEST_F(Slurm, DoesNotBelieveARecordThatSrunContradicts) {
  replace_command("srun", "$REAL \"$@\"; code=$?\nif [[ $* = *--run-task ]] && mkdir " +
                              at("contradicted") + " 2>/dev/null; then exit 9; fi\nexit $code\n");
  start("  commands: " + at("commands") + "\n");
  const EndedRun run = drop_and_wait("job", by_file("echo x >> $1"));
  EXPECT_EQ(run.ending, "done") << run.report << run.log;
  EXPECT_NE(run.log.find("its record says that it is done, but srun: exit code 9"),
            std::string::npos)
      << run.log;
  EXPECT_EQ(output(run, "all").size(), 14u) << "one task ran twice";
}

TEST_F(Slurm, ANodeThatDiesCostsNoTask) {
  fs::create_directories(at("marks"));
  start();
  drop("job.yaml", by_file(std::string(kNote) + std::string(kWaitForGo) + "cat $0 > $1"));
  const std::string node = busy_node();
  sandbox("kill", {node});
  write_text(at("go"), "");
  const EndedRun run = ended("job");
  sandbox("revive", {node});
  EXPECT_EQ(run.ending, "done") << run.report << run.log;
  EXPECT_EQ(output(run, "all"), "123456");
  EXPECT_NE(run.log.find(node + " is no longer ours"), std::string::npos) << run.log;
  for (const nlohmann::json& task : run.status["tasks"]) {
    EXPECT_EQ(task["attempts"], 1) << "a lost task is no failure of it";
    EXPECT_NE(task["node"], node);
  }
  until("the node is back", [&] {
    return slurm({"sinfo", "--noheader", "--Node", "--format=%T"}).find("down") ==
           std::string::npos;
  });
}

// Slurm loses the node and says that its jobs have ended, but what it runs goes on: a network that was cut.
TEST_F(Slurm, ATaskThatNobodyReachesHasEndedBeforeItBeginsElsewhere) {
  fs::create_directories(at("marks"));
  fs::create_directories(at("life"));
  start();
  drop("job.yaml", once("echo $SLURMD_NODENAME > {work}/../../marks/$$; "
                        "while [ ! -e {work}/../../go ]; do date +%s%N >> {work}/../../life/$$; "
                        "sleep 0.1; done; cp $0 $1"));
  const std::string node = busy_node();
  const std::string first = names_in(at("marks")).front();
  sandbox("cut", {node});
  const auto times_of = [&](const std::string& attempt) {
    std::istringstream lines(read_text(at("life/" + attempt)));
    return std::vector<int64_t>(std::istream_iterator<int64_t>(lines), {});
  };
  std::string second;
  until("the task runs elsewhere", [&] {
    for (const std::string& attempt : names_in(at("life"))) {
      if (attempt != first && times_of(attempt).size() > 1) second = attempt;
    }
    return !second.empty();
  });
  EXPECT_NE(::kill(std::stoi(first), 0), 0) << "the first attempt still runs";
  EXPECT_NE(read_text(at("marks/" + second)), node + "\n");
  ASSERT_FALSE(times_of(first).empty());
  EXPECT_LT(times_of(first).back(), times_of(second).front());
  write_text(at("go"), "");
  const EndedRun run = ended("job");
  sandbox("kill", {node});
  sandbox("revive", {node});
  EXPECT_EQ(run.ending, "done") << run.report << run.log;
  EXPECT_EQ(output(run, "one"), "1");
  EXPECT_EQ(run.status["tasks"][0]["attempts"], 1);
  EXPECT_FALSE(fs::exists(run.folder + "/.leases"));
  until("the node is back", [&] {
    return slurm({"sinfo", "--noheader", "--Node", "--format=%T"}).find("down") ==
           std::string::npos;
  });
}

// One node of three sees other things than this machine: in a mount namespace of its own.
class SlurmNode : public Slurm {
 protected:
  ~SlurmNode() override {
    sandbox("kill", {"node3"});
    sandbox("revive", {"node3"});
    wait_for_nodes();
  }
  static void wait_for_nodes() {
    until("all nodes are idle", [&] {
      return slurm({"sinfo", "--noheader", "--Node", "--format=%T"}) == "idle\nidle\nidle\n";
    });
  }
  // Starts node3 again after `script`, which changes what it sees.
  static void alter_node(const std::string& script) {
    sandbox("kill", {"node3"});
    ::setenv("TIERHUB_SLURMD_NODE", "node3", 1);
    ::setenv("TIERHUB_SLURMD_UNDER", ("unshare -m sh -c '" + script + "; exec \"$@\"' sh").c_str(),
             1);
    sandbox("revive", {"node3"});
    ::unsetenv("TIERHUB_SLURMD_NODE");
    ::unsetenv("TIERHUB_SLURMD_UNDER");
    wait_for_nodes();
  }
  // Three tasks that take a whole node each, until node3 was looked at.
  void expect_left_out(const std::string& fault, const std::string& program = "sh",
                       std::optional<uid_t> user = {}) {
    drop("job.yaml",
         "workflow: w\ninput: {dataset: \"data/f[123].txt\"}\nscatter: {by: file}\nsteps:\n"
         "  - id: work\n    resources: {cpus: 2}\n    run: [" +
             program +
             ", -c, 'while [ ! -e {work}/../../go ]; do sleep 0.1; done; wc -c < $0 > $1', "
             "'{input}', '{output}/{name}']\noutput: " +
             at("free/{run}") + "\n",
         user);
    const std::string folder = running("job");
    try {
      until("the status names the node",
            [&] { return read_text(folder + "/status.json").find(fault) != std::string::npos; });
    } catch (const std::exception& never) {
      FAIL() << never.what() << "\n"
             << read_text(folder + "/status.json") << "\n"
             << read_text(folder + "/run.log");
    }
    write_text(at("go"), "");
    const EndedRun run = ended("job");
    EXPECT_EQ(run.ending, "done") << run.report << run.log;
    for (const nlohmann::json& node : run.status["nodes"]) {
      const std::string said = node["fault"].get<std::string>();
      EXPECT_EQ(said.find(fault) != std::string::npos, node["node"] == "node3") << node;
      EXPECT_EQ(node["used"], node["node"] != "node3");
    }
    for (const nlohmann::json& task : run.status["tasks"]) EXPECT_NE(task["node"], "node3");
    EXPECT_NE(run.log.find("node3 is not used: "), std::string::npos) << run.log;
    for (const std::string& name : names_in(run.folder))
      EXPECT_FALSE(name.starts_with(".node-check")) << name;
  }
  void make_free() {
    fs::create_directories(at("free"));
    ::chmod(at("free").c_str(), 0777);
  }
};

TEST_F(SlurmNode, WithoutTheMountIsLeftOut) {
  make_free();
  start();
  alter_node("mount -t tmpfs tmpfs " + at("jobs"));
  expect_left_out("is not the folder that it is here: mount it at the same path");
}

TEST_F(SlurmNode, ThatKnowsAnotherUserIsLeftOut) {
  make_free();
  const std::string other = at("passwd");
  write_text(other, "root:x:0:0:root:/root:/bin/sh\nsomebody:x:65534:65534::/:/bin/sh\n");
  start();
  alter_node("mount --bind " + other + " /etc/passwd");
  expect_left_out("the user of the number 65534 is somebody there and nobody here", "sh", 65534);
}

TEST_F(SlurmNode, WithAFullTmpIsLeftOut) {
  make_free();
  start();
  // What the tests have in /tmp stays.
  const std::string top = *cluster_ / "";
  alter_node("mount --rbind /tmp /mnt && mount -t tmpfs -o size=1m tmpfs /tmp && for i in " +
             at("") + " " + top + "; do mkdir -p $i && mount --rbind /mnt${i#/tmp} $i; done");
  expect_left_out("free, less than 64.0 MiB (slurm.free_tmp)");
}

TEST_F(SlurmNode, WithoutAProgramIsLeftOut) {
  make_free();
  fs::create_directories(at("bin"));
  fs::create_symlink("/bin/sh", at("bin/tool"));
  start();
  alter_node("mount -t tmpfs tmpfs " + at("bin"));
  expect_left_out("is not a program that this user can run", at("bin/tool"));
}

TEST_F(SlurmNode, ThatReadsSlowlyIsLeftOut) {
  make_free();
  for (int i = 1; i <= 3; ++i)
    write_text(at("data/f" + std::to_string(i) + ".txt"), std::string(9 << 20, 'x'));
  start("  read_rate: 10MiB\n");
  fs::create_directories(at("real"));
  // It ends with slurmd.
  alter_node("mount --bind " + at("data") + " " + at("real") + "; setpriv --pdeathsig KILL " +
             SLOWFS_PATH + " " + at("real") + " " + at("data") + " --delay-ms 150 > " +
             at("slowfs.log") + " & until grep -qs mounted " + at("slowfs.log") +
             "; do sleep 0.1; done");
  expect_left_out("a second, less than 10.0 MiB (slurm.read_rate)");
}

TEST_F(Slurm, ASetupScriptThatEndsTheShellIsNoSuccess) {
  write_text(at("setup.sh"), "exit 0\n");
  start("  setup: " + at("setup.sh") + "\n");
  const EndedRun run = drop_and_wait("job", once("cat $0 > $1"));
  EXPECT_EQ(run.ending, "failed") << run.log;
  EXPECT_NE(run.report.find("exit code 125"), std::string::npos) << run.report;
}

TEST_F(Slurm, ASetupScriptIsReadBeforeTheTask) {
  write_text(at("setup.sh"), "export LICENCE=here\n");
  start("  setup: " + at("setup.sh") + "\n");
  const EndedRun run = drop_and_wait("job", once("printf $LICENCE > $1"));
  EXPECT_EQ(run.ending, "done") << run.log;
  EXPECT_EQ(output(run, "one"), "here");
}

// As by preemption, at the end of its time, or by an administrator.
TEST_F(Slurm, ANodeThatSlurmTakesBackCostsNoTask) {
  fs::create_directories(at("marks"));
  start();
  drop("job.yaml", by_file(std::string(kNote) + kWaitForGo + "cat $0 > $1"));
  const std::string node = busy_node();
  std::string job = slurm({"squeue", "--noheader", "--array", "--nodelist=" + node, "--format=%i"});
  job.resize(std::min(job.find('\n'), job.size()));
  slurm({"scancel", job});
  const std::string folder = running("job");
  until("the run has noticed", [&] {
    return read_text(folder + "/run.log").find("its node was taken back") != std::string::npos;
  });
  write_text(at("go"), "");
  const EndedRun run = ended("job");
  EXPECT_EQ(run.ending, "done") << run.report << run.log;
  EXPECT_EQ(output(run, "all"), "123456");
  for (const nlohmann::json& task : run.status["tasks"]) EXPECT_EQ(task["attempts"], 1);
}

TEST_F(Slurm, GoesOnWhenTheControllerIsBack) {
  fs::create_directories(at("marks"));
  start();
  drop("job.yaml",
       by_file(std::string(kNote) + kWaitForGo + "cat $0 > $1", "    resources: {cpus: 2}\n"));
  static_cast<void>(busy_node());
  // What it has not saved, the controller forgets: then it takes the holders for jobs that wait.
  const auto begun = fs::file_time_type::clock::now();
  until("the controller has saved its jobs", [&] {
    std::error_code none_yet;
    return fs::last_write_time(box() + "/state/job_state", none_yet) > begun;
  });
  sandbox("controller", {"kill"});
  write_text(at("go"), "");
  const std::string folder = running("job");
  until("the status says what is waited for",
        [&] { return read_text(folder + "/status.json").find("Slurm: ") != std::string::npos; });
  sandbox("controller", {"start"});
  until(
      "the run ends", [&] { return names_in(jobs("running")).empty(); }, std::chrono::minutes(3));
  const EndedRun run = ended("job");
  EXPECT_EQ(run.ending, "done") << run.report << run.log;
  EXPECT_EQ(output(run, "all"), "123456");
  for (const nlohmann::json& task : run.status["tasks"]) EXPECT_EQ(task["attempts"], 1);
  EXPECT_EQ(names_in(at("marks")).size(), 6u) << "each task began once";
}

TEST_F(Slurm, ACancelledRunTellsItsTasksAndLeavesNothing) {
  fs::create_directories(at("marks"));
  start();
  drop("job.yaml", once(std::string(kNote) +
                        "trap \"echo told > {work}/../../told; exit 1\" TERM; sleep 60 & wait"));
  static_cast<void>(busy_node());
  write_text(running("job") + "/CANCEL", "");
  const EndedRun run = ended("job");
  EXPECT_EQ(run.status["state"], "cancelled") << run.log;
  EXPECT_EQ(read_text(at("told")), "told\n");
  EXPECT_EQ(jobs_left(), "");
}

TEST_F(Slurm, AnAgentThatIsKilledGoesOnWithoutDoingAnythingTwice) {
  fs::create_directories(at("marks"));
  start();
  drop("job.yaml", by_file(std::string(kNote) +
                               "flock -n {work}/lock-$(basename $0) sleep 1 || exit 7; cat $0 > $1",
                           "    resources: {cpus: 2}\n"));
  const std::string folder = running("job");
  until("a task is done", [&] {
    return read_text(folder + "/tasks.jsonl").find("\"attempts\"") != std::string::npos;
  });
  signal_agent(SIGKILL);
  wait_for_agent();
  const std::string done = read_text(folder + "/tasks.jsonl");
  start();
  const EndedRun run = ended("job");
  EXPECT_EQ(run.ending, "done") << run.report << run.log;
  EXPECT_EQ(output(run, "all"), "123456");
  // What was done before stays done: its line is there once, and its mark, too.
  const std::string finished = read_text(run.folder + "/tasks.jsonl");
  EXPECT_EQ(finished.substr(0, done.size()), done);
  for (const nlohmann::json& task : run.status["tasks"]) EXPECT_EQ(task["exit_code"], 0);
  expect_no_work_left();
}

// The nodes know users by name: one of Debian's own.
TEST_F(Slurm, RunsAsThePersonWhoDroppedIt) {
  start();
  const uid_t nobody = 65534;
  fs::permissions(at("data"), fs::perms(0755));
  drop("job.yaml",
       "workflow: w\ninput: {dataset: data/f1.txt}\nsteps:\n  - id: work\n    run: [sh, -c, 'id -u "
       "> {output}/id', '{input}']\n"
       "output: " +
           at("free/{run}") + "\n",
       nobody);
  fs::create_directories(at("free"));
  ::chmod(at("free").c_str(), 0777);
  const EndedRun run = ended("job");
  EXPECT_EQ(run.ending, "done") << run.report << run.log;
  EXPECT_EQ(output(run, "id"), "65534\n");
}

TEST_F(Slurm, GivesBackNodesThatHaveNothingToDo) {
  start("  idle_s: 2\n");
  drop("job.yaml", by_file("if [ $(basename $0) = f1.txt ]; then sleep 12; fi; cat $0 > $1"));
  const std::string folder = running("job");
  until("a node is given back", [&] {
    return read_text(folder + "/run.log").find("is no longer ours") != std::string::npos;
  });
  const EndedRun run = ended("job");
  EXPECT_EQ(run.ending, "done") << run.log;
  EXPECT_EQ(output(run, "all"), "123456");
}

}  // namespace
}  // namespace tierhub::test
