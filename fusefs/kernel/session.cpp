#include "fusefs/kernel/session.h"

#include <csignal>

#include <fcntl.h>

#include <fmt/format.h>

#include "common/log.h"
#include "common/posix.h"
#include "fusefs/kernel/connection.h"
#include "fusefs/kernel/notifier.h"

namespace tierhub {
namespace {

using std::chrono::milliseconds;

// Wakes the thread in libfuse's loop, which waits for its workers and looks whether to end only
// when a signal interrupts it.
constexpr int kWakeSignal = SIGURG;
constexpr milliseconds kRetryInterval{50};
// How long the loop may take to end when the mount is gone.
constexpr milliseconds kLoopEndLimit{1000};

void do_nothing(int) {}

// Without SA_RESTART: a wait that the signal meets must end.
void let_signal_interrupt() {
  struct sigaction action {};
  action.sa_handler = do_nothing;
  ::sigemptyset(&action.sa_mask);
  ::sigaction(kWakeSignal, &action, nullptr);
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, kWakeSignal);
  ::pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
}

Result<void> write_text(const std::string& path, const std::string& text) {
  TRY_ASSIGN(const UniqueFd file, posix::open_at(AT_FDCWD, path, O_WRONLY));
  return posix::write_all(file.get(), text);
}

struct LoopConfigFree {
  void operator()(fuse_loop_config* config) const { fuse_loop_cfg_destroy(config); }
};
using LoopConfig = std::unique_ptr<fuse_loop_config, LoopConfigFree>;

LoopConfig loop_config(unsigned threads) {
  LoopConfig config(fuse_loop_cfg_create());
  // One channel: with more, requests read from those of a process that dies end with it.
  fuse_loop_cfg_set_clone_fd(config.get(), 0);
  fuse_loop_cfg_set_max_threads(config.get(), threads);
  fuse_loop_cfg_set_idle_threads(config.get(), threads);
  return config;
}

}  // namespace

FuseSession::FuseSession(Options options) : options_(std::move(options)) {}

Result<std::unique_ptr<FuseSession>> FuseSession::mount(FileSystem& file_system, Options options) {
  TRY_ASSIGN(options.mount_point, canonical_mount_point(options.mount_point));
  TRY(clean_stale_mount(options.mount_point));
  TRY(check_mount_point(options.mount_point));
  std::unique_ptr<FuseSession> session(new FuseSession(std::move(options)));
  TRY_ASSIGN(NewMount mounted,
             mount_tierhub(session->options_.mount_point, session->options_.mount));
  session->device_ = mounted.device;
  if (!mounted.for_everyone) {
    log::warning(
        "the mount is for this user alone; for others run tierd as root, or put user_allow_other "
        "into /etc/fuse.conf");
  }
  // Takes the mount away, should this fail.
  TRY_ASSIGN(auto kept, KeptSession::create({session->options_.mount_point, session->device_}));
  TRY(session->connect(file_system, std::move(mounted.session), std::move(kept), {}));
  file_system.attach(*session);
  return session;
}

Result<std::unique_ptr<FuseSession>> FuseSession::take_over(FileSystem& file_system,
                                                            Options options, UniqueFd device,
                                                            std::unique_ptr<KeptSession> kept,
                                                            std::vector<ReplyRecord> replies) {
  const KeptSession::Place place = kept->place();
  options.mount_point = place.mount_point;
  std::unique_ptr<FuseSession> session(new FuseSession(std::move(options)));
  session->device_ = place.device;
  TRY(session->connect(file_system, std::move(device), std::move(kept), std::move(replies)));
  session->connection_->close_lost_backings();
  file_system.attach(*session);
  return session;
}

Result<void> FuseSession::connect(FileSystem& file_system, UniqueFd device,
                                  std::unique_ptr<KeptSession> kept,
                                  std::vector<ReplyRecord> replies) {
  FuseConnection::Options connection_options{{options_.entry_timeout_s, options_.attr_timeout_s},
                                             options_.passthrough_off_reason,
                                             {options_.spin},
                                             std::move(replies),
                                             options_.kept,
                                             [this] { on_start(); }};
  TRY_ASSIGN(connection_, FuseConnection::create(file_system, std::move(connection_options),
                                                 std::move(kept), std::move(device)));
  fuse_session* const session = connection_->session();
  notifier_ = std::make_unique<Notifier>(
      options_.invalidations_max,
      Notifier::Kernel{[session](InodeNumber inode) {
                         fuse_lowlevel_notify_inval_inode(session, inode.value(), 0, 0);
                       },
                       [session](InodeNumber parent, const std::string& name) {
                         fuse_lowlevel_notify_inval_entry(session, parent.value(), name.data(),
                                                          name.size());
                       }});
  return {};
}

FuseSession::~FuseSession() {
  if (!handing_over_) unmount_by_force();
  notifier_.reset();
}

