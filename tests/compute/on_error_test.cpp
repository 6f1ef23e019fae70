// What a run does that carries on when a task has failed for good.
#include <filesystem>

#include <signal.h>
#include <unistd.h>

#include "tests/compute/agent_fixture.h"

namespace tierhub::test {
namespace {
namespace fs = std::filesystem;

class OnError : public AgentTest {
 protected:
  OnError() {
    for (const char* name : {"a", "b", "c"})
      write_text(at(std::string("data/") + name + ".txt"), name);
    start();
  }
  void start() {
    if (::geteuid() == 0) {
      start_agent({"--allow-root"});
    } else {
      start_agent();
    }
  }

  static std::string by_file(const std::string& steps) {
    return "workflow: w\non_error: continue\ninput: {dataset: data/*.txt}\n"
           "scatter: {by: file}\nsteps:\n" +
           steps;
  }
  static std::string output(const EndedRun& run, const std::string& file) {
    return read_text(run.status["output"].get<std::string>() + "/" + file);
  }
  // The task of that step and number, as status.json has it.
  static nlohmann::json task(const EndedRun& run, const std::string& step, size_t number) {
    for (const auto& one : run.status["tasks"]) {
      if (one["step"] == step && one["task"] == number) return one;
    }
    return nullptr;
  }
};

// b fails, having written a half of its part.
constexpr const char* kBFails = R"(
  - id: copy
    run: [sh, -c, 'cat "$1" > "$2"; if [ $(cat "$1") = b ]; then echo no b please >&2; exit 3; fi', sh, "{input}", "{work}/parts/{name}"]
    retry: 1
  - id: each
    after: copy
    run: [sh, -c, 'cp "$1" "$2"', sh, "{work}/parts/{name}", "{output}/{name}.out"]
  - id: join
    gather: copy
    run: [sh, -c, 'cat {work}/parts/* > {output}/all; cp "$1" {output}/list', sh, "{inputs}"]
)";

TEST_F(OnError, ATaskThatFailedIsNamedAndTheOthersAreDone) {
  const EndedRun run = drop_and_wait("job", by_file(kBFails));
  ASSERT_EQ(run.ending, "done") << run.report << run.log;
  EXPECT_TRUE(run.report.starts_with(
      "2 of 3; failed: b.txt: exit code 3: no b please\n\nw: done\n\nDone without what failed: 5 "
      "of 7 tasks in "))
      << run.report;
  EXPECT_NE(run.report.find("1 failed and 1 was skipped."), std::string::npos) << run.report;
  EXPECT_NE(run.report.find("\nWhat failed:\n  b.txt: exit code 3: no b please\n"),
            std::string::npos)
      << run.report;
  EXPECT_NE(run.report.find("  b.txt: copy.0001 failed or was skipped\n"), std::string::npos)
      << run.report;
  EXPECT_EQ(output(run, "all"), "ac") << "the half of b is not in it";
  EXPECT_EQ(output(run, "list"), at("data/a.txt") + "\n" + at("data/c.txt") + "\n");
  EXPECT_EQ(output(run, "a.out") + output(run, "c.out"), "ac");
  EXPECT_FALSE(fs::exists(run.status["output"].get<std::string>() + "/b.out"));
  EXPECT_EQ(run.status["state"], "done");
  EXPECT_EQ(run.status["progress"], 1.0);
  EXPECT_EQ(run.status["tasks_done"], 5);
  EXPECT_EQ(run.status["tasks_failed"], 1);
  EXPECT_EQ(run.status["tasks_skipped"], 1);
  EXPECT_EQ(task(run, "copy", 1)["attempts"], 2);
  EXPECT_EQ(task(run, "copy", 1)["state"], "failed");
  EXPECT_EQ(task(run, "copy", 1)["name"], "b.txt");
  EXPECT_EQ(task(run, "each", 1)["state"], "skipped");
  EXPECT_TRUE(task(run, "each", 1)["start"].is_null());
  EXPECT_TRUE(fs::exists(run.status["work"].get<std::string>() + "/parts/a"))
      << "what a repetition would need is kept";
}

TEST_F(OnError, WithoutItARunStopsAsEver) {
  std::string text = by_file(kBFails);
  text.replace(text.find("on_error: continue"), 18, "on_error: stop");
  const EndedRun run = drop_and_wait("job", text);
  EXPECT_EQ(run.ending, "failed");
  EXPECT_NE(run.report.find("the step 'copy' failed at task 1 (tried 2 times): exit code 3: no b"),
            std::string::npos)
      << run.report;
}

TEST_F(OnError, AnInputThatIsGoneIsOneFailure) {
  if (::geteuid() == 0) {
    // root can read everything: a name that matches and whose file is away by then.
    fs::remove(at("data/b.txt"));
    fs::create_directories(at("data/b.txt"));
    fs::create_directories(at("data/b.txt/.zgroup"));
    write_text(at("data/b.txt/.zattrs"), "{");
  } else {
    ::chmod(at("data/b.txt").c_str(), 0);
  }
  const EndedRun run = drop_and_wait(
      "job", by_file("  - id: copy\n    run: [sh, -c, 'cat \"$1\" > \"$2\"', sh, \"{input}\", "
                     "\"{output}/{name}.out\"]\n"));
  ASSERT_EQ(run.ending, "done") << run.report << run.log;
  EXPECT_TRUE(run.report.starts_with("2 of 3; failed: b.txt: ")) << run.report;
  EXPECT_EQ(output(run, "a.out") + output(run, "c.out"), "ac");
  EXPECT_FALSE(fs::exists(run.status["output"].get<std::string>() + "/b.out"));
}

TEST_F(OnError, ARunOfWhichNothingSucceededFails) {
  const EndedRun run = drop_and_wait("job", by_file("  - {id: a, run: [\"false\"]}\n"));
  EXPECT_EQ(run.ending, "failed");
  EXPECT_NE(run.report.find("nothing succeeded: a: exit code 1"), std::string::npos) << run.report;
  EXPECT_EQ(run.status["tasks_failed"], 3);
}

TEST_F(OnError, AResultThatNobodyGatheredIsNoResult) {
  const EndedRun run = drop_and_wait("job", by_file(R"(
  - {id: a, run: [sh, -c, 'echo {name} > {work}/{name}']}
  - {id: b, gather: a, run: ["false"]}
)"));
  EXPECT_EQ(run.ending, "failed") << run.report;
  EXPECT_NE(run.report.find("nothing succeeded: b: exit code 1"), std::string::npos) << run.report;
}

TEST_F(OnError, AFailureIsKnownAfterTheRunWasInterrupted) {
  drop("job.yaml", by_file(R"(
  - {id: a, run: [sh, -c, 'test {name} != b']}
  - {id: wait, gather: a, run: [sh, -c, 'until [ -e "$1" ]; do sleep 0.05; done', sh, ")" +
                           at("go") + R"("]}
)"));
  until("the last step runs; " + agent_log(), [&] {
    return read_text(running("job") + "/run.log").find(" wait.0000 | starts") != std::string::npos;
  });
  signal_agent(SIGKILL);
  wait_for_agent();
  write_text(at("go"), "");
  start();
  const EndedRun run = ended("job");
  ASSERT_EQ(run.ending, "done") << run.report << run.log;
  EXPECT_TRUE(run.report.starts_with("2 of 3; failed: b.txt: exit code 1\n")) << run.report;
  EXPECT_EQ(run.status["tasks_failed"], 1);
  EXPECT_EQ(run.status["tasks_done"], 3);
}

}  // namespace
}  // namespace tierhub::test
