// What a person asks tierctl about workflows, with a real tierd and a real agent.
#include <algorithm>
#include <csignal>
#include <filesystem>
#include <map>
#include <stdexcept>

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gmock/gmock.h>

#include "tests/compute/agent_fixture.h"
#include "tests/support/tier_fixture.h"

namespace tierhub::test {
namespace {
namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;

constexpr const char* kCopy = R"(workflow: copy
parameters:
  files: {type: dataset}
  note: {type: string, default: plain}
  seconds: {type: number, default: 0, maximum: 60, unit: s}
input: {dataset: "{files}"}
scatter: {by: file}
steps:
  - {id: copy, run: [sh, -c, 'echo "copies $1"; sleep {seconds}; cat "$1" > "$2"', sh, "{input}", "{output}/{note}-{name}"]}
)";

class Jobs : public AgentTest {
 protected:
  Jobs() {
    if (::geteuid() != 0) throw std::runtime_error("these tests mount a tier: run them as root");
    write_text(tier.in_archive("data/a.txt"), std::string(10'000, 'a'));
    write_text(tier.in_archive("data/b.txt"), std::string(20'000, 'b'));
    write_text(at("copy.yaml"), kCopy);
    tier.start();
  }
  void start() {
    start_agent({"--allow-root", "--socket", tier.client().socket_path()});
    until("tierd knows the agent", [&] { return tier.tierctl({"jobs"}).err.empty(); });
  }
  CommandResult ask(const std::string& verb, std::vector<std::string> more) {
    more.insert(more.begin(), {"jobs", verb, at("copy.yaml")});
    return tier.tierctl(more);
  }
  // What stands in running/, done/ or failed/ and begins with the job's name.
  std::string run_of(const std::string& job, const std::string& place) {
    std::string run;
    until(job + " is in " + place + "; " + agent_log(), [&] {
      for (const std::string& name : names_in(jobs(place)))
        if (name.starts_with(job + "-2")) run = name;
      return !run.empty();
    });
    return run;
  }
  TestTier tier;
};

TEST_F(Jobs, ValidateSaysEverythingThatIsWrong) {
  write_text(at("copy.yaml"), "workflow: copy\ninputs: {dataset: d}\nsteps: []\n");
  const CommandResult result = ask("validate", {});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.out, HasSubstr("line 2, column 1: a workflow has no key 'inputs'; did you "
                                    "mean 'input'?\nline 3, column 8: steps must be a list"));
  const json said = json::parse(ask("validate", {"--json"}).out);
  EXPECT_EQ(said.at("errors").at(0).at("line"), 2);
  EXPECT_EQ(said.at("errors").at(0).at("column"), 1);
  EXPECT_EQ(said.at("errors").at(0).at("hint"), "did you mean 'input'?");
}

TEST_F(Jobs, ValidateShowsParametersAndTheirValues) {
  const json said =
      json::parse(ask("validate", {"--set", "files=data/*", "--set", "seconds=1.5", "--json"}).out);
  EXPECT_EQ(said.at("errors"), json::array());
  EXPECT_EQ(said.at("values"), (json{{"files", "data/*"}, {"note", "plain"}, {"seconds", 1.5}}));
  EXPECT_EQ(said.at("parameters").at(2), (json{{"name", "seconds"},
                                               {"type", "number"},
                                               {"default", 0},
                                               {"unit", "s"},
                                               {"maximum", 60}}));
}

TEST_F(Jobs, PlanCountsTasksAndBytesAndRunsAndBringsNothing) {
  const CommandResult result = ask("plan", {"--set", "files=data/*.txt", "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const json plan = json::parse(result.out);
  EXPECT_EQ(plan.at("tasks"), 2);
  EXPECT_EQ(plan.at("bytes"), 30'000);
  EXPECT_EQ(plan.at("bytes_to_bring"), 30'000);
  EXPECT_EQ(plan.at("steps").at(0).at("id"), "copy");
  EXPECT_GT(plan.at("capacity_bytes"), 0);
  EXPECT_EQ(tier.entry("/data/a.txt").state, "cold");
  EXPECT_FALSE(fs::exists(tier.in_mount("results")));

  ASSERT_EQ(tier.tierctl({"prefetch", "--wait", "/data/b.txt"}).exit_code, 0);
  const CommandResult text = ask("plan", {"--set", "files=data/*.txt"});
  EXPECT_THAT(text.out, HasSubstr("copy: 2 tasks on 2 inputs"));
  EXPECT_EQ(
      json::parse(ask("plan", {"--set", "files=data/*.txt", "--json"}).out).at("bytes_to_bring"),
      10'000);
}

// A volume of nuclei.
void make_scan(const std::string& image) {
  ASSERT_EQ(
      run_command({IMGOP_PATH, "synth", "--nuclei", "5", "--shape", "32,128,128", "--out", image})
          .exit_code,
      0);
}

TEST_F(Jobs, PlanWarnsOfWhatTasksWouldRefuse) {
  const std::string image = at("scan.zarr");
  ASSERT_NO_FATAL_FAILURE(make_scan(image));
  const auto warnings = [&](const std::string& values) {
    const CommandResult result = tier.tierctl(
        {"jobs", "plan", "nuclei-blocks", "--set", "image=" + image, "--set", values, "--json"});
    return json::parse(result.out).at("warnings").dump();
  };
  EXPECT_EQ(warnings("diameter=20"), "[]");
  EXPECT_THAT(warnings("diameter=60"),
              HasSubstr("'segment' needs a halo of z=33,y=33,x=33, and has z=16,y=16,x=16"));
}

TEST_F(Jobs, PlanGuessesTheMemoryOfWhatReadsLaterLabelsAndSaysWhatIsNotKnown) {
  const std::string image = at("scan.zarr");
  ASSERT_NO_FATAL_FAILURE(make_scan(image));
  const auto plan = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"jobs", "plan", "nuclei-blocks", "--set", "image=" + image});
    return tier.tierctl(more).out;
  };
  const json steps = json::parse(plan({"--json"})).at("steps");
  std::map<std::string, std::string> notes;
  for (const json& step : steps) {
    notes[step.at("id")] = step.at("memory_note");
    EXPECT_EQ(step.at("memory_bytes").is_null(), step.at("memory_from") == "") << step;
    EXPECT_EQ(step.at("memory_from") == "estimate", step.at("memory_note") == "") << step;
  }
  EXPECT_EQ(notes.at("segment"), "");
  EXPECT_EQ(notes.at("threshold"), "not known: imgop threshold has no estimate");
  EXPECT_EQ(notes.at("split"), "a guess before 'objects' has run");
  EXPECT_THAT(notes.at("nuclei"), HasSubstr("about 1 GiB at most"));
  EXPECT_THAT(plan({}), HasSubstr(" of memory, a guess before 'objects' has run\n"));
}

// A workflow may be planned before anybody has read it: only TierHub's own imgop is asked, and with
// nothing of the workflow's but arguments.
TEST_F(Jobs, PlanRunsNoProgramOfTheWorkflow) {
  write_text(at("evil/imgop"), "#!/bin/sh\ntouch " + at("ran") + "\n");
  ASSERT_EQ(::chmod(at("evil/imgop").c_str(), 0755), 0);
  write_text(at("copy.yaml"),
             "workflow: w\ninput: {dataset: data/a.txt}\nsteps:\n"
             "  - {id: a, run: [imgop, nuclei, --in, \"{input}\"], env: {PATH: " +
                 at("evil") + "}}\n  - {id: b, run: [" + at("evil/imgop") +
                 ", nuclei]}\n  - {id: c, run: [imgop, table, --in, " + tier.in_mount("data") +
                 ", --out, " + at("ran") + ", --columns]}\n");
  const CommandResult result = ask("plan", {"--json"});
  EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
  EXPECT_FALSE(fs::exists(at("ran")));
}

TEST_F(Jobs, PlanOfNothingSaysSo) {
  const CommandResult result = ask("plan", {"--set", "files=data/*.tif"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("data/*.tif"));
}

TEST_F(Jobs, SubmitDropsAFileThatSaysAllValues) {
  start();
  const CommandResult result =
      ask("submit", {"--set", "files=data/a.txt", "--set", "files=data/b.txt", "--set",
                     "note=it's \"{input}\" #1", "--name", "my job", "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const std::string job = json::parse(result.out).at("job");
  EXPECT_TRUE(job.starts_with("my_job-")) << job;
  const std::string folder = jobs("done/" + run_of(job, "done"));
  const json status = json::parse(read_text(folder + "/status.json"));
  EXPECT_EQ(status.at("parameters"), (json{{"files", {"data/a.txt", "data/b.txt"}},
                                           {"note", "it's \"{input}\" #1"},
                                           {"seconds", "0"}}));
  const std::string output = status.at("output");
  EXPECT_EQ(names_in(output),
            (std::vector<std::string>{"it's \"{input}\" #1-a", "it's \"{input}\" #1-b"}));
  EXPECT_THAT(read_text(folder + "/job.yaml"), HasSubstr(kCopy));
}

TEST_F(Jobs, SubmitOfAWrongValueDropsNothing) {
  start();
  const CommandResult result = ask("submit", {"--set", "files=data/*", "--set", "seconds=99"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(result.err, "'seconds' must be at most 60 s, not '99'\n");
  EXPECT_TRUE(names_in(jobs("incoming")).empty());
}

TEST_F(Jobs, SubmitWithoutAnAgentSaysThatNobodyWouldTakeIt) {
  const CommandResult result = ask("submit", {"--set", "files=data/*"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("no agent is running"));
}

TEST_F(Jobs, LogsAreFollowedUntilARunIsCancelled) {
  start();
  const std::string job =
      json::parse(ask("submit", {"--set", "files=data/a.txt", "--set", "seconds=60", "--json"}).out)
          .at("job");
  const std::string run = run_of(job, "running");
  until("the task says something", [&] {
    return tier.tierctl({"jobs", "logs", run}).out.find("copies ") != std::string::npos;
  });
  const int log = ::memfd_create("log", 0);
  const pid_t follower = start_program(
      {TIERCTL_PATH, "--socket", tier.client().socket_path(), "jobs", "logs", "--follow", run}, {},
      log);
  const CommandResult cancelled = tier.tierctl({"jobs", "cancel", run});
  EXPECT_EQ(cancelled.exit_code, 0) << cancelled.err;
  EXPECT_EQ(wait_for_exit(follower, std::chrono::seconds(30)), 0);
  const std::string text = read_text("/proc/self/fd/" + std::to_string(log));
  ::close(log);
  EXPECT_THAT(text, HasSubstr("copies "));
  EXPECT_THAT(text, HasSubstr("cancelled"));
  EXPECT_EQ(run_of(job, "failed"), run);
  EXPECT_EQ(json::parse(read_text(jobs("failed/" + run + "/status.json"))).at("state"),
            "cancelled");
  const std::string last = tier.tierctl({"jobs", "logs", "--lines", "1", run}).out;
  EXPECT_EQ(std::count(last.begin(), last.end(), '\n'), 1) << last;
  EXPECT_THAT(tier.tierctl({"jobs", "cancel", run}).err, HasSubstr("has ended"));
  EXPECT_THAT(tier.tierctl({"jobs", "logs", "../done"}).err, HasSubstr("not the name of a run"));
}

TEST_F(Jobs, WatchShowsARunUntilItsEndAndEndsAsItDoes) {
  start();
  const auto submit = [&](const std::string& files, const std::string& seconds) {
    return json::parse(
               ask("submit", {"--set", "files=" + files, "--set", "seconds=" + seconds, "--json"})
                   .out)
        .at("job")
        .get<std::string>();
  };
  const std::string run = run_of(submit("data/*", "1"), "running");
  until("tierd knows it", [&] { return tier.tierctl({"jobs", "show", run}).exit_code == 0; });
  const CommandResult watched = tier.tierctl({"jobs", "watch"});
  EXPECT_EQ(watched.exit_code, 0) << watched.err;
  EXPECT_THAT(watched.out, HasSubstr("of 2 tasks"));
  EXPECT_THAT(watched.out, HasSubstr("done: 2 of 2 tasks\n"));
  EXPECT_LE(std::count(watched.out.begin(), watched.out.end(), '\n'), 4) << watched.out;

  const std::string long_run = run_of(submit("data/a.txt", "60"), "running");
  until("tierd knows it", [&] { return tier.tierctl({"jobs", "show", long_run}).exit_code == 0; });
  const int out = ::memfd_create("out", 0);
  const pid_t watcher = start_program(
      {TIERCTL_PATH, "--socket", tier.client().socket_path(), "jobs", "watch", long_run}, {}, out);
  until("it says something",
        [&] { return !read_text("/proc/self/fd/" + std::to_string(out)).empty(); });
  tier.tierctl({"jobs", "cancel", long_run});
  EXPECT_EQ(wait_for_exit(watcher, std::chrono::seconds(30)), 1);
  EXPECT_THAT(read_text("/proc/self/fd/" + std::to_string(out)), HasSubstr("cancelled: 0 of 1"));
  ::close(out);
  EXPECT_EQ(tier.tierctl({"jobs", "watch", "no-such-run"}).exit_code, 1);
}

// A file that names a workflow and gives values; the workflow is the one of that moment.
TEST_F(Jobs, AFileOfValuesRunsTheWorkflowThatItNames) {
  write_text(tier.in_mount("lab/copy.yaml"), kCopy);
  start();
  drop("two.params.yaml", "workflow: lab/copy.yaml\nvalues: {files: data/*.txt, note: dropped}\n");
  const std::string folder = jobs("done/" + run_of("two.params", "done"));
  const json status = json::parse(read_text(folder + "/status.json"));
  EXPECT_EQ(status.at("workflow"), "copy");
  EXPECT_EQ(names_in(status.at("output")), (std::vector<std::string>{"dropped-a", "dropped-b"}));
  EXPECT_EQ(read_text(folder + "/workflow.yaml"), kCopy);
}

TEST_F(Jobs, ARunGoesOnWithTheWorkflowThatItBeganWith) {
  write_text(tier.in_mount("lab/copy.yaml"), kCopy);
  start();
  drop("slow.params.yaml",
       "workflow: lab/copy.yaml\nvalues: {files: data/a.txt, note: kept, seconds: 3}\n");
  const std::string run = run_of("slow.params", "running");
  until("its task runs", [&] {
    return tier.tierctl({"jobs", "logs", run}).out.find("copies ") != std::string::npos;
  });
  signal_agent(SIGKILL);
  wait_for_agent();
  write_text(tier.in_mount("lab/copy.yaml"), "nonsense");
  start();
  const std::string folder = jobs("done/" + run_of("slow.params", "done"));
  EXPECT_EQ(names_in(json::parse(read_text(folder + "/status.json")).at("output")),
            std::vector<std::string>{"kept-a"});
}

TEST_F(Jobs, AFileOfValuesThatDoNotFitFailsWithTheReason) {
  write_text(tier.in_mount("lab/copy.yaml"), kCopy);
  start();
  drop("bad.params.yaml", "workflow: lab/copy.yaml\nvalues: {files: data/*.txt, seconds: x}\n");
  const std::string folder = jobs("failed/" + run_of("bad.params", "failed"));
  EXPECT_THAT(read_text(folder + "/REPORT.txt"), HasSubstr("'seconds' must be a number, not 'x'"));
  drop("no.params.yaml", "workflow: counting\nvalues: {files: data/*.txt}\n");
  EXPECT_THAT(read_text(jobs("failed/" + run_of("no.params", "failed")) + "/REPORT.txt"),
              HasSubstr("there is no workflow 'counting'"));
}

}  // namespace
}  // namespace tierhub::test
