#include "fusefs/kernel/connection.h"

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <unordered_set>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/log.h"
#include "fusefs/kernel/operations.h"
#include "fusefs/kernel/passthrough.h"

namespace tierhub {
namespace {

constexpr unsigned kMaxWriteBytes = 1 << 20;
constexpr unsigned kMaxBackground = 128;
constexpr unsigned kCongestionThreshold = 96;

thread_local uint64_t unique_read_last = 0;

// Numbers the threads that carry out requests.
uint64_t this_worker() {
  static std::atomic<uint64_t> workers{0};
  thread_local const uint64_t worker = workers++;
  return worker;
}

// A kill while the kernel copies a request into memory that is not there yet would lose it: make
// the memory before.
void populate(void* buffer, size_t size) {
  thread_local void* populated = nullptr;
  if (buffer == populated) return;
  populated = buffer;
  const auto page = static_cast<uintptr_t>(::getpagesize());
  const uintptr_t begin = reinterpret_cast<uintptr_t>(buffer) / page * page;
  const uintptr_t end = (reinterpret_cast<uintptr_t>(buffer) + size + page - 1) / page * page;
  (void)::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_POPULATE_WRITE);
}

log::Level level_of(fuse_log_level level) {
  if (level <= FUSE_LOG_ERR) return log::Level::error;
  if (level <= FUSE_LOG_NOTICE) return log::Level::warning;
  return level == FUSE_LOG_INFO ? log::Level::info : log::Level::debug;
}

void write_to_log(fuse_log_level level, const char* format, va_list values) {
  char text[512];
  std::vsnprintf(text, sizeof text, format, values);
  std::string_view line = text;
  while (line.ends_with('\n')) line.remove_suffix(1);
  log::write(level_of(level), line, {});
}

}  // namespace

FuseConnection::FuseConnection(FileSystem& file_system, Options options,
                               std::unique_ptr<KeptSession> session)
    : file_system_(file_system),
      options_(std::move(options)),
      kept_(std::move(session)),
      goes_on_(kept_->begun()),
      reader_(options_.reading),
      recent_listings_(std::chrono::duration<double>(options_.timeouts.entry_s / 2)) {
  for (const ReplyRecord& reply : options_.replies) replies_left_[reply.unique] = reply;
}

FuseConnection::~FuseConnection() {
  // Closes the device.
  if (session_ != nullptr) fuse_session_destroy(session_);
}

Result<std::shared_ptr<FuseConnection>> FuseConnection::create(FileSystem& file_system,
                                                               Options options,
                                                               std::unique_ptr<KeptSession> session,
                                                               UniqueFd device) {
  const std::shared_ptr<FuseConnection> connection(
      new FuseConnection(file_system, std::move(options), std::move(session)));
  fuse_set_log_func(write_to_log);
  char name[] = "tierhub";
  char* arguments[] = {name, nullptr};
  fuse_args args = FUSE_ARGS_INIT(1, arguments);
  connection->session_ =
      fuse_session_new(&args, &fuse_operations(), sizeof(fuse_lowlevel_ops), connection.get());
  fuse_opt_free_args(&args);
  if (connection->session_ == nullptr)
    return Error(std::errc::not_enough_memory, "libfuse could not make a session");
  const fuse_custom_io io{write_device, read_device, splice_device, splice_device};
  const int rc = fuse_session_custom_io(connection->session_, &io, device.get());
  if (rc != 0) return Error::from_errno(-rc, "hand /dev/fuse to libfuse");
  (void)device.release();
  return connection;
}

void FuseConnection::release(InodeNumber inode, uint64_t fh) {
  if (!kept_->begin_release(fh)) return;
  file_system_.release(inode, KeptSession::file_handle(fh));
  kept_->end_release(fh);
}

Result<int32_t> FuseConnection::open_backing(int fd) {
  auto backing_id = register_backing(device_fd(), fd);
  if (backing_id) kept_->note_backing(*backing_id);
  return backing_id;
}

