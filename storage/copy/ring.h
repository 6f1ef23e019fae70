// An io_uring: system calls that run alongside the thread that submitted them. One thread makes,
// uses and destroys it; only wake() may be called from others.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include <linux/openat2.h>
#include <sys/stat.h>

#include "common/result.h"
#include "common/types.h"
#include "common/unique_fd.h"
#include "storage/archive/entry.h"

struct io_uring;
struct io_uring_sqe;

namespace tierhub {

class Ring {
 public:
  struct Options {
    unsigned entries = 256;
    // Calls that block at once: a slow file system has one worker of the kernel for each.
    unsigned workers = 128;
  };

  // What an operation returned: not negative, or -errno. Runs within wait(); may start further
  // operations.
  using Completion = std::function<void(int32_t result)>;

  // Fails with a sentence for people where the kernel, or whoever confines this process, does not
  // allow it.
  static Result<std::unique_ptr<Ring>> make(const Options& options);
  // Cancels nothing: the caller has waited for all that it started.
  ~Ring();
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  // What is passed by pointer or span must live until the completion.
  void open(int folder_fd, const char* path, open_how* how, Completion done);
  void stat(int fd, Freshness freshness, struct statx* found, Completion done);
  void read(int fd, std::span<std::byte> buffer, uint64_t offset_bytes, Completion done);
  void write(int fd, std::span<const std::byte> bytes, uint64_t offset_bytes, Completion done);
  void punch_hole(int fd, ByteRange range, Completion done);
  void close(int fd, Completion done);

  // Hands what was started to the kernel, waits until something completes or wake() is called, and
  // runs completions.
  Result<void> wait();
  // Any thread.
  void wake();

 private:
  Ring() = default;
  Result<void> start(const Options& options);
  Result<void> probe();
  void listen();
  io_uring_sqe* next_entry();
  void attach(io_uring_sqe* entry, Completion done);
  void reap();

  struct Done {
    uint32_t slot;
    int32_t result;
  };

  std::unique_ptr<io_uring> ring_;
  bool started_ = false;
  UniqueFd event_;
  uint64_t event_count_ = 0;
  std::vector<Completion> completions_;  // by slot: the user data of the operation
  std::vector<uint32_t> free_slots_;
  std::deque<Done> done_;
};

}  // namespace tierhub
