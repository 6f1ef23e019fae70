#include "fusefs/kernel/write_bytes.h"

#include "common/posix.h"

namespace tierhub {
namespace {

Error bytes_gone() {
  return Error(std::errc::io_error, "the bytes of a write were not kept after its request");
}

}  // namespace

WriteBytes::WriteBytes(fuse_bufvec& request)
    : request_(&request), size_bytes_(fuse_buf_size(&request)) {}

Result<void> WriteBytes::detach() {
  if (detached_) return {};
  if (request_ == nullptr) return bytes_gone();
  kept_.resize(size_bytes_);
  fuse_bufvec memory = FUSE_BUFVEC_INIT(size_bytes_);
  memory.buf[0].mem = kept_.data();
  const ssize_t copied = fuse_buf_copy(&memory, request_, FUSE_BUF_NO_SPLICE);
  if (copied < 0) return Error::from_errno(static_cast<int>(-copied), "keep the bytes of a write");
  if (static_cast<uint64_t>(copied) != size_bytes_) return bytes_gone();
  detached_ = true;
  return {};
}

Result<size_t> WriteBytes::copy_to(int fd, uint64_t offset_bytes) {
  if (detached_) {
    TRY(posix::write_all_at(fd, kept_, offset_bytes));
    return kept_.size();
  }
  if (request_ == nullptr) return bytes_gone();
  fuse_bufvec file = FUSE_BUFVEC_INIT(size_bytes_);
  file.buf[0].flags = static_cast<fuse_buf_flags>(FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK);
  file.buf[0].fd = fd;
  file.buf[0].pos = static_cast<off_t>(offset_bytes);
  const ssize_t copied = fuse_buf_copy(&file, request_, static_cast<fuse_buf_copy_flags>(0));
  if (copied < 0) return Error::from_errno(static_cast<int>(-copied), "write to scratch object");
  return static_cast<size_t>(copied);
}

}  // namespace tierhub