void FuseConnection::close_backing(int32_t backing_id) {
  unregister_backing(device_fd(), backing_id);
}

// A process that dies between registering an object and noting who has it open, or between its last
// release and the end of the registration, leaves a registration that nobody uses, and with it an
// object that seems to be in use. The kernel gives the numbers in ascending order and does not list
// them: those that nobody has are tried, as far back as threads of one process can be apart.
void FuseConnection::close_lost_backings() {
  constexpr int32_t kBehind = 4096;
  constexpr int32_t kAhead = 512;
  const KeptSession::Adopted& adopted = kept_->adopted();
  std::unordered_set<int32_t> used;
  for (const auto& [unique, handle] : adopted.handles) used.insert(handle.second.opened.backing_id);
  const auto close = [&](int32_t id) {
    if (id > 0 && !used.contains(id)) close_unused_backing(device_fd(), id);
  };
  for (const KeptHandle& handle : adopted.half_released) close(handle.opened.backing_id);
  const int32_t last = adopted.last_backing_id;
  for (int32_t id = last - kBehind; id < last + kAhead; ++id) close(id);
}

DataPath FuseConnection::data_path() const {
  if (!started_) return {"splice", "the kernel has not started this session yet"};
  if (passthrough_) return {"passthrough", ""};
  if (!options_.passthrough_off_reason.empty()) return {"splice", options_.passthrough_off_reason};
  return {"splice", "the kernel offers no FUSE passthrough: it needs Linux 6.9 or later"};
}

bool FuseConnection::use_passthrough() const {
  return options_.passthrough_off_reason.empty() && offer_.passthrough();
}

void FuseConnection::choose_capabilities(fuse_conn_info& info) const {
  // Listings come with attributes always: they cost us nothing, a lookup costs a round trip.
  info.want &= ~static_cast<unsigned>(FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_WRITEBACK_CACHE |
                                      FUSE_CAP_IOCTL_DIR);
  info.want |= info.capable & FUSE_CAP_SPLICE_WRITE;
  // Splicing requests costs each of them one more system call, and hides them from read_device().
  info.want &= ~static_cast<unsigned>(FUSE_CAP_SPLICE_READ);
  // The kernel enforces access control lists; which umask counts depends on the folder's.
  info.want |= info.capable & (FUSE_CAP_POSIX_ACL | FUSE_CAP_DONT_MASK);
  // Node ids are inode numbers: a handle finds its file whatever the kernel has forgotten.
  info.want |= info.capable & FUSE_CAP_EXPORT_SUPPORT;
  info.max_write = goes_on_ ? kept().init_reply().max_write : kMaxWriteBytes;
  info.max_background = kMaxBackground;
  info.congestion_threshold = kCongestionThreshold;
}

// A cancellation point of libfuse's threads: nothing here may stop an unwinding.
ssize_t FuseConnection::read_device(int fd, void* buffer, size_t size, void* userdata) {
  FuseConnection& connection = of(userdata);
  if (connection.options_.kept) populate(buffer, size);
  const ssize_t got = connection.reader_.read(fd, buffer, size);
  if (got < static_cast<ssize_t>(sizeof(fuse_in_header))) return got;
  unique_read_last = static_cast<const fuse_in_header*>(buffer)->unique;
  rename_tmpfile_request({static_cast<std::byte*>(buffer), size_t(got)});
  return got;
}

// libfuse begins every session with INIT. Of one that was begun long ago it gets the request that
// was kept; its answer goes nowhere.
void FuseConnection::begin() {
  fuse_buf request{};
  if (goes_on_) {
    const auto kept_request = kept().init_request();
    note_init(kept_request);
    request.size = kept_request.size();
    request.mem = const_cast<std::byte*>(kept_request.data());
    fuse_session_process_buf(session_, &request);
    return;
  }
  while (!started_ && fuse_session_exited(session_) == 0) {
    const int got = fuse_session_receive_buf(session_, &request);
    // As libfuse's own loop does.
    if (got < 0 && got != -EINTR) fuse_session_exit(session_);
    if (got <= 0) continue;
    note_init({static_cast<std::byte*>(request.mem), size_t(got)});
    fuse_session_process_buf(session_, &request);
  }
  std::free(request.mem);
}

