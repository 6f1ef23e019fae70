// Slurm's programs, as they are called here, and what they print. Nothing in this file runs anything.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "compute/executors/slurm_settings.h"
#include "compute/workflow/workflow.h"

namespace tierhub::compute {

using CommandLineWords = std::vector<std::string>;

// "tierhub-<run>-<8 digits>": letters, digits, '.', '_' and '-' alone, since squeue and scancel take
// lists of names. `run_folder` tells apart runs of one name of two agents.
std::string slurm_job_name(std::string_view run, std::string_view run_folder);

// So many holders: jobs of one node each that do nothing but hold it.
CommandLineWords sbatch_words(const SlurmSettings& settings, const std::string& job_name,
                              unsigned nodes, const std::vector<std::string>& excluded_nodes);
// What a holder runs: the text for sbatch's standard input.
std::string_view holder_script();
// A step of `job`; `wrapper`: tieragent as the nodes see it.
CommandLineWords srun_words(const SlurmSettings& settings, const std::string& job,
                            const Resources& resources, const std::string& wrapper);
// The step that checks the node of `job` (node_check.h).
CommandLineWords check_words(const SlurmSettings& settings, const std::string& job,
                             const std::string& wrapper);
// Also the jobs that have ended, as long as Slurm remembers them.
CommandLineWords squeue_words(const std::string& job_name);
CommandLineWords scancel_words(const std::string& job_name);
// Signals the steps of all holders, not the holders.
CommandLineWords scancel_steps_words(const std::string& job_name);
CommandLineWords scancel_job_words(const std::string& name);

// One line of squeue.
struct QueuedJob {
  std::string job;    // for srun: its number; while an array is pending, all its jobs have the same
  std::string name;   // for scancel: "8_3"; the number 8 would mean the whole array
  std::string state;  // "PENDING", "RUNNING", "COMPLETING", "NODE_FAIL"
  std::string node;   // empty while it is pending
  std::string reason;                        // "Resources"
  std::optional<std::chrono::seconds> left;  // none: unlimited or unknown
};
// Nothing of the job runs any more.
bool has_ended(const QueuedJob& job);
// An error if a line is none of squeue_words().
Result<std::vector<QueuedJob>> parse_squeue(std::string_view text);
// "3-02:10:00", "10:00", "59": how squeue writes a time.
std::optional<std::chrono::seconds> parse_slurm_time(std::string_view text);

// Whether srun's messages prove that the step was never started: the controller did not answer, or
// refused it.
bool was_refused(std::string_view messages);

// The processors of one step: what the task asks for, as far as a node has them.
unsigned step_processors(const SlurmSettings& settings, const Resources& resources);
// The memory of one step, in whole MiB as Slurm counts: what the task asks for, else its share of the
// node; none: Slurm is not told of it.
std::optional<uint64_t> step_memory(const SlurmSettings& settings, const Resources& resources);

}  // namespace tierhub::compute
