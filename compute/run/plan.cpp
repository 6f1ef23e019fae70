#include "compute/run/plan.h"

#include <algorithm>
#include <cstdlib>
#include <map>

#include <unistd.h>

#include <fmt/format.h>

#include "common/posix.h"
#include "common/run_as.h"
#include "compute/executors/text.h"
#include "compute/run/machine_memory.h"
#include "compute/run/own_paths.h"
#include "compute/staging/shared_path.h"

namespace tierhub::compute {
namespace {

std::string variable(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr || *value == '\0' ? otherwise : value;
}

Result<void> check_memory(const Workflow& workflow, const RunnerOptions& options) {
  MachineMemory memory = machine_memory();
  if (options.slurm) memory = {options.slurm->memory_bytes.value_or(UINT64_MAX), false};
  for (const Step& step : workflow.steps) {
    const Resources& wanted = step.resources;
    if (!wanted.memory_bytes || *wanted.memory_bytes <= memory.bytes) continue;
    return Error(std::errc::invalid_argument,
                 fmt::format("{}: the step '{}' asks for {} of memory, but {} {}: ask for less",
                             wanted.memory_place, step.id, wanted.memory_text,
                             options.slurm            ? "a node of the agent's Slurm settings has"
                             : memory.is_cgroup_limit ? "the agent and its tasks may use"
                                                      : "this machine has",
                             size_text(memory.bytes)));
  }
  return {};
}

// As a folder's name.
std::string user_name() {
  const std::string name = variable("USER", "");
  const bool fits = !name.empty() && name.front() != '.' && name.find('/') == std::string::npos;
  return fits ? name : fmt::format("{}", ::geteuid());
}

// NAME=value for each, later settings replacing earlier ones.
std::vector<std::string> joined(const std::map<std::string, std::string>& variables) {
  std::vector<std::string> lines;
  for (const auto& [name, value] : variables) lines.push_back(name + "=" + value);
  return lines;
}

}  // namespace

Result<std::unique_ptr<RunPlan>> RunPlan::make(const RunnerOptions& options, const Job& job,
                                               const Places& places, RunInputs::Prefetch prefetch,
                                               const std::vector<std::string>& known_items) {
  TRY_ASSIGN(Workflow workflow, parse_workflow(job.text, job.values));
  TRY(check_memory(workflow, options));
  std::unique_ptr<RunPlan> plan(new RunPlan(options, std::move(workflow)));
  PlaceholderValues values;
  values.set(Placeholder::run, options.run)
      .set(Placeholder::workflow, plan->workflow_.name)
      .set(Placeholder::user, user_name());
  std::string place = places.absolute(plan->workflow_.output.expand(values));
  // Where each run writes to one place, that of the run which is repeated may be taken.
  if (!job.retry_of.empty() && !plan->workflow_.output.mentions(Placeholder::run)) {
    while (place.size() > 1 && place.ends_with('/')) place.pop_back();
    place += "." + options.run;
  }
  plan->output_.emplace(std::move(place), options.run, user_name());
  TRY_ASSIGN(RunInputs inputs,
             RunInputs::make(plan->workflow_, places, std::move(prefetch), known_items));
  plan->inputs_.emplace(std::move(inputs));
  TRY(plan->check_programs());
  for (size_t step = 0; step < plan->workflow_.steps.size(); ++step) {
    TRY(plan->check_paths_differ(step));
    plan->own_paths_.push_back(own_paths_of(plan->workflow_, step));
  }
  return plan;
}

std::string RunPlan::number(TaskId task) const {
  const size_t width = std::max<size_t>(4, fmt::format("{}", inputs_->size() - 1).size());
  return fmt::format("{:0{}}", task.index, width);
}

std::optional<TaskId> RunPlan::find_task(const std::string& step, size_t index) const {
  for (size_t i = 0; i < workflow_.steps.size(); ++i) {
    if (workflow_.steps[i].id != step) continue;
    if (index >= (workflow_.steps[i].runs_once() ? 1 : inputs_->size())) return std::nullopt;
    return TaskId{i, index};
  }
  return std::nullopt;
}

std::string RunPlan::label(TaskId task) const {
  return fmt::format("{}.{}", workflow_.steps[task.step].id, number(task));
}

PlaceholderValues RunPlan::plain_values_for(TaskId task) const {
  PlaceholderValues values;
  inputs_->describe(workflow_.steps[task.step], task.index, values);
  values.set(Placeholder::task, number(task))
      .set(Placeholder::run, options_.run)
      .set(Placeholder::workflow, workflow_.name)
      .set(Placeholder::user, user_name())
      .set(Placeholder::work, options_.work)
      .set(Placeholder::output, output_->hidden())
      .set(Placeholder::inputs, list_of_inputs(task.step));
  return values;
}

std::string RunPlan::list_of_inputs(size_t step) const {
  return fmt::format("{}/.inputs/{}.txt", options_.work, workflow_.steps[step].id);
}

Result<PlaceholderValues> RunPlan::values_for(TaskId task) const {
  PlaceholderValues values = plain_values_for(task);
  const Step& step = workflow_.steps[task.step];
  if (step.mentions(Placeholder::select)) {
    TRY_ASSIGN(std::string selection, inputs_->selection_of(step, task.index));
    values.set(Placeholder::select, std::move(selection));
  }
  return values;
}

RunPlan::Machine RunPlan::machine() const {
  if (!options_.slurm) return {options_.workers, machine_memory().bytes};
  return {options_.slurm->processors, options_.slurm->memory_bytes.value_or(UINT64_MAX)};
}

std::string RunPlan::search_path() const {
  return programs_folder() + ":" + variable("PATH", "/usr/local/bin:/usr/bin:/bin");
}

Result<void> RunPlan::find_program_of(const Step& step, const PlaceholderValues& values) const {
  const Result<std::string> program =
      find_program(step.run.front().text.expand(values), path_of(step, values), options_.work);
  if (program) return {};
  return Error(program.error().code(),
               fmt::format("{}: the step '{}': {}", step.place, step.id, program.error().text()));
}

std::vector<std::string> RunPlan::own_paths(TaskId task) const {
  std::vector<std::string> paths;
  const PlaceholderValues plain = plain_values_for(task);
  for (const Template& path : own_paths_[task.step]) {
    std::string text;
    if (path.mentions(Placeholder::select)) {
      const Result<PlaceholderValues> values = values_for(task);
      // What cannot be known, because the input cannot be read, was not written either.
      if (!values) continue;
      text = path.expand(*values);
    } else {
      text = path.expand(plain);
    }
    if (text.find("/../") == std::string::npos && !text.ends_with("/.."))
      paths.push_back(std::move(text));
  }
  return paths;
}

std::string RunPlan::path_of(const Step& step, const PlaceholderValues& values) const {
  for (const auto& [name, value] : step.env) {
    if (name == "PATH") return value.text.expand(values);
  }
  return search_path();
}

Result<ProcessSpec> RunPlan::process_for(TaskId task) const {
  const Step& step = workflow_.steps[task.step];
  TRY_ASSIGN(const PlaceholderValues values, values_for(task));
  ProcessSpec spec;
  spec.cwd = options_.work;
  for (const Argument& argument : step.run) {
    spec.arguments.push_back(argument.text.expand(values));
  }
  std::map<std::string, std::string> variables = {
      {"HOME", variable("HOME", "/")},
      {"USER", variable("USER", "")},
      {"PATH", search_path()},
      {"LANG", variable("LANG", "C.UTF-8")},
      {"TIERHUB_RUN", options_.run},
      {"TIERHUB_TASK", number(task)},
      // By this, what leaves its process group is found when it ends.
      {"TIERHUB_MARK", options_.run + "/" + label(task)}};
  // Programs would otherwise start a thread for each processor, also where other tasks run.
  for (const char* name :
       {"TIERHUB_CPUS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"})
    variables[name] = fmt::format("{}", slots_for(step));
  // The socket is on this machine only.
  if (!options_.socket.empty() && !options_.slurm) variables["TIERHUB_SOCKET"] = options_.socket;
  for (const auto& [name, value] : step.env) variables[name] = value.text.expand(values);
  spec.environment = joined(variables);
  spec.program = spec.arguments.front();
  spec.search_path = path_of(step, values);
  return spec;
}

Result<void> RunPlan::make_parents(TaskId task) const {
  TRY_ASSIGN(const PlaceholderValues values, values_for(task));
  for (const Argument& argument : workflow_.steps[task.step].run) {
    const std::string& source = argument.text.source();
    if (!source.starts_with("{work}/") && !source.starts_with("{output}/")) continue;
    const std::string path = argument.text.expand(values);
    const std::string parent = path.substr(0, path.rfind('/'));
    if (parent.find("/../") == std::string::npos) TRY(posix::make_directories(parent, 0777));
  }
  return {};
}

// A program inside {work} may be made by an earlier step; all others must be there now. Nodes of a
// cluster have programs of their own.
Result<void> RunPlan::check_programs() const {
  if (options_.slurm) return {};
  for (size_t step = 0; step < workflow_.steps.size(); ++step) {
    if (!is_made_by_a_step(workflow_.steps[step]))
      TRY(find_program_of(workflow_.steps[step], plain_values_for({step, 0})));
  }
  return {};
}

bool RunPlan::is_made_by_a_step(const Step& step) {
  const Template& program = step.run.front().text;
  return program.mentions(Placeholder::work) || program.mentions(Placeholder::output) ||
         program.source().starts_with("./");
}

NodeOrder RunPlan::needs_of_nodes() const {
  NodeOrder order;
  order.version = TIERHUB_VERSION;
  order.uid = ::geteuid();
  order.gid = ::getegid();
  std::vector<gid_t> groups(static_cast<size_t>(std::max(0, ::getgroups(0, nullptr))));
  const int count = ::getgroups(static_cast<int>(groups.size()), groups.data());
  order.groups.assign(groups.begin(), groups.begin() + std::max(0, count));
  if (const auto name = find_user_name(order.uid)) order.user = name->value_or("");
  order.places = {options_.run_folder, options_.work};
  for (size_t step = 0; step < workflow_.steps.size(); ++step) {
    const Step& what = workflow_.steps[step];
    if (is_made_by_a_step(what)) continue;
    const PlaceholderValues values = plain_values_for({step, 0});
    NodeOrder::Program program{what.run.front().text.expand(values), path_of(what, values),
                               options_.work};
    if (std::find(order.programs.begin(), order.programs.end(), program) == order.programs.end())
      order.programs.push_back(std::move(program));
  }
  if (options_.slurm) {
    order.setup = options_.slurm->setup;
    order.least_read_rate = options_.slurm->least_read_rate;
    order.least_free_tmp = options_.slurm->least_free_tmp;
  }
  return order;
}

Result<void> RunPlan::check_paths_differ(size_t step) const {
  const Step& what = workflow_.steps[step];
  const size_t tasks = what.runs_once() ? 1 : inputs_->size();
  const auto values_of = [&](size_t index) {
    // By file {select} is not known yet; files that differ in it alone have equal names anyway.
    return inputs_->is_cut() ? values_for({step, index})
                             : Result<PlaceholderValues>(plain_values_for({step, index}));
  };
  const std::optional<SharedPath> shared = find_shared_path(what, tasks, values_of);
  if (!shared) return {};
  const auto value = [&](size_t index, Placeholder word) {
    return plain_values_for({step, index}).get(word).value_or("");
  };
  const std::string path = value(shared->first, Placeholder::path);
  const std::string other_path = value(shared->second, Placeholder::path);
  const std::string input = value(shared->first, Placeholder::input);
  const std::string other_input = value(shared->second, Placeholder::input);
  std::string hint;
  if (path != other_path) {
    hint =
        fmt::format("use {{path}}, which is {} for the one and {} for the other", path, other_path);
  } else if (input != other_input) {
    hint = "their {path} is the same too, because only their endings differ: use {task}";
  } else {
    hint = "use {task}, or, for a file that all tasks share, a name without that placeholder";
  }
  return Error(
      std::errc::invalid_argument,
      fmt::format("{}: '{}' is the same for two tasks of the step '{}' ({}), and one would "
                  "overwrite what the other wrote: {}",
                  shared->place, shared->path, what.id,
                  input == other_input ? fmt::format("{} and {}", shared->first, shared->second)
                                       : fmt::format("{} and {}", input, other_input),
                  hint));
}

std::set<std::string> RunPlan::not_obeyed() const {
  std::set<std::string> keys = inputs_->not_obeyed();
  for (const Step& step : workflow_.steps) {
    if (step.resources.cpus <= options_.workers) continue;
    keys.insert(fmt::format("steps.{}.resources.cpus: {} were asked for, this agent has {} workers",
                            step.id, step.resources.cpus, options_.workers));
  }
  return keys;
}

}  // namespace tierhub::compute
