// The bytes of a WRITE request: in libfuse's buffer, or still in a pipe from the kernel.
#pragma once

#include <cstddef>
#include <vector>

#include "fusefs/file_system.h"
#include "fusefs/kernel/libfuse.h"

namespace tierhub {

// Used by one thread at a time. `request` must live until detach() or end_request().
class WriteBytes final : public WriteSource {
 public:
  explicit WriteBytes(fuse_bufvec& request);

  uint64_t size_bytes() const override { return size_bytes_; }
  Result<void> detach() override;
  // From a pipe the bytes can be taken once only: detach first if they may be needed again.
  Result<size_t> copy_to(int fd, uint64_t offset_bytes) override;

  // The request handler returns: bytes that were not detached are gone.
  void end_request() { request_ = nullptr; }

 private:
  fuse_bufvec* request_;
  uint64_t size_bytes_;
  bool detached_ = false;
  std::vector<std::byte> kept_;
};

}  // namespace tierhub
