// Where the folder of a run is: in running/, done/ or failed/ of a jobs folder that an agent watches.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "api/messages.h"
#include "common/result.h"

namespace tierhub::api {

// The agent whose jobs folder takes a job of this user: root's, or the user's own, as no other runs
// it; on this machine if there is one. Null if no such agent lives.
const Agent* agent_for(const std::vector<Agent>& agents, uint32_t uid, const std::string& host);

struct RunFolder {
  std::string path;
  bool has_ended = false;  // it is in done/ or failed/
};

// Root's agents are asked first, so that a user's agent cannot pass for them. An error if `run` is no
// plain name, or is in none of their folders.
Result<RunFolder> find_run_folder(const std::vector<Agent>& agents, const std::string& run);

// Asks the run to stop, by a file named CANCEL in its folder. An error if it has ended, or if the
// caller may not write there.
Result<void> cancel_run(const RunFolder& folder);

}  // namespace tierhub::api
