// Dropping a workflow into a jobs folder, as the person whose job it is:
//   1. It is written to incoming/.<name>.part, which the agent does not look at, and synced.
//   2. That is renamed to incoming/<name>.yaml; a file of that name is never replaced.
//   3. The folder is synced.
// Killed before step 2 it leaves the hidden file and no job.
#pragma once

#include <string>

#include "common/result.h"

namespace tierhub::compute {

// `folder` is the jobs folder; a folder in incoming/ that is the person's own is preferred. Returns
// `name`.
Result<std::string> drop_job(const std::string& folder, const std::string& name,
                             const std::string& text);

}  // namespace tierhub::compute
