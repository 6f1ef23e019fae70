// A tieragent of its own for a test, on plain folders.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/support/temporary_directory.h"

namespace tierhub::test {

// Asks again and again until `condition` is true; throws with `what` after the deadline.
void until(const std::string& what, const std::function<bool()>& condition,
           std::chrono::milliseconds deadline = std::chrono::seconds(60));

std::string read_text(const std::string& path);
void write_text(const std::string& path, const std::string& text);
std::vector<std::string> names_in(const std::string& folder);

// A user of the tests' own, without an account.
inline constexpr uid_t kAlice = 54321;
inline constexpr uid_t kMallory = 54322;

// Where a run ended.
struct EndedRun {
  std::string ending;  // "done" or "failed"
  std::string run;
  std::string folder;
  nlohmann::json status;
  std::string report;
  std::string log;
};

class AgentTest : public ::testing::Test {
 protected:
  AgentTest();
  ~AgentTest() override;

  // Paths below the folder of the test.
  std::string at(const std::string& path) const { return folder_ / path; }
  std::string jobs(const std::string& path) const { return at("jobs/" + path); }

  void start_agent(std::vector<std::string> more_options = {}, std::optional<uid_t> user = {});
  // Returns when the agent's log says `text`, after what was there before.
  void start_agent_until(const std::string& text, const std::vector<std::string>& more_options);
  // An agent that the caller's thread traces (ptrace): it is stopped where its program begins.
  pid_t start_traced_agent();
  // Its exit code, with what it wrote in `agent_log`.
  int start_agent_and_wait(std::vector<std::string> more_options = {});
  void signal_agent(int signal);
  void wait_for_agent();
  // Somebody else has waited for its end.
  void forget_agent() { agent_ = 0; }
  pid_t agent() const { return agent_; }
  std::string agent_log() const { return read_text(at("agent.log")); }

  // Puts a workflow into incoming/ as programs should: written elsewhere, then renamed.
  void drop(const std::string& file, const std::string& text, std::optional<uid_t> user = {},
            mode_t mode = 0644);
  // The run of a dropped file, once it has ended.
  EndedRun ended(const std::string& stem);
  EndedRun drop_and_wait(const std::string& stem, const std::string& text);
  // A run's work folder and its claim go right after the run has been moved to where it ends.
  void expect_no_work_left();
  // A claim as the agent records it (docs/ON_DISK.md); `owner` is nothing before it is decided.
  void write_claim(const std::string& run, const std::string& file, std::optional<uid_t> owner);
  // The run's folder in running/, once it is there.
  std::string running(const std::string& stem);

 private:
  enum class Traced { no, yes };
  void spawn(const std::vector<std::string>& more_options, std::optional<uid_t> user,
             Traced traced = Traced::no);

  TemporaryDirectory folder_;
  pid_t agent_ = 0;
};

}  // namespace tierhub::test
