// The agent's settings file (--config): where tasks run. etc/tieragent.yaml documents each key.
#pragma once

#include <string>
#include <string_view>

#include "common/result.h"
#include "compute/executors/slurm_settings.h"

namespace tierhub::compute {

enum class ExecutorKind { local, slurm };

struct AgentSettings {
  ExecutorKind executor = ExecutorKind::local;
  SlurmSettings slurm;
};

// The error names the line: "line 3, column 7: ...".
Result<AgentSettings> parse_agent_settings(std::string_view yaml);
// The same for a file; the error names it, too.
Result<AgentSettings> read_agent_settings(const std::string& path);
Result<ExecutorKind> parse_executor(std::string_view text);

}  // namespace tierhub::compute
