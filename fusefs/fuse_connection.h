// libfuse's session, and what the requests of a session share. Each request that is not answered
// yet holds it, so that a late answer meets a live session.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "common/unique_fd.h"
#include "fusefs/data_path.h"
#include "fusefs/file_system.h"
#include "fusefs/libfuse.h"
#include "fusefs/negotiation.h"
#include "fusefs/node_reply.h"
#include "fusefs/recent_listings.h"

namespace tierhub {

class FuseConnection : public std::enable_shared_from_this<FuseConnection> {
 public:
  struct Options {
    CacheTimeouts timeouts;
    std::string passthrough_off_reason;  // empty: use it
    // Called once, on a thread that serves requests: the kernel has begun the session.
    std::function<void()> on_start;
  };
  // `device` is /dev/fuse, mounted or yet to be mounted.
  static Result<std::shared_ptr<FuseConnection>> create(FileSystem& file_system, Options options,
                                                        UniqueFd device);
  ~FuseConnection();
  FuseConnection(const FuseConnection&) = delete;
  FuseConnection& operator=(const FuseConnection&) = delete;

  // Of a request's or a callback's userdata.
  static FuseConnection& of(void* userdata) { return *static_cast<FuseConnection*>(userdata); }

  fuse_session* session() { return session_; }
  int device_fd() { return fuse_session_fd(session_); }
  FileSystem& file_system() { return file_system_; }
  const CacheTimeouts& timeouts() const { return options_.timeouts; }
  RecentListings& recent_listings() { return recent_listings_; }

  bool passthrough() const { return passthrough_; }
  DataPath data_path() const;
  bool started() const { return started_; }

  // No file is opened any more: the session is about to end.
  void refuse_opens() { refusing_opens_ = true; }
  bool refusing_opens() const { return refusing_opens_; }

  // libfuse's `init`: the kernel's offer is known, the reply is not written yet.
  void choose_capabilities(fuse_conn_info& info) const;

 private:
  FuseConnection(FileSystem& file_system, Options options);

  static ssize_t read_device(int fd, void* buffer, size_t size, void* userdata);
  static ssize_t write_device(int fd, iovec* parts, int count, void* userdata);
  bool use_passthrough() const;
  bool is_init_reply(const iovec* parts, int count) const;
  ssize_t write_init_reply(int fd, const iovec* parts);

  FileSystem& file_system_;
  const Options options_;
  RecentListings recent_listings_;
  fuse_session* session_ = nullptr;
  // Used by the one thread that reads INIT and answers it.
  KernelOffer offer_;
  std::atomic<uint64_t> init_unique_ = 0;  // of the INIT request; 0: not read yet
  std::atomic<bool> passthrough_ = false;
  std::atomic<bool> started_ = false;
  std::atomic<bool> refusing_opens_ = false;
};

}  // namespace tierhub
