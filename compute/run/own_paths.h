// Which paths in {work} and {output} are a task's own: those that it is the first to name, so that
// what is there is its work and nobody else's. When a task fails for good and the run carries on,
// what it left there may be a half, which no step may take for a result.
#pragma once

#include <string>
#include <vector>

#include "compute/workflow/workflow.h"

namespace tierhub::compute {

// Paths as the arguments and variables of a step name them. Of a step that is scattered, only those
// with a placeholder of the item or of the task. Left out are patterns, and what overlaps a path of
// a step that does not depend on this one: that may be somebody else's. Pure.
std::vector<Template> own_paths_of(const Workflow& workflow, size_t step);

// Removes a file or a whole folder, following no link. Nothing there is fine.
Result<void> remove_path(const std::string& path);

}  // namespace tierhub::compute
