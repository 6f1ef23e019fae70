// The copy engine for kernels without io_uring: each thread copies one file at a time, chunk after
// chunk.
#pragma once

#include <string>

#include "common/mutex.h"
#include "common/worker_pool.h"
#include "storage/copy/copy_engine.h"

namespace tierhub {

class ThreadCopyEngine final : public CopyEngine {
 public:
  // `reason`: why it is not io_uring, for people.
  ThreadCopyEngine(const CopyEngineOptions& options, std::string reason);

  void submit(CopyJob job) override;
  std::string description() const override { return description_; }

 private:
  class Buffer;

  Result<FillResult> run(const CopyJob& job, UniqueFd& source);
  Result<void> copy_chunks(const CopyJob& job, int source_fd, const struct statx& found,
                           FillResult& result);

  const std::string description_;
  const uint64_t buffer_bytes_;
  Mutex mutex_;
  ConditionVariable released_;
  uint64_t free_bytes_ GUARDED_BY(mutex_);
  WorkerPool threads_;  // last: its threads use all of the above
};

}  // namespace tierhub
