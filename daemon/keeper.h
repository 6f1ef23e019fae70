// The keeper: a small process that outlives tierd. It holds /dev/fuse and the memory of the session
// (fusefs/kernel/kept_session.h), starts tierd as its child, and restarts it when it dies, so that
// programs keep their open files and only wait. It touches neither the mount nor the archive.
#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace tierhub {

struct KeeperOptions {
  std::string program;                 // by its path: after an upgrade, the new one
  std::vector<std::string> arguments;  // as tierd was given them
  std::string first_only;              // an argument that only the first tierd gets
  // So many deaths within `restart_window` are healed; one more, and the keeper gives up and
  // unmounts.
  unsigned restarts_max = 5;
  std::chrono::milliseconds restart_window{60'000};
  // How long tierd may take to end when it was told to; then it is killed.
  std::chrono::milliseconds stop_limit{10'000};
};

// Runs until tierd ended and is not to be started again; returns the exit code for the keeper.
//   SIGTERM, SIGINT  end it
//   SIGHUP           lets another tierd take over: with changed settings, or a new version
// Call with these signals and SIGCHLD blocked, and before any thread is started.
int run_keeper(const KeeperOptions& options);

}  // namespace tierhub
