#include "storage/copy/copy_engine.h"

#include <cstdlib>
#include <string_view>

#include "common/log.h"
#include "storage/copy/ring_copy_engine.h"
#include "storage/copy/thread_copy_engine.h"

namespace tierhub {
namespace {

bool is_ring_forbidden() {
  const char* setting = std::getenv("TIERHUB_NO_IO_URING");
  return setting != nullptr && std::string_view(setting) == "1";
}

std::unique_ptr<CopyEngine> with_threads(const CopyEngineOptions& options, std::string reason) {
  return std::make_unique<ThreadCopyEngine>(options, std::move(reason));
}

}  // namespace

Result<std::unique_ptr<CopyEngine>> CopyEngine::make(const CopyEngineOptions& options) {
  if (options.method == CopyMethod::threads) return with_threads(options, "as configured");
  if (options.method == CopyMethod::automatic && is_ring_forbidden()) {
    return with_threads(options, "TIERHUB_NO_IO_URING is set");
  }
  auto ring = RingCopyEngine::make(options);
  if (ring) return std::unique_ptr<CopyEngine>(*std::move(ring));
  if (options.method == CopyMethod::io_uring) return ring.error();
  log::info("copying with threads", {{"reason", ring.error().text()}});
  return with_threads(options, ring.error().text());
}

}  // namespace tierhub
