// Where the folder of a run is: in running/, done/ or failed/ of a jobs folder that an agent watches.
#pragma once

#include <string>
#include <vector>

#include "api/messages.h"
#include "common/result.h"

namespace tierhub::api {

struct RunFolder {
  std::string path;
  bool has_ended = false;  // it is in done/ or failed/
};

// An error if `run` is no plain name, or is in none of them.
Result<RunFolder> find_run_folder(const std::vector<Agent>& agents, const std::string& run);

// Asks the run to stop, by a file named CANCEL in its folder. An error if it has ended, or if the
// caller may not write there.
Result<void> cancel_run(const RunFolder& folder);

}  // namespace tierhub::api
