// What the parser says of a workflow, for people and for programs. docs/API.md describes the JSON.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "compute/workflow/workflow.h"

namespace tierhub::compute {

// {"name", "type", "description", "default", "unit", "minimum", "maximum", "enum"}: what a
// parameter does not have is left out.
nlohmann::ordered_json to_json(const Parameter& parameter);
// [{"line", "column", "message", "hint", "parameter"}]
nlohmann::ordered_json to_json(const Complaints& complaints);
// {"workflow", "parameters", "values", "steps", "errors"}; no steps if something is wrong.
nlohmann::ordered_json to_json(const CheckedWorkflow& checked);

// A line for each complaint, or one that says what the workflow is.
std::string to_text(const CheckedWorkflow& checked);

// "imgop nuclei": the program of a step and, if it is one with commands, which.
std::string program_text(const Step& step);

}  // namespace tierhub::compute
