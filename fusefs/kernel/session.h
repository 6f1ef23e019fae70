// TierHub mounted: the kernel's requests become calls of a FileSystem.
//
// serve() runs the threads that answer requests; one more thread tells the kernel what to forget.
// The file system and its callbacks may answer from any thread. A request that is never answered
// keeps its resources, and answers EIO when it is dropped.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include <pthread.h>

#include "common/mutex.h"
#include "common/result.h"
#include "fusefs/data_path.h"
#include "fusefs/file_system.h"
#include "fusefs/kernel/kept_session.h"
#include "fusefs/mount/table.h"

namespace tierhub {

class FuseConnection;
class Notifier;

class FuseSession final : public KernelChannel {
 public:
  struct Options {
    std::string mount_point;  // an existing empty folder
    MountOptions mount;
    unsigned threads = 32;  // at most; they start when they are needed
    // How long a thread asks for the next request before it sleeps.
    std::chrono::microseconds spin{100};
    double entry_timeout_s = 60;
    double attr_timeout_s = 60;
    // Not empty: passthrough is not used, and this sentence says why.
    std::string passthrough_off_reason;
    uint32_t read_ahead_kb = 8192;
    // How many invalidations may wait for the kernel.
    size_t invalidations_max = 1 << 20;
    // How long stop() lets users close what they have open.
    std::chrono::milliseconds stop_grace{2000};
    // Called once, by serve(), when the kernel has begun the session, or goes on with one that was
    // taken over: data_path() is final, requests are answered from now on. Must not touch the mount.
    std::function<void()> on_start;
    // Somebody else holds the session, too: another process takes it over when this one ends
    // without unmounting.
    bool kept = false;
  };

  // Cleans a stale mount, mounts, and attaches itself to `file_system`, which outlives the session.
  // Until serve() runs, whoever touches the mount waits.
  static Result<std::unique_ptr<FuseSession>> mount(FileSystem& file_system, Options options);
  // Goes on with a session that an earlier process began: `device` is its /dev/fuse, `replies` what
  // it may have done without an answer. What is open is restored in the inodes already
  // (restore_handles). The mount point is the session's, whatever the options say.
  static Result<std::unique_ptr<FuseSession>> take_over(FileSystem& file_system, Options options,
                                                        UniqueFd device,
                                                        std::unique_ptr<KeptSession> session,
                                                        std::vector<ReplyRecord> replies);
  // Unmounts, if that has not happened and the session was not handed over. serve() must have
  // returned.
  ~FuseSession() override;

  // Serves until the mount is gone: by stop(), or by an administrator's umount. Call once.
  Result<void> serve();
  // Ends serve() within seconds, whatever users do. Without open files the mount goes at once. Else
  // no file is opened any more, users get `stop_grace` to close theirs, then they are cut off: what
  // the daemon serves fails with ENOTCONN; passthrough files go on until they are closed. Any
  // thread but those that serve; not from a signal handler.
  void stop();

  // Ends serve() and leaves the mount as it is. What was read and not answered is answered by the
  // process that takes over. Any thread but those that serve.
  void hand_over();
  // Whether another process can take the session over; known when on_start is called.
  bool can_be_taken_over() const;
  // What it needs for that.
  int device_fd() const;
  int memory_fd() const;

  DataPath data_path() const;
  // Without symbolic links.
  const std::string& mount_point() const { return options_.mount_point; }

  bool passthrough() const override;
  Result<int32_t> open_backing(int fd) override;
  void close_backing(int32_t backing_id) override;
  void invalidate_inode(InodeNumber inode) override;
  void invalidate_entry(InodeNumber parent, const std::string& name) override;
  void wait_invalidated() override;

 private:
  explicit FuseSession(Options options);
  Result<void> connect(FileSystem& file_system, UniqueFd device, std::unique_ptr<KeptSession> kept,
                       std::vector<ReplyRecord> replies);
  void on_start();
  void raise_read_ahead() const;

  bool still_mounted() const;
  bool wait_until_served(std::chrono::milliseconds limit);
  bool unmount_in_grace();
  void cut_off();
  void leave_loop();
  void unmount_by_force();

  Options options_;
  std::string device_;  // "major:minor" of the mount
  std::shared_ptr<FuseConnection> connection_;
  std::unique_ptr<Notifier> notifier_;

  enum class Phase { mounted, serving, served };
  Mutex mutex_;
  ConditionVariable served_;
  bool handing_over_ GUARDED_BY(mutex_) = false;
  Phase phase_ GUARDED_BY(mutex_) = Phase::mounted;
  pthread_t server_ GUARDED_BY(mutex_){};  // while serving
};

}  // namespace tierhub
