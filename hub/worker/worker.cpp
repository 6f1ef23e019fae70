#include "hub/worker/worker.h"

#include <csignal>
#include <ctime>

#include <sys/stat.h>
#include <unistd.h>

#include <malloc.h>

#include "common/signals.h"
#include "hub/worker/sandbox.h"

namespace tierhub::hub {
namespace {

constexpr timespec kTick = {1, 0};
constexpr int kMaxKeptBytes = 32 << 20;  // larger pieces go back to the kernel at once

}  // namespace

Result<void> run_worker(WorkerOptions options) {
  const sigset_t signals = block_signals({SIGTERM, SIGINT});
  // Tiles are allocated and freed all the time: from the kernel, each would be cleared page by page.
  ::mallopt(M_MMAP_THRESHOLD, kMaxKeptBytes);
  ::mallopt(M_TRIM_THRESHOLD, kMaxKeptBytes);
  // Others can write to nothing that is made here, whatever tierweb was started with.
  ::umask(::umask(S_IWGRP | S_IWOTH) | S_IWGRP | S_IWOTH);
  TRY(enter_sandbox());
  WorkerRoutes routes(std::move(options.place));
  http::Server::Options serving;
  serving.name = "tierweb";
  // Those that wait for the archive (ImageRoutes::Options::waiting), and 8 for all else.
  serving.pool_threads = 16 + 8;
  serving.max_connections_per_user = serving.max_connections;  // the front's
  http::Server server(routes, serving);
  server.adopt_unix(std::move(options.listener));
  server.start();
  while (WorkerRoutes::Clock::now() - routes.last_used() < options.idle_limit)
    if (::sigtimedwait(&signals, nullptr, &kTick) > 0) break;
  server.stop();
  return {};
}

}  // namespace tierhub::hub
