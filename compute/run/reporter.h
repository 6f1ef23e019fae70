// Reports the agent's state, and the jobs that it refuses, to tierd. A child process makes the
// calls: the agent's one thread never waits for tierd.
#pragma once

#include <sys/types.h>

#include "api/messages.h"
#include "common/result.h"
#include "common/unique_fd.h"
#include "compute/run/runner.h"

namespace tierhub::compute {

class Reporter {
 public:
  // `socket_path` empty: nothing is reported. Must be called before any thread exists.
  Reporter(OpenTierClient open_tier, std::string socket_path)
      : open_tier_(std::move(open_tier)), socket_path_(std::move(socket_path)) {}
  ~Reporter() { stop(); }
  Reporter(const Reporter&) = delete;
  Reporter& operator=(const Reporter&) = delete;

  // The latest is sent, as soon as tierd answers.
  void report(const api::Agent& agent);
  // Each is sent, unless very many wait for tierd.
  void report(const api::Run& run);
  // The child has ended: the next report starts another one.
  void forget(pid_t pid);
  // Gives what was reported a moment to arrive, then ends the child.
  void stop();

 private:
  void send(const std::string& packet);
  Result<void> start();

  const OpenTierClient open_tier_;
  const std::string socket_path_;
  UniqueFd socket_;
  pid_t child_ = 0;
};

}  // namespace tierhub::compute
