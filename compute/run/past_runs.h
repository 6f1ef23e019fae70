// Looks among runs that have ended for one that this one can be compared with.
#pragma once

#include <string>

#include "compute/run/ledger.h"
#include "compute/run/record.h"

namespace tierhub::compute {

// `done_folder`: done/ of the jobs folder. `ours` is what this run's last line will say. Of this
// user's newest runs there, the newest that did the same work with one worker, that was not held up
// by other runs, and that copied about as much from the archive. As the user of this process.
Baseline find_baseline(const std::string& done_folder, const EndLine& ours);

}  // namespace tierhub::compute
