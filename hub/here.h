// tierweb --here: the hub of one person, on this machine only.
#pragma once

#include <cstdint>
#include <string>

#include "common/result.h"

namespace tierhub::hub {

struct HereOptions {
  std::string program = "/proc/self/exe";  // of the worker
  std::string page;                        // the folder of the page's files
  std::string tierd_socket;                // empty: `root` is shown, a plain folder
  std::string root;
  uint64_t pyramid_bytes = 0;  // see WorkerRoutes::Place
  uint16_t port = 0;           // of 127.0.0.1; 0: any that is free
};

// Prints the link, and serves until SIGINT or SIGTERM. Call it before there are other threads, as
// the person whom it serves.
Result<void> serve_here(const HereOptions& options);

}  // namespace tierhub::hub