void FuseConnection::note_init(std::span<const std::byte> request) {
  const auto offer = parse_init_request(request);
  if (!offer) return;
  offer_ = *offer;
  init_unique_ = offer->unique;
  init_request_.assign(request.begin(), request.end());
}

void FuseConnection::announce() {
  started_ = true;
  if (options_.on_start) options_.on_start();
}

// The kernel believes what it was told at the beginning, whatever libfuse answers now.
ssize_t FuseConnection::go_on(int fd, const iovec* parts) {
  fuse_out_header header;
  std::memcpy(&header, parts[0].iov_base, sizeof header);
  passthrough_ = (kept().init_reply().flags2 & fuse_abi::kPassthrough) != 0;
  const fuse_out_header resend{sizeof resend, fuse_abi::kNotifyResend, 0};
  if (::write(fd, &resend, sizeof resend) < 0) {
    log::error("the kernel does not resend the requests that the previous process had read",
               {{"error", Error::from_errno(errno, "resend").text()}});
  }
  announce();
  return header.len;
}

ssize_t FuseConnection::write_device(int fd, iovec* parts, int count, void* userdata) {
  FuseConnection& connection = of(userdata);
  if (connection.silent_) {
    errno = ENODEV;
    return -1;
  }
  if (!connection.started_ && connection.is_init_reply(parts, count)) {
    return connection.goes_on_ ? connection.go_on(fd, parts)
                               : connection.write_init_reply(fd, parts);
  }
  return ::writev(fd, parts, count);
}

ssize_t FuseConnection::splice_device(int from, off_t* from_offset, int to, off_t* to_offset,
                                      size_t size, unsigned flags, void* userdata) {
  if (of(userdata).silent_) {
    errno = ENODEV;
    return -1;
  }
  return ::splice(from, from_offset, to, to_offset, size, flags);
}

uint64_t FuseConnection::current_unique() { return unique_read_last & ~fuse_abi::kResent; }

std::optional<RequestIdentity> FuseConnection::identify(uint64_t unique) const {
  if (!can_be_taken_over()) return std::nullopt;
  return RequestIdentity{kept().id(), kept().start(), this_worker(), unique};
}

std::optional<ReplyRecord> FuseConnection::reply_left(uint64_t unique) const {
  const auto found = replies_left_.find(unique);
  if (found == replies_left_.end()) return std::nullopt;
  return found->second;
}

bool FuseConnection::is_init_reply(const iovec* parts, int count) const {
  if (count != 2 || parts[0].iov_len != sizeof(fuse_out_header)) return false;
  fuse_out_header header;
  std::memcpy(&header, parts[0].iov_base, sizeof header);
  return header.unique == init_unique_ && header.unique != 0 && header.error == 0;
}

ssize_t FuseConnection::write_init_reply(int fd, const iovec* parts) {
  auto reply =
      extend_init_reply({static_cast<const std::byte*>(parts[1].iov_base), parts[1].iov_len},
                        offer_, use_passthrough() ? UsePassthrough::yes : UsePassthrough::no);
  fuse_out_header header;
  std::memcpy(&header, parts[0].iov_base, sizeof header);
  const auto size_of_libfuse = static_cast<ssize_t>(header.len);
  header.len = sizeof header + sizeof reply;
  iovec extended[] = {{&header, sizeof header}, {&reply, sizeof reply}};
  passthrough_ = (reply.flags2 & fuse_abi::kPassthrough) != 0;
  // Kept first: a process that dies behind the answer must not leave a session without beginning.
  kept_->begin(init_request_, reply);
  const ssize_t written = ::writev(fd, extended, 2);
  if (written < 0) return written;
  announce();
  return size_of_libfuse;
}

}  // namespace tierhub
