// A workflow: the content of a user's file, validated. The file format is described in
// docs/WORKFLOWS.md and etc/workflow.schema.json.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/result.h"
#include "compute/workflow/complaint.h"
#include "compute/workflow/parameters.h"
#include "compute/workflow/placeholders.h"
#include "formats/box.h"
#include "formats/selection.h"

namespace tierhub::compute {

// What one task of a scattered step works on.
enum class ScatterBy { nothing, file, block, t, c, z, well };

struct Scatter {
  ScatterBy by = ScatterBy::nothing;
  // By block only. An axis that is left out is not cut: its size is 0.
  formats::Extent size{0, 0, 0};
  formats::Halo halo;  // by block and by z
};

struct Resources {
  unsigned cpus = 1;                     // worker slots
  std::optional<uint64_t> memory_bytes;  // of all processes of a task
  std::string memory_text;               // as it is written
  std::string memory_place;              // as of an argument
  std::optional<std::chrono::seconds> time;
};

// What happens to the other tasks when one has failed for good.
enum class OnError { stop, carry_on };

// A text of the file with placeholders.
struct Argument {
  Template text;
  std::string place;  // "line 9, column 5", for complaints that need more than the file
};

struct Step {
  std::string id;
  std::vector<Argument> run;
  // Positions in Workflow::steps.
  std::vector<size_t> after;
  std::vector<size_t> gather;
  Resources resources;
  unsigned retry = 0;  // how many more times a failed task is tried
  std::vector<std::pair<std::string, Argument>> env;
  std::string place;  // as of an argument

  // True if the step runs once, whatever the scatter says.
  bool runs_once() const { return !gather.empty(); }
  bool mentions(Placeholder placeholder) const;
};

struct Workflow {
  std::string name;
  std::vector<std::string> datasets;  // paths or globs, as written; at least one
  formats::Selection select;
  bool has_select = false;
  Scatter scatter;
  std::vector<Step> steps;
  OnError on_error = OnError::stop;
  Template output;

  bool mentions(Placeholder placeholder) const;
};

// What a file says, and everything that is wrong with it.
struct CheckedWorkflow {
  std::optional<Workflow> workflow;   // if nothing is wrong
  std::string name;                   // also of a workflow that is wrong, if it has one
  std::vector<Parameter> parameters;  // those that are as they should be
  ParameterValues values;             // of those that have one
  Complaints complaints;              // by their place in the file
};

// Nothing outside `text` is looked at. `given` are values of parameters that replace those in it.
CheckedWorkflow check_workflow(std::string_view text, const ParameterValues& given = {});
// The error is the first complaint: "line 3, column 7: <one sentence>".
Result<Workflow> parse_workflow(std::string_view text, const ParameterValues& given = {});

// The keys that the parser takes, per map of the file, for the test that compares them with the
// published schema.
namespace keys {
const std::vector<std::string_view>& of_workflow();
const std::vector<std::string_view>& of_input();
const std::vector<std::string_view>& of_select();
const std::vector<std::string_view>& of_scatter();
const std::vector<std::string_view>& of_axes();  // scatter.size and scatter.halo
const std::vector<std::string_view>& of_step();
const std::vector<std::string_view>& of_resources();
}  // namespace keys

// "4GiB", "500MB", "1048576": bytes.
Result<uint64_t> parse_size(std::string_view text);
// "1h", "90s", "1h30m", "2d".
Result<std::chrono::seconds> parse_duration(std::string_view text);

}  // namespace tierhub::compute
