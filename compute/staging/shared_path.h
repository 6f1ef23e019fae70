// Finds tasks that would overwrite each other's results: two items whose names give the same path.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>

#include "common/result.h"
#include "compute/workflow/workflow.h"

namespace tierhub::compute {

struct SharedPath {
  std::string path;   // as it is written: "{output}/{name}.csv"
  std::string place;  // of its argument
  size_t first = 0;   // the tasks
  size_t second = 0;
};

// The first path in {output} or {work}, in the step's arguments and environment, that names the
// item and is still the same for two tasks. One without a placeholder of the item is meant to be
// shared, and so is a folder in which another path of the step lies. `values_of`: by the number of
// a task; tasks for which it fails are left out.
std::optional<SharedPath> find_shared_path(
    const Step& step, size_t tasks,
    const std::function<Result<PlaceholderValues>(size_t)>& values_of);

}  // namespace tierhub::compute
