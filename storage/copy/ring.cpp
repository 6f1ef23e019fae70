#include "storage/copy/ring.h"

#include <array>
#include <cerrno>
#include <string>

#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <fmt/format.h>
#include <liburing.h>

#include "common/posix.h"

namespace tierhub {
namespace {

struct NeededOperation {
  int code;
  const char* name;
};
constexpr std::array kNeeded = {
    NeededOperation{IORING_OP_OPENAT2, "openat2"},
    NeededOperation{IORING_OP_STATX, "statx"},
    NeededOperation{IORING_OP_READ, "read"},
    NeededOperation{IORING_OP_WRITE, "write"},
    NeededOperation{IORING_OP_CLOSE, "close"},
    NeededOperation{IORING_OP_FALLOCATE, "fallocate"},
};

// Why io_uring_setup failed, and what an administrator could do about it.
Error explain_setup(int code) {
  std::string why = "io_uring is not available: ";
  switch (code) {
    case ENOSYS:
      why += "the kernel was built without it, or the container hides it";
      break;
    case EPERM: {
      const auto setting = posix::read_file("/proc/sys/kernel/io_uring_disabled");
      if (setting && !setting->starts_with("0")) {
        why += "it is switched off here; 'sysctl kernel.io_uring_disabled=0' allows it";
      } else {
        why += "a seccomp profile (a container's, for instance) forbids it";
      }
      break;
    }
    case ENOMEM:
      why += "too little memory may be locked; raise LimitMEMLOCK of the service";
      break;
    default:
      why += std::error_code(code, std::generic_category()).message();
      break;
  }
  return Error(std::error_code(code, std::generic_category()), why);
}

}  // namespace

Result<std::unique_ptr<Ring>> Ring::make(const Options& options) {
  std::unique_ptr<Ring> ring(new Ring());
  TRY(ring->start(options));
  TRY(ring->probe());
  ring->listen();
  return ring;
}

Result<void> Ring::start(const Options& options) {
  ring_ = std::make_unique<io_uring>();
  // The first needs kernel 6.1. Completions then run when this thread asks for them, which batches
  // them.
  constexpr unsigned kBatched = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
  int rc = -EINVAL;
  for (const unsigned flags : {kBatched, 0U}) {
    rc = ::io_uring_queue_init(options.entries, ring_.get(), flags);
    if (rc != -EINVAL) break;
  }
  if (rc < 0) return explain_setup(-rc);
  started_ = true;
  unsigned workers[2] = {options.workers, options.workers};
  rc = ::io_uring_register_iowq_max_workers(ring_.get(), workers);
  if (rc < 0) return Error::from_errno(-rc, "io_uring: raise the number of workers");
  event_ = UniqueFd(::eventfd(0, EFD_CLOEXEC));
  if (!event_) return Error::from_errno(errno, "eventfd");
  return {};
}

Result<void> Ring::probe() {
  const std::unique_ptr<io_uring_probe, void (*)(io_uring_probe*)> found(
      ::io_uring_get_probe_ring(ring_.get()), ::io_uring_free_probe);
  if (!found) {
    return Error(std::errc::function_not_supported,
                 "io_uring is not available: the kernel is too old to say what it can do");
  }
  for (const NeededOperation& needed : kNeeded) {
    if (::io_uring_opcode_supported(found.get(), needed.code)) continue;
    return Error(
        std::errc::function_not_supported,
        fmt::format("io_uring is not available: this kernel's lacks {}; use kernel 5.6 or later",
                    needed.name));
  }
  return {};
}

Ring::~Ring() {
  if (started_) ::io_uring_queue_exit(ring_.get());
}

// Keeps one read of the event descriptor under way, so that wake() ends wait().
void Ring::listen() {
  const std::span<std::byte> count = std::as_writable_bytes(std::span(&event_count_, 1));
  read(event_.get(), count, 0, [this](int32_t) { listen(); });
}

void Ring::wake() {
  const uint64_t one = 1;
  // Fails only when the count is full, and then the reader is awake anyway.
  [[maybe_unused]] const ssize_t n = ::write(event_.get(), &one, sizeof one);
}

io_uring_sqe* Ring::next_entry() {
  io_uring_sqe* entry = ::io_uring_get_sqe(ring_.get());
  while (entry == nullptr) {
    ::io_uring_submit(ring_.get());
    reap();
    entry = ::io_uring_get_sqe(ring_.get());
  }
  return entry;
}

void Ring::attach(io_uring_sqe* entry, Completion done) {
  uint32_t slot = 0;
  if (free_slots_.empty()) {
    slot = static_cast<uint32_t>(completions_.size());
    completions_.emplace_back();
  } else {
    slot = free_slots_.back();
    free_slots_.pop_back();
  }
  completions_[slot] = std::move(done);
  ::io_uring_sqe_set_data64(entry, slot);
}

void Ring::open(int folder_fd, const char* path, open_how* how, Completion done) {
  io_uring_sqe* entry = next_entry();
  ::io_uring_prep_openat2(entry, folder_fd, path, how);
  attach(entry, std::move(done));
}

void Ring::stat(int fd, Freshness freshness, struct statx* found, Completion done) {
  io_uring_sqe* entry = next_entry();
  ::io_uring_prep_statx(entry, fd, "", AT_EMPTY_PATH | statx_flags(freshness),
                        STATX_BASIC_STATS | STATX_BTIME | STATX_DIOALIGN, found);
  attach(entry, std::move(done));
}

void Ring::read(int fd, std::span<std::byte> buffer, uint64_t offset_bytes, Completion done) {
  io_uring_sqe* entry = next_entry();
  ::io_uring_prep_read(entry, fd, buffer.data(), static_cast<unsigned>(buffer.size()),
                       offset_bytes);
  attach(entry, std::move(done));
}

void Ring::write(int fd, std::span<const std::byte> bytes, uint64_t offset_bytes, Completion done) {
  io_uring_sqe* entry = next_entry();
  ::io_uring_prep_write(entry, fd, bytes.data(), static_cast<unsigned>(bytes.size()), offset_bytes);
  attach(entry, std::move(done));
}

void Ring::punch_hole(int fd, ByteRange range, Completion done) {
  io_uring_sqe* entry = next_entry();
  ::io_uring_prep_fallocate(entry, fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                            static_cast<off_t>(range.begin), static_cast<off_t>(range.size()));
  attach(entry, std::move(done));
}

void Ring::close(int fd, Completion done) {
  io_uring_sqe* entry = next_entry();
  ::io_uring_prep_close(entry, fd);
  attach(entry, std::move(done));
}

void Ring::reap() {
  io_uring_cqe* completed = nullptr;
  while (::io_uring_peek_cqe(ring_.get(), &completed) == 0) {
    done_.push_back({static_cast<uint32_t>(completed->user_data), completed->res});
    ::io_uring_cqe_seen(ring_.get(), completed);
  }
}

Result<void> Ring::wait() {
  const int rc = ::io_uring_submit_and_wait(ring_.get(), done_.empty() ? 1 : 0);
  if (rc < 0 && rc != -EINTR && rc != -EAGAIN && rc != -EBUSY && rc != -ETIME) {
    return Error::from_errno(-rc, "io_uring: submit");
  }
  reap();
  while (!done_.empty()) {
    const Done done = done_.front();
    done_.pop_front();
    const Completion completion = std::move(completions_[done.slot]);
    completions_[done.slot] = nullptr;
    free_slots_.push_back(done.slot);
    completion(done.result);
  }
  return {};
}

}  // namespace tierhub
