// The one reply to a request of the kernel.
#pragma once

#include <memory>
#include <string_view>

#include "fusefs/file_system.h"
#include "fusefs/kernel/connection.h"
#include "fusefs/kernel/libfuse.h"

namespace tierhub {

// Answers exactly once: whoever drops it unanswered answers EIO. Made by the thread that read the
// request; may be answered by another. After the first answer nothing but the destructor may be
// called.
class Reply {
 public:
  explicit Reply(fuse_req_t request);
  Reply(Reply&& other) noexcept;
  Reply(const Reply&) = delete;
  Reply& operator=(Reply&&) = delete;
  ~Reply();

  FuseConnection& connection() const { return *connection_; }
  FileSystem& file_system() const { return connection_->file_system(); }
  FsCaller caller() const;
  fuse_req_t request() const { return request_; }
  // The kernel's number of the request.
  uint64_t unique() const { return unique_; }

  void fail(int errno_value);
  void fail(const Error& error);
  void done() { fail(0); }
  void done(const Result<void>& result);
  void attributes(const Result<NodeInfo>& node);
  void entry(const Result<NodeInfo>& node);
  void opened(InodeNumber inode, const Result<Opened>& opened);
  void created(const Result<Created>& created);
  // A handle that an earlier process granted for this request.
  void opened_again(uint64_t fh, const KeptHandle& handle);
  void created_again(uint64_t fh, const KeptHandle& handle);
  void opened_folder(const fuse_file_info& info);
  void read(const Result<ReadAnswer>& answer);
  void written(const Result<size_t>& bytes);
  void position(const Result<uint64_t>& offset_bytes);
  void link_target(const Result<std::string>& target);
  void bytes(std::string_view bytes);
  // As getxattr(2) and listxattr(2) do: with `room_bytes` 0 its size.
  void value(const Result<std::string>& value, size_t room_bytes);
  void statistics(const FileSystem::Statistics& statistics);

 private:
  fuse_req_t take() { return std::exchange(request_, nullptr); }
  template <class Answer>
  void grant(InodeNumber inode, const Opened& opened, Answer answer);

  fuse_req_t request_;
  uint64_t unique_;
  std::shared_ptr<FuseConnection> connection_;
};

}  // namespace tierhub
