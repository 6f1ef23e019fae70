// Everything about a run that is decided before its first task starts: once a plan exists, nothing
// in the workflow file can turn out to be wrong.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/result.h"
#include "compute/executors/node_check.h"
#include "compute/executors/process.h"
#include "compute/executors/slurm_settings.h"
#include "compute/run/output_place.h"
#include "compute/staging/inputs.h"
#include "compute/workflow/job_file.h"
#include "compute/workflow/workflow.h"

namespace tierhub::compute {

// What the agent tells a runner.
struct RunnerOptions {
  std::string run;
  std::string run_folder;            // running/<run>, this user's
  std::string work;                  // {work}
  std::string root;                  // of relative paths, if tierd is not used
  std::string socket;                // of tierd; empty: not used
  std::string programs_folder;       // searched before PATH
  std::vector<std::string> cgroups;  // of the run; none where none can be made
  unsigned workers = 1;
  // Where tasks run; none: on this machine.
  std::optional<SlurmSettings> slurm = {};
  int slots_fd = -1;
  // The folder of programs where tasks run.
  const std::string& task_programs() const {
    return slurm && !slurm->programs_folder.empty() ? slurm->programs_folder : programs_folder;
  }
  // Not empty: nothing is run, the report says that the run failed for this reason.
  std::string give_up_reason;
};

// Fixed once made.
class RunPlan {
 public:
  // `known_items`: see RunInputs::make.
  static Result<std::unique_ptr<RunPlan>> make(const RunnerOptions& options, const Job& job,
                                               const Places& places, RunInputs::Prefetch prefetch,
                                               const std::vector<std::string>& known_items);

  const Workflow& workflow() const { return workflow_; }
  const RunInputs& inputs() const { return *inputs_; }
  const OutputPlace& output() const { return *output_; }
  const std::string& work() const { return options_.work; }
  const std::string& programs_folder() const { return options_.task_programs(); }
  std::set<std::string> not_obeyed() const;
  unsigned slots_for(const Step& step) const {
    return std::min(step.resources.cpus, options_.workers);
  }

  // Paths in {work} and {output} where only this task writes, see own_paths.h.
  std::vector<std::string> own_paths(TaskId task) const;

  // The task of that step, or nothing if there is none.
  std::optional<TaskId> find_task(const std::string& step, size_t index) const;
  // What one task can have at most: a node of the cluster, or this machine.
  struct Machine {
    unsigned slots = 1;
    uint64_t memory_bytes = 0;
  };
  Machine machine() const;

  // What a node needs for the tasks, without nonce and input.
  NodeOrder needs_of_nodes() const;
  // "segment.0003"
  std::string label(TaskId task) const;
  Result<ProcessSpec> process_for(TaskId task) const;
  // The file that {inputs} of a step means.
  std::string list_of_inputs(size_t step) const;
  // Makes the folders that arguments such as "{work}/labels/{task}.zarr" lie in.
  Result<void> make_parents(TaskId task) const;

 private:
  RunPlan(const RunnerOptions& options, Workflow workflow)
      : options_(options), workflow_(std::move(workflow)) {}
  std::string number(TaskId task) const;
  // All but {select}.
  PlaceholderValues plain_values_for(TaskId task) const;
  Result<PlaceholderValues> values_for(TaskId task) const;
  // An earlier step may make it.
  static bool is_made_by_a_step(const Step& step);
  // An error if the step's program is neither beside the agent nor on the PATH that its tasks get.
  Result<void> find_program_of(const Step& step, const PlaceholderValues& values) const;
  std::string path_of(const Step& step, const PlaceholderValues& values) const;
  std::string search_path() const;
  Result<void> check_programs() const;
  // An error if two tasks of a step would write one file.
  Result<void> check_paths_differ(size_t step) const;

  RunnerOptions options_;
  Workflow workflow_;
  std::vector<std::vector<Template>> own_paths_;  // by step
  std::optional<RunInputs> inputs_;
  std::optional<OutputPlace> output_;
};

}  // namespace tierhub::compute