void FuseSession::on_start() {
  raise_read_ahead();
  const DataPath path = data_path();
  if (connection_->kept().start() > 1) {
    log::info("took over the mount",
              {{"mount_point", options_.mount_point},
               {"data_path", path.name},
               {"open_files", connection_->kept().adopted().handles.size()}});
    if (options_.on_start) options_.on_start();
    return;
  }
  if (passthrough()) {
    log::info("mounted", {{"mount_point", options_.mount_point}, {"data_path", path.name}});
  } else {
    log::warning(
        "mounted without passthrough: every byte passes through tierd",
        {{"mount_point", options_.mount_point}, {"data_path", path.name}, {"reason", path.reason}});
  }
  if (options_.on_start) options_.on_start();
}

// The kernel starts every FUSE mount with 128 KiB, which makes cold streams crawl. Found by the
// mount table: asking the mount itself could wait for ourselves.
void FuseSession::raise_read_ahead() const {
  const std::string path = fmt::format("/sys/class/bdi/{}/read_ahead_kb", device_);
  auto written = write_text(path, std::to_string(options_.read_ahead_kb));
  if (!written) {
    log::warning("could not raise the mount's read-ahead: reading cold files will be slow",
                 {{"error", written.error().text()}});
  }
}

Result<void> FuseSession::serve() {
  let_signal_interrupt();
  {
    const MutexLock lock(mutex_);
    phase_ = Phase::serving;
    server_ = ::pthread_self();
  }
  connection_->begin();
  const LoopConfig config = loop_config(options_.threads);
  int rc = 0;
  if (fuse_session_exited(connection_->session()) == 0)
    rc = fuse_session_loop_mt(connection_->session(), config.get());
  {
    const MutexLock lock(mutex_);
    phase_ = Phase::served;
    if (handing_over_) connection_->fall_silent();
  }
  served_.notify_all();
  if (rc != 0) return Error::from_errno(rc < 0 ? -rc : rc, "serve " + options_.mount_point);
  return {};
}

bool FuseSession::wait_until_served(milliseconds limit) {
  MutexLock lock(mutex_);
  return served_.wait_for(mutex_, limit,
                          [this]() REQUIRES(mutex_) { return phase_ != Phase::serving; });
}

bool FuseSession::still_mounted() const {
  const auto mounted = current_mount(options_.mount_point).value_or(std::nullopt);
  return mounted && mounted->device == device_;
}

void FuseSession::stop() {
  if (unmount_in_grace() && wait_until_served(kLoopEndLimit)) return;
  cut_off();
  if (wait_until_served(kLoopEndLimit)) return;
  leave_loop();
}

void FuseSession::hand_over() {
  {
    const MutexLock lock(mutex_);
    handing_over_ = true;
  }
  leave_loop();
}

bool FuseSession::can_be_taken_over() const { return connection_->can_be_taken_over(); }

int FuseSession::device_fd() const { return connection_->device_fd(); }

int FuseSession::memory_fd() const { return connection_->kept().memory_fd(); }

// True if the mount is gone.
bool FuseSession::unmount_in_grace() {
  const auto end = SteadyClock::now() + options_.stop_grace;
  while (still_mounted()) {
    const auto gone = unmount(options_.mount_point, Unmount::now);
    if (gone) return true;
    if (!gone.error().is(std::errc::device_or_resource_busy) || SteadyClock::now() >= end)
      return false;
    connection_->refuse_opens();
    wait_until_served(kRetryInterval);
  }
  return true;
}

// The mount may be gone from here and live on: detached by an administrator while files were open,
// or seen from another mount namespace. Then only the kernel's control file system can cut it off.
void FuseSession::cut_off() {
  log::warning("files in the mount are still open: aborting its connection",
               {{"mount_point", options_.mount_point}});
  unmount_by_force();
  const std::string minor = device_.substr(device_.find(':') + 1);
  (void)write_text(fmt::format("/sys/fs/fuse/connections/{}/abort", minor), "1");
}

void FuseSession::leave_loop() {
  fuse_session_exit(connection_->session());
  do {
    const MutexLock lock(mutex_);
    if (phase_ == Phase::serving) ::pthread_kill(server_, kWakeSignal);
  } while (!wait_until_served(kRetryInterval));
}

void FuseSession::unmount_by_force() {
  if (!still_mounted()) return;
  if (unmount(options_.mount_point, Unmount::by_force)) return;
  detach_mount(options_.mount_point, device_);
}

DataPath FuseSession::data_path() const { return connection_->data_path(); }

bool FuseSession::passthrough() const { return connection_->passthrough(); }

Result<int32_t> FuseSession::open_backing(int fd) { return connection_->open_backing(fd); }

void FuseSession::close_backing(int32_t backing_id) { connection_->close_backing(backing_id); }

void FuseSession::invalidate_inode(InodeNumber inode) { notifier_->invalidate_inode(inode); }

void FuseSession::wait_invalidated() {
  if (!notifier_->wait_told(std::chrono::seconds(2)))
    log::warning("the kernel has not taken all changes yet; some are seen when its timeouts end");
}

void FuseSession::invalidate_entry(InodeNumber parent, const std::string& name) {
  notifier_->invalidate_entry(parent, name);
}

}  // namespace tierhub
