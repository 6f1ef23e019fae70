// A run that repeats what failed of an earlier one.
#include <filesystem>
#include <fstream>

#include <signal.h>
#include <unistd.h>

#include "tests/compute/agent_fixture.h"

namespace tierhub::test {
namespace {
namespace fs = std::filesystem;

class Retry : public AgentTest {
 protected:
  Retry() {
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
  void stop() {
    signal_agent(SIGKILL);
    wait_for_agent();
  }

  // b fails until there is a file `mended`; each task leaves a line in `ran`.
  std::string workflow(const std::string& more = "on_error: continue\n") const {
    return "workflow: w\n" + more +
           "input: {dataset: data/*.txt}\nscatter: {by: file}\nsteps:\n"
           "  - id: copy\n"
           "    run: [sh, -c, 'echo copy {name} >> " +
           at("ran") + "; cat \"$1\" > \"$2\"; test {name} != b -o -e " + at("mended") +
           "', sh, \"{input}\", \"{work}/parts/{name}\"]\n"
           "  - id: each\n"
           "    after: copy\n"
           "    run: [sh, -c, 'echo each {name} >> " +
           at("ran") +
           "; cp \"$1\" \"$2\"', sh, \"{work}/parts/{name}\", \"{output}/each/{name}\"]\n"
           "  - id: join\n"
           "    gather: copy\n"
           "    run: [sh, -c, 'cat {work}/parts/* >> {output}/all; until [ ! -e " +
           at("hold") + " ]; do sleep 0.05; done']\n";
  }

  std::string ran() {
    std::string text = read_text(at("ran"));
    fs::remove(at("ran"));
    std::string sorted;
    std::multiset<std::string> lines;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) lines.insert(line);
    for (const std::string& line : lines) sorted += line + "; ";
    return sorted;
  }
  static std::string output(const EndedRun& run, const std::string& file) {
    return read_text(run.status["output"].get<std::string>() + "/" + file);
  }
  EndedRun retry(const std::string& stem, const EndedRun& earlier) {
    return drop_and_wait(stem, "retry_of: " + earlier.run + "\n");
  }
  EndedRun first() {
    EndedRun run = drop_and_wait("first", workflow());
    EXPECT_EQ(run.ending, "done") << run.report << run.log;
    EXPECT_TRUE(run.report.starts_with("2 of 3; failed: b.txt: exit code 1")) << run.report;
    EXPECT_NE(run.report.find("tierctl jobs retry " + run.run + "\n"), std::string::npos)
        << run.report;
    ran();
    return run;
  }
  void expect_whole(const EndedRun& run) {
    ASSERT_EQ(run.ending, "done") << run.report << run.log;
    EXPECT_EQ(output(run, "all"), "abc");
    EXPECT_EQ(output(run, "each/a") + output(run, "each/b") + output(run, "each/c"), "abc");
    EXPECT_EQ(run.status["tasks_failed"], 0);
    EXPECT_EQ(run.status["tasks_done"], 7);
    EXPECT_NE(run.report.find("Everything is done"), std::string::npos) << run.report;
  }
};

TEST_F(Retry, DoesOnlyWhatFailedAndWhatFollowsFromIt) {
  const EndedRun before = first();
  write_text(at("mended"), "");
  const EndedRun run = retry("second", before);
  expect_whole(run);
  EXPECT_EQ(ran(), "copy b; each b; ") << "the others were taken up";
  EXPECT_EQ(run.status["retry_of"], before.run);
  EXPECT_NE(run.report.find("Repeats   " + before.run + ", of which 4 tasks were taken up"),
            std::string::npos)
      << run.report;
  EXPECT_EQ(output(before, "all"), "ac") << "the results of the first stay as they are";
  EXPECT_FALSE(fs::exists(before.status["output"].get<std::string>() + "/each/b"));
  EXPECT_EQ(names_in(at("work/" + before.run)), std::vector<std::string>{});
}

TEST_F(Retry, MayFailAgainAndBeRepeatedAgain) {
  const EndedRun before = first();
  const EndedRun second = retry("second", before);
  ASSERT_EQ(second.ending, "done") << second.report << second.log;
  EXPECT_TRUE(second.report.starts_with("2 of 3; failed: b.txt: ")) << second.report;
  EXPECT_EQ(output(second, "all"), "ac");
  EXPECT_EQ(ran(), "copy b; ");
  const EndedRun refused = retry("refused", before);
  EXPECT_EQ(refused.ending, "failed");
  EXPECT_NE(refused.report.find(second.run + " has taken up what it had finished"),
            std::string::npos)
      << refused.report;
  write_text(at("mended"), "");
  const EndedRun third = retry("third", second);
  expect_whole(third);
  EXPECT_EQ(ran(), "copy b; each b; ");
}

TEST_F(Retry, OfARunThatStoppedGoesOnWithWhatItWrote) {
  const EndedRun before = drop_and_wait("first", workflow(""));
  ASSERT_EQ(before.ending, "failed") << before.report;
  EXPECT_NE(before.report.find("tierctl jobs retry " + before.run + "\n"), std::string::npos)
      << before.report;
  const bool had_a = ran().find("copy a") != std::string::npos;
  ASSERT_TRUE(had_a);
  write_text(at("mended"), "");
  const EndedRun run = retry("second", before);
  expect_whole(run);
  EXPECT_EQ(ran().find("copy a"), std::string::npos) << "it was taken up";
  EXPECT_FALSE(fs::exists(before.folder + "/nothing"));
}

TEST_F(Retry, AnInputThatChangedIsDoneAgain) {
  const EndedRun before = first();
  write_text(at("mended"), "");
  write_text(at("data/a.txt"), "A!");
  const EndedRun run = retry("second", before);
  ASSERT_EQ(run.ending, "done") << run.report << run.log;
  EXPECT_EQ(output(run, "all"), "A!bc");
  EXPECT_EQ(output(run, "each/a"), "A!");
  EXPECT_EQ(ran(), "copy a; copy b; each a; each b; ");
}

TEST_F(Retry, AFileThatIsMissingIsMadeAgain) {
  const EndedRun before = first();
  write_text(at("mended"), "");
  fs::remove(at("work/" + before.run + "/parts/c"));
  const EndedRun run = retry("second", before);
  expect_whole(run);
  EXPECT_EQ(ran(), "copy b; copy c; each b; each c; ");
}

TEST_F(Retry, WithoutItsWorkFolderEverythingRunsAgain) {
  const EndedRun before = first();
  write_text(at("mended"), "");
  fs::remove_all(at("work/" + before.run));
  const EndedRun run = retry("second", before);
  expect_whole(run);
  EXPECT_EQ(ran(), "copy a; copy b; copy c; each a; each b; each c; ");
  EXPECT_NE(run.log.find("nothing is taken up of " + before.run + ": its work folder is gone"),
            std::string::npos)
      << run.log;
}

TEST_F(Retry, OneOutputForAllRunsIsNotOverwritten) {
  const EndedRun before =
      drop_and_wait("first", workflow("on_error: continue\noutput: results/fixed\n"));
  ASSERT_EQ(before.ending, "done") << before.report;
  write_text(at("mended"), "");
  const EndedRun run = retry("second", before);
  expect_whole(run);
  EXPECT_EQ(run.status["output"], at("results/fixed." + run.run));
  EXPECT_EQ(read_text(at("results/fixed/all")), "ac");
}

// Killed after the files were moved, before the record says so; and later, while it works.
TEST_F(Retry, GoesOnAfterADeath) {
  const EndedRun before = first();
  write_text(at("mended"), "");
  write_text(at("hold"), "");
  drop("second.yaml", "retry_of: " + before.run + "\n");
  const std::string folder = running("second");
  until("the last step runs", [&] {
    return read_text(folder + "/run.log").find(" join.0000 | starts") != std::string::npos;
  });
  stop();
  // As if it had died before step 7.
  std::istringstream lines(read_text(folder + "/tasks.jsonl"));
  std::string header;
  std::getline(lines, header);
  write_text(folder + "/tasks.jsonl", header + "\n");
  fs::remove(at("hold"));
  start();
  const EndedRun run = ended("second");
  expect_whole(run);
  EXPECT_NE(run.log.find("takes up 4 of 7 tasks of " + before.run, run.log.find("join.0000")),
            std::string::npos)
      << run.log;
  EXPECT_EQ(output(before, "all"), "ac");
}

TEST_F(Retry, SubmittedByAskingTheAgent) {
  const EndedRun before = first();
  write_text(at("mended"), "");
  const std::string command = std::string(TIERAGENT_PATH) + " --socket none --folder " +
                              at("jobs") + " --retry " + before.run + " > " + at("said") + " 2>&1";
  ASSERT_EQ(std::system(command.c_str()), 0) << read_text(at("said"));
  const std::string said = read_text(at("said"));
  const std::string name = said.substr(0, said.find(' '));
  EXPECT_TRUE(name.starts_with("first-")) << said;
  expect_whole(ended(name));
  EXPECT_NE(std::system(command.c_str()), 0);
  EXPECT_NE(read_text(at("said")).find("was repeated already"), std::string::npos)
      << read_text(at("said"));
}

TEST_F(Retry, AnotherPersonsRunIsNotTakenUp) {
  if (::geteuid() != 0) GTEST_SKIP() << "it changes users";
  const EndedRun before = first();
  fs::create_directories(at("results"));
  ::chmod(at("results").c_str(), 01777);
  drop("second.yaml", "retry_of: " + before.run + "\n", kAlice);
  const EndedRun run = ended("second");
  EXPECT_EQ(run.ending, "failed");
  EXPECT_NE(run.report.find("it is another user's"), std::string::npos) << run.report;
}

}  // namespace
}  // namespace tierhub::test
