// How a site's Slurm is used: the section `slurm` of the agent's configuration.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/result.h"

namespace tierhub::compute {

struct SlurmSettings {
  unsigned nodes = 1;                    // of one run, at most
  unsigned processors = 1;               // of each node: worker slots
  std::optional<uint64_t> memory_bytes;  // of each node; none: not asked for, and not limited
  std::chrono::minutes time{240};        // for which a node is asked
  std::string account;                   // these four: empty: as Slurm decides
  std::string partition;
  std::string qos;
  std::string reservation;
  std::string setup;                // a shell script that nodes read before a task; empty: none
  std::string programs_folder;      // where tieragent and imgop are on nodes; empty: as here
  std::string commands_folder;      // of sbatch, srun, squeue and scancel; empty: they are in PATH
  std::string configuration;        // SLURM_CONF; empty: as Slurm decides
  unsigned starts_per_second = 10;  // of srun, over all runs
  std::chrono::seconds idle{60};    // after which a node without a task is given back
  uint64_t least_read_rate = 0;     // bytes a second that a node must read of an input; 0: any
  uint64_t least_free_tmp = uint64_t{64} << 20;  // in a node's /tmp
  std::chrono::seconds lease{45};  // for which a task goes on if it hears nothing of its run
};

// The text of the agent for its runners, and back. One line.
std::string to_json(const SlurmSettings& settings);
Result<SlurmSettings> parse_slurm_settings(std::string_view json);

}  // namespace tierhub::compute
