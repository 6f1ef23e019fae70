// libfuse's session, and what the requests of a session share. Each unanswered request holds it, so
// that a late answer finds a live session.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/unique_fd.h"
#include "fusefs/data_path.h"
#include "fusefs/file_system.h"
#include "fusefs/kernel/kept_session.h"
#include "fusefs/kernel/libfuse.h"
#include "fusefs/kernel/negotiation.h"
#include "fusefs/kernel/node_reply.h"
#include "fusefs/kernel/request_reader.h"
#include "fusefs/recent_listings.h"
#include "fusefs/request_scope.h"

namespace tierhub {

class FuseConnection : public std::enable_shared_from_this<FuseConnection> {
 public:
  struct Options {
    CacheTimeouts timeouts;
    std::string passthrough_off_reason;  // empty: use it
    RequestReader::Options reading;
    // What processes before this one carried out and may not have answered.
    std::vector<ReplyRecord> replies;
    // Another process will take the session over when this one ends without unmounting.
    bool kept = false;
    // Called once, by begin(): the kernel has begun the session, or goes on with it.
    std::function<void()> on_start;
  };
  // `session`: the one that this process begins, or goes on with if it was begun. `device` is
  // /dev/fuse.
  static Result<std::shared_ptr<FuseConnection>> create(FileSystem& file_system, Options options,
                                                        std::unique_ptr<KeptSession> session,
                                                        UniqueFd device);
  ~FuseConnection();
  FuseConnection(const FuseConnection&) = delete;
  FuseConnection& operator=(const FuseConnection&) = delete;

  // Of a request's or a callback's userdata.
  static FuseConnection& of(void* userdata) { return *static_cast<FuseConnection*>(userdata); }

  // Before any other thread reads requests: answers the kernel's INIT, or has libfuse go on with
  // the session that was kept. Nothing is carried out before on_start has returned, so the keeper
  // knows by then that there is something to go on with. Returns early if the session ends.
  void begin();

  fuse_session* session() { return session_; }
  int device_fd() { return fuse_session_fd(session_); }
  FileSystem& file_system() { return file_system_; }
  const CacheTimeouts& timeouts() const { return options_.timeouts; }
  RecentListings& recent_listings() { return recent_listings_; }

  bool passthrough() const { return passthrough_; }
  DataPath data_path() const;
  bool started() const { return started_; }
  // Another process can take this session over. Known when it has started.
  bool can_be_taken_over() const { return options_.kept && offer_.resend(); }
  // Written by the functions below alone.
  const KeptSession& kept() const { return *kept_; }
  // A file was opened: what the kernel keeps as `fh`.
  Result<uint64_t> keep_handle(const KeptHandle& handle) { return kept_->add(handle); }
  // The handle and what it stands for; once, however often the kernel asks.
  void release(InodeNumber inode, uint64_t fh);
  // Registers an object for passthrough, as register_backing() does.
  Result<int32_t> open_backing(int fd);
  void close_backing(int32_t backing_id);
  // Takes back the registrations that the process before may have left to nobody.
  void close_lost_backings();

  // The kernel's number of the request that this thread read last.
  static uint64_t current_unique();
  // That request for the batch that carries it out; none if it cannot come again.
  std::optional<RequestIdentity> identify(uint64_t unique) const;
  // What a process before this one wrote when it carried that request out.
  std::optional<ReplyRecord> reply_left(uint64_t unique) const;

  // Nothing is answered any more: whatever is not answered yet is for the next process.
  void fall_silent() { silent_ = true; }

  // No file is opened any more: the session is about to end.
  void refuse_opens() { refusing_opens_ = true; }
  bool refusing_opens() const { return refusing_opens_; }

  // libfuse's `init`: the kernel's offer is known, the reply is not written yet.
  void choose_capabilities(fuse_conn_info& info) const;

 private:
  FuseConnection(FileSystem& file_system, Options options, std::unique_ptr<KeptSession> session);

  static ssize_t read_device(int fd, void* buffer, size_t size, void* userdata);
  static ssize_t write_device(int fd, iovec* parts, int count, void* userdata);
  static ssize_t splice_device(int from, off_t* from_offset, int to, off_t* to_offset, size_t size,
                               unsigned flags, void* userdata);
  bool use_passthrough() const;
  void note_init(std::span<const std::byte> request);
  void announce();
  ssize_t go_on(int fd, const iovec* parts);
  bool is_init_reply(const iovec* parts, int count) const;
  ssize_t write_init_reply(int fd, const iovec* parts);

  FileSystem& file_system_;
  const Options options_;
  const std::unique_ptr<KeptSession> kept_;
  const bool goes_on_;  // the session was begun by an earlier process
  std::unordered_map<uint64_t, ReplyRecord> replies_left_;  // by unique
  RequestReader reader_;
  RecentListings recent_listings_;
  fuse_session* session_ = nullptr;
  // Written by begin().
  KernelOffer offer_;
  std::atomic<uint64_t> init_unique_ = 0;  // of the INIT request; 0: not read yet
  std::atomic<bool> passthrough_ = false;
  std::atomic<bool> started_ = false;
  std::vector<std::byte> init_request_;
  std::atomic<bool> refusing_opens_ = false;
  std::atomic<bool> silent_ = false;
};

}  // namespace tierhub
