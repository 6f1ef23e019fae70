// Starts a runner: this program again, as another user, inheriting nothing but one socket.
#pragma once

#include <string>
#include <vector>

#include <sys/types.h>

#include "common/result.h"
#include "common/run_as.h"
#include "common/unique_fd.h"
#include "compute/run/plan.h"

namespace tierhub::compute {

// The descriptor that the runner finds its end of the slots' socket at.
inline constexpr int kRunnerSlotsFd = 3;

// The runner leads its own session and gets SIGTERM when this process dies. `slots` becomes
// kRunnerSlotsFd. It joins `cgroups`, see SpawnPlan. The program is the one that runs now: a later upgrade does not mix versions, and
// the user needs no way to the file.
Result<pid_t> start_runner(const Account& account, const RunnerOptions& options,
                           const UniqueFd& slots, const std::vector<UniqueFd>& cgroups);

// "--run-as-runner" and what follows; the inverse of what main parses.
std::vector<std::string> runner_arguments(const RunnerOptions& options);

}  // namespace tierhub::compute
