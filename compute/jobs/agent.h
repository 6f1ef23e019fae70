// The agent: watches jobs folders, claims what is dropped, starts one runner per run as the user
// whose job it is, grants worker slots, and moves finished runs to done/ or failed/. It parses no
// workflow.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/result.h"
#include "compute/run/owner.h"
#include "compute/run/runner.h"

namespace tierhub::compute {

struct AgentOptions {
  std::vector<std::string> watch;      // jobs folders, absolute
  std::string work;                    // absolute
  std::string socket;                  // of tierd, absolute; empty: tierd is not used
  unsigned workers = 1;                // tasks at a time, over all runs
  std::optional<SlurmSettings> slurm;  // where tasks run; none: on this machine
  unsigned slots_per_user = 0;         // of the workers, for the runs of one user; 0: all
  unsigned runs_per_user = 16;         // at a time; further files of the user wait in incoming/
  RootJobs root_jobs = RootJobs::refused;
  // Where TierHub must be mounted; empty: nowhere. While it is not, nothing is watched, and nothing
  // is made.
  std::string require_mount;
};

// Returns after SIGTERM or SIGINT, or with an error if it cannot start. Must be called before any
// thread exists.
Result<void> run_agent(const AgentOptions& options, const OpenTierClient& open_tier);

}  // namespace tierhub::compute
