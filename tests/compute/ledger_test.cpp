// What a run says of its cost is true.
#include <unistd.h>

#include "tests/compute/agent_fixture.h"

namespace tierhub::test {
namespace {

class Ledger : public AgentTest {
 protected:
  Ledger() {
    for (const char* name : {"a", "b", "c", "d"})
      write_text(at(std::string("data/") + name + ".txt"), name);
  }

  void start(const char* workers) {
    std::vector<std::string> options = {"--workers", workers};
    if (::geteuid() == 0) options.push_back("--allow-root");
    start_agent(options);
  }
  void stop() {
    signal_agent(SIGTERM);
    wait_for_agent();
  }

  // Each task does `script`; a part of what it computes is in a child that it waits for.
  static std::string by_file(const std::string& script) {
    return "workflow: w\ninput: {dataset: data/*.txt}\nscatter: {by: file}\nsteps:\n"
           "  - {id: work, run: [sh, -c, '" +
           script + "']}\n";
  }
};

constexpr const char* kCompute =
    "i=0; while [ $i -lt 150000 ]; do i=$((i+1)); done; "
    "sh -c \"i=0; while [ \\$i -lt 150000 ]; do i=\\$((i+1)); done\"";

TEST_F(Ledger, TheProcessorTimeOfTasksAndTheirChildrenIsMeasured) {
  start("2");
  const EndedRun run = drop_and_wait("job", by_file(kCompute));
  ASSERT_EQ(run.ending, "done") << run.report << run.log;
  double sum_s = 0;
  for (const auto& task : run.status["tasks"]) {
    const double wall_s = run.status["wall_s"];
    EXPECT_GT(task["processor_s"], 0.02) << task;
    EXPECT_LT(task["processor_s"], wall_s * 1.1 + 0.1) << "one process at a time: " << task;
    EXPECT_GT(task["peak_bytes"], 100'000) << task;
    EXPECT_EQ(task["waited_for_data_s"], 0.0) << "nothing is staged without tierd";
    sum_s += task["processor_s"].get<double>();
  }
  EXPECT_NEAR(run.status["processor_s"], sum_s, 0.01);
  EXPECT_NEAR(run.status["busy_processors"].get<double>() * run.status["wall_s"].get<double>(),
              sum_s, 0.05 + 0.01 * sum_s);
  EXPECT_TRUE(run.status["speed_up"].is_null());
  EXPECT_NE(run.report.find("Speed-up  not known: no run with one worker"), std::string::npos)
      << run.report;
}

TEST_F(Ledger, TasksThatSleepAreNotSaidToCompute) {
  start("2");
  const EndedRun run = drop_and_wait("job", by_file("sleep 0.7"));
  ASSERT_EQ(run.ending, "done") << run.report;
  EXPECT_LT(run.status["processor_s"], 0.7);
  EXPECT_GT(run.status["serial_equivalent_s"], 2.7);
  EXPECT_TRUE(run.status["limited_by"].get<std::string>().starts_with("waiting: ")) << run.report;
}

TEST_F(Ledger, SpeedUpIsAgainstARunWithOneWorkerOfTheSameWork) {
  const std::string text = by_file("sleep 0.5");
  start("1");
  const EndedRun first = drop_and_wait("first", text);
  ASSERT_EQ(first.ending, "done") << first.report;
  EXPECT_TRUE(first.status["speed_up"].is_null());
  stop();
  start("2");
  const EndedRun second = drop_and_wait("second", text);
  ASSERT_EQ(second.ending, "done") << second.report;
  EXPECT_EQ(second.status["speed_up_against"], first.run) << second.report;
  const double expected =
      first.status["wall_s"].get<double>() / second.status["wall_s"].get<double>();
  EXPECT_NEAR(second.status["speed_up"], expected, 0.01);
  EXPECT_NE(second.report.find("times as fast as " + first.run + " with one worker"),
            std::string::npos)
      << second.report;

  write_text(at("data/a.txt"), "changed");
  const EndedRun third = drop_and_wait("third", text);
  EXPECT_TRUE(third.status["speed_up"].is_null()) << "its input is another: " << third.report;
  const EndedRun fourth = drop_and_wait("fourth", by_file("sleep 0.4"));
  EXPECT_TRUE(fourth.status["speed_up"].is_null()) << "its workflow is another: " << fourth.report;
}

TEST_F(Ledger, ARunThatWaitedForAnothersSlotsSaysSo) {
  start("1");
  drop("long.yaml", by_file("sleep 1"));
  until("the long run has begun", [&] {
    return read_text(running("long") + "/status.json").find("\"running\"") != std::string::npos;
  });
  const EndedRun run = drop_and_wait("job", by_file("true"));
  ASSERT_EQ(run.ending, "done") << run.report;
  EXPECT_TRUE(run.status["limited_by"].get<std::string>().starts_with("slots: ")) << run.report;
  ended("long");
}

}  // namespace
}  // namespace tierhub::test
