#include "compute/executors/slurm_commands.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "compute/jobs/agent_settings.h"

namespace tierhub::compute {
namespace {

using std::chrono::seconds;

bool has(const CommandLineWords& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

TEST(SlurmCommands, NameJobsSoThatAListOfNamesCannotMeanAnother) {
  const std::string name = slurm_job_name("a,b *c", "/jobs/running/a");
  EXPECT_EQ(name.substr(0, 15), "tierhub-a-b--c-");
  EXPECT_EQ(name.size(), 23u);
  EXPECT_NE(name, slurm_job_name("a,b *c", "/other/running/a"));
}

TEST(SlurmCommands, AskForHolders) {
  SlurmSettings settings;
  settings.processors = 16;
  settings.memory_bytes = (uint64_t{64} << 30) + 1;
  settings.time = std::chrono::minutes(90);
  settings.account = "imaging";
  const CommandLineWords words = sbatch_words(settings, "tierhub-x", 3, {"node1", "node2"});
  EXPECT_EQ(words.front(), "sbatch");
  for (const char* word :
       {"--array=1-3", "--no-requeue", "--job-name=tierhub-x", "--nodes=1", "--ntasks=16",
        "--time=90", "--mem=65537M", "--account=imaging", "--exclude=node1,node2"})
    EXPECT_TRUE(has(words, word)) << word;
  for (const std::string& word : words) EXPECT_FALSE(word.starts_with("--partition")) << word;
}

TEST(SlurmCommands, AStepTakesItsShareOfTheNode) {
  SlurmSettings settings;
  settings.processors = 4;
  Resources two;
  two.cpus = 2;
  EXPECT_TRUE(has(srun_words(settings, "7", two, "/bin/tieragent"), "--mem=0"));
  settings.memory_bytes = uint64_t{8} << 30;
  const CommandLineWords words = srun_words(settings, "7", two, "/bin/tieragent");
  EXPECT_TRUE(has(words, "--jobid=7"));
  EXPECT_TRUE(has(words, "--exact"));
  EXPECT_TRUE(has(words, "--cpus-per-task=2"));
  EXPECT_TRUE(has(words, "--mem=4096M"));
  Resources large;
  large.cpus = 99;
  large.memory_bytes = uint64_t{99} << 30;
  EXPECT_EQ(step_memory(settings, large), settings.memory_bytes);
  EXPECT_TRUE(has(srun_words(settings, "7", large, "t"), "--cpus-per-task=4"));
}

TEST(SlurmCommands, ReadTheQueue) {
  const auto jobs =
      parse_squeue("12|11_1|RUNNING|node1|None|1:02:03\n11|11_2|PENDING||Resources|UNLIMITED\n");
  ASSERT_TRUE(jobs) << jobs.error().text();
  ASSERT_EQ(jobs->size(), 2u);
  EXPECT_EQ((*jobs)[0].job, "12");
  EXPECT_EQ((*jobs)[0].name, "11_1");
  EXPECT_EQ((*jobs)[0].node, "node1");
  EXPECT_EQ((*jobs)[0].left, seconds(3723));
  EXPECT_EQ((*jobs)[1].state, "PENDING");
  EXPECT_EQ((*jobs)[1].reason, "Resources");
  EXPECT_FALSE((*jobs)[1].left);
  EXPECT_TRUE(parse_squeue("")->empty());
  EXPECT_FALSE(parse_squeue("slurm_load_jobs error: Unable to contact slurm controller"));
}

TEST(SlurmCommands, KnowWhatHasEnded) {
  for (const char* state :
       {"CANCELLED", "COMPLETED", "FAILED", "TIMEOUT", "NODE_FAIL", "PREEMPTED"})
    EXPECT_TRUE(has_ended({"1", "1_1", state, "node1", "", {}})) << state;
  for (const char* state :
       {"PENDING", "RUNNING", "COMPLETING", "CONFIGURING", "SUSPENDED", "REQUEUED", "?"})
    EXPECT_FALSE(has_ended({"1", "1_1", state, "node1", "", {}})) << state;
}

TEST(SlurmCommands, ReadTimes) {
  EXPECT_EQ(parse_slurm_time("59"), seconds(59));
  EXPECT_EQ(parse_slurm_time("10:00"), seconds(600));
  EXPECT_EQ(parse_slurm_time("3-02:10:01"), seconds(3 * 86400 + 2 * 3600 + 601));
  EXPECT_EQ(parse_slurm_time("0:00"), seconds(0));
  for (const char* text : {"UNLIMITED", "INVALID", "", "1:2:3:4", "-5"})
    EXPECT_FALSE(parse_slurm_time(text)) << text;
}

TEST(SlurmCommands, KnowWhatNeverStarted) {
  EXPECT_TRUE(
      was_refused("srun: error: Unable to confirm allocation for job 5: Invalid job id specified"));
  EXPECT_TRUE(
      was_refused("srun: error: Unable to create step for job 5: Job/step already completing"));
  EXPECT_FALSE(was_refused("srun: error: Node failure on node1"));
  EXPECT_FALSE(was_refused("srun: error: node1: task 0: Killed"));
  EXPECT_FALSE(was_refused(""));
}

TEST(AgentSettings, AreRead) {
  const auto settings = parse_agent_settings(
      "executor: slurm\nslurm:\n  nodes: 3\n  processors: 16\n  memory: 64GiB\n  time: 90m\n"
      "  account: imaging\n  setup: /etc/setup.sh\n  idle_s: 5\n");
  ASSERT_TRUE(settings) << settings.error().text();
  EXPECT_EQ(settings->executor, ExecutorKind::slurm);
  EXPECT_EQ(settings->slurm.nodes, 3u);
  EXPECT_EQ(settings->slurm.processors, 16u);
  EXPECT_EQ(settings->slurm.memory_bytes, uint64_t{64} << 30);
  EXPECT_EQ(settings->slurm.time, std::chrono::minutes(90));
  EXPECT_EQ(settings->slurm.account, "imaging");
  EXPECT_EQ(settings->slurm.setup, "/etc/setup.sh");
  const auto back = parse_slurm_settings(to_json(settings->slurm));
  ASSERT_TRUE(back) << back.error().text();
  EXPECT_EQ(back->nodes, 3u);
  EXPECT_EQ(back->memory_bytes, uint64_t{64} << 30);
  EXPECT_EQ(back->time, std::chrono::minutes(90));
  EXPECT_EQ(back->setup, "/etc/setup.sh");
  EXPECT_EQ(back->idle, seconds(5));
}

TEST(AgentSettings, ThatAreWrongNameTheirPlace) {
  struct Case {
    const char* text;
    const char* error;
  };
  for (const Case& one : {
           Case{"executor: cloud\n", "line 1, column 11: 'cloud' is no executor: local or slurm"},
           Case{"slurm:\n  nodes: 0\n", "line 2, column 10"},
           Case{"slurm:\n  time: 30s\n", "Slurm counts in minutes"},
           Case{"slurm:\n  account: a b\n", "'a b' is no name of Slurm"},
           Case{"slurm:\n  account: --wrap=x y\n", "is no name of Slurm"},
           Case{"slurm:\n  setup: setup.sh\n", "'setup.sh' is no absolute path"},
           Case{"slurm:\n  node: 3\n", "line 2, column 3"},
           Case{"[]\n", "line 1, column 1"},
       }) {
    const auto settings = parse_agent_settings(one.text);
    ASSERT_FALSE(settings) << one.text;
    EXPECT_NE(settings.error().text().find(one.error), std::string::npos)
        << settings.error().text();
  }
}

TEST(AgentSettings, AreThoseOfTheShippedFile) {
  const auto settings = read_agent_settings(TIERHUB_SOURCE_DIR "/etc/tieragent.yaml");
  ASSERT_TRUE(settings) << settings.error().text();
  EXPECT_EQ(settings->executor, ExecutorKind::local);
  const SlurmSettings defaults;
  EXPECT_EQ(to_json(settings->slurm), to_json(defaults));
}

}  // namespace
}  // namespace tierhub::compute
