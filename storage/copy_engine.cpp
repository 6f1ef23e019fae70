#include "storage/copy_engine.h"

#include "storage/thread_copy_engine.h"

namespace tierhub {

Result<std::unique_ptr<CopyEngine>> CopyEngine::make(const CopyEngineOptions& options) {
  return std::unique_ptr<CopyEngine>(std::make_unique<ThreadCopyEngine>(options, "plain"));
}

}  // namespace tierhub
