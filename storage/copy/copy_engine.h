// Copies ranges of archived files into scratch objects: many files at once; each chunk is
// checksummed on the way.
//
// For each file: open below the root - stat - find its holes - per chunk { read, hash, write } -
// stat again - close. The file must be the expected version before and the same after, otherwise
// the copy is void. No file waits for another.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

#include "common/result.h"
#include "common/unique_fd.h"
#include "storage/archive/archive.h"
#include "storage/archive/entry.h"

namespace tierhub {

// `automatic`: io_uring if the kernel has it and TIERHUB_NO_IO_URING is not set to 1, else threads.
enum class CopyMethod { automatic, io_uring, threads };

struct CopyEngineOptions {
  CopyMethod method = CopyMethod::automatic;
  // Files under way at once; further ones wait in order of arrival. With threads this is their
  // number.
  size_t max_files = 128;
  // Memory for bytes on their way. A chunk must fit.
  size_t buffer_bytes = size_t{64} << 20;
};

struct CopyJob {
  std::shared_ptr<const UniqueFd> root;  // the folder that `request.path` is relative to
  FillRequest request;                   // its target_fd is not used
  UniqueFd target;
  IdentityScheme identity = IdentityKind::handle;
  std::function<void()>
      progress;  // bytes of this file moved, or it waits for memory while others' do; may be empty
  std::function<void(Result<FillResult>)> done;
};

class CopyEngine {
 public:
  // Finishes the jobs under way and those that wait.
  virtual ~CopyEngine() = default;
  // Any thread. Calls `done` once, on a thread of the engine, when it no longer holds the target.
  virtual void submit(CopyJob job) = 0;
  // "io_uring", or "threads" and why.
  virtual std::string description() const = 0;

  static Result<std::unique_ptr<CopyEngine>> make(const CopyEngineOptions& options);
};

}  // namespace tierhub
