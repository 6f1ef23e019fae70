// The process that answers for one person, with that person's rights: what it may read and do, the
// kernel and tierd decide.
#pragma once

#include <chrono>

#include "common/result.h"
#include "common/unique_fd.h"
#include "hub/worker/routes.h"

namespace tierhub::hub {

struct WorkerOptions {
  UniqueFd listener;  // see front/workers.h
  WorkerRoutes::Place place;
  std::chrono::seconds idle_limit{15 * 60};
};

// Enters the sandbox, and serves until nobody has asked for anything for so long, or a signal comes.
// Call it before there are other threads.
Result<void> run_worker(WorkerOptions options);

}  // namespace tierhub::hub
