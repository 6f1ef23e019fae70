// One run, from its claimed file to its report: runs as the user whose job it is.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "compute/run/plan.h"
#include "compute/staging/tier_client.h"

namespace tierhub::compute {

// How a runner ends, as its exit code.
enum class RunnerExit {
  done = 0,
  failed = 1,        // or cancelled
  interrupted = 75,  // the agent is stopping: the run goes on with the next agent
};

// The name that this machine's agent and its runs have in what they report.
std::string host_name();

using OpenTierClient =
    std::function<Result<std::unique_ptr<TierClient>>(const std::string& socket_path)>;

// Returns when the run has ended or the agent has. Blocks SIGCHLD, SIGTERM and SIGINT for the
// process and makes it the reaper of what tasks leave behind.
RunnerExit run_to_its_end(const RunnerOptions& options, const OpenTierClient& open_tier);

}  // namespace tierhub::compute
