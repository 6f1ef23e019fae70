// The archive helper: the only process that calls the archive. It serves one ArchiveClient over a
// socket and exits when the socket closes. Its threads may get stuck in a dead mount for good;
// nobody waits for them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/result.h"
#include "storage/archive/archive.h"
#include "storage/copy/copy_engine.h"
#include "storage/posix/archive_claim.h"

namespace tierhub {

// The descriptor on which the helper finds its socket.
inline constexpr int kArchiveHelperSocket = 3;

struct ArchiveHelperOptions {
  std::string root;
  std::string expected_id;  // empty: any archive
  Claimant claimant;
  // Calls at once, fills not counted.
  size_t slots = 64;
  // How often the client is told which long calls got on.
  uint64_t progress_interval_ms = 1000;
  bool verify_by_reading = false;
  CopyEngineOptions copy;
  LeftOutNames left_out = usual_left_out_names();

  // What to put on the helper's command line after `--archive-io`, and back.
  std::vector<std::string> to_arguments() const;
  static Result<ArchiveHelperOptions> parse(const std::vector<std::string>& arguments);
};

// Serves until the socket closes, then ends the process with _exit(0), because threads may be
// stuck: does not return. Ignores SIGINT, SIGTERM and SIGHUP, so that the client can finish its
// work when a whole service is told to stop. Call it before the process has threads.
[[noreturn]] int run_archive_helper(int socket_fd, const ArchiveHelperOptions& options);

// What a program does when its first argument is `--archive-io`: parses the rest and runs. Returns
// 2 for a wrong command line.
int archive_helper_main(int argc, char** argv);

}  // namespace tierhub
