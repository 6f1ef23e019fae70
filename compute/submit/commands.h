// What tieragent does when a person asks it, instead of watching folders. The answers go to standard
// output, as text or as JSON (docs/API.md), what went wrong in a sentence to standard error.
#pragma once

#include <string>
#include <vector>

#include "compute/run/runner.h"

namespace tierhub::compute {

struct AskOptions {
  std::string workflow;             // a path, the name of a shipped one, or "-": standard input
  std::vector<std::string> values;  // NAME=VALUE; a dataset may come several times
  bool json = false;
  std::string socket;           // of tierd; empty: none is used
  std::string programs_folder;  // of tieragent
  std::string name;             // of the job; empty: the workflow's
  std::string folder;           // the jobs folder; empty: that of an agent that tierd knows
};

enum class AskExit { done = 0, failed = 1, usage = 2, unreachable = 3 };

// Everything that is wrong with the workflow. Failed if anything is.
AskExit check_command(const AskOptions& options, const OpenTierClient& open_tier);
// What a run of it would do.
AskExit plan_command(const AskOptions& options, const OpenTierClient& open_tier);
// Drops it into the jobs folder, if nothing is wrong.
AskExit submit_command(const AskOptions& options, const OpenTierClient& open_tier);
// Drops a file that repeats what failed in an earlier run, which is `options.workflow`.
AskExit retry_command(const AskOptions& options, const OpenTierClient& open_tier);
// The shipped workflows.
AskExit list_command(const AskOptions& options);

}  // namespace tierhub::compute
