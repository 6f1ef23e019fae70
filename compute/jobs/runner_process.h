// Starts a runner: this program again, as another user, inheriting nothing but one socket.
#pragma once

#include <string>
#include <vector>

#include <sys/types.h>

#include "common/result.h"
#include "common/unique_fd.h"
#include "compute/run/owner.h"
#include "compute/run/plan.h"

namespace tierhub::compute {

// The program that runs now, found once at start: a later upgrade does not mix versions, and a user
// needs no way to the file.
class OwnProgram {
 public:
  static Result<OwnProgram> open();
  const std::string& folder() const { return folder_; }
  int fd() const { return fd_.get(); }

 private:
  UniqueFd fd_;
  std::string folder_;
};

// The descriptor that the runner finds its end of the slots' socket at.
inline constexpr int kRunnerSlotsFd = 3;

// The runner leads its own session and gets SIGTERM when this process dies. `slots` becomes
// kRunnerSlotsFd.
Result<pid_t> start_runner(const OwnProgram& program, const Account& account,
                           const RunnerOptions& options, const UniqueFd& slots);

// "--run-as-runner" and what follows; the inverse of what main parses.
std::vector<std::string> runner_arguments(const RunnerOptions& options);

}  // namespace tierhub::compute
