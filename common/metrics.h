// Counters that any thread adds to and `tierctl status` shows.
#pragma once

#include <atomic>
#include <cstdint>

namespace tierhub {

class Counter {
 public:
  void add(uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

// Since the start of the process.
struct Metrics {
  // Requests that the kernel sent to the daemon.
  Counter fuse_read_requests;
  Counter fuse_write_requests;
  Counter fuse_lookup_requests;
  Counter fuse_open_requests;
  Counter passthrough_opens;
  // Bytes brought from the archive into scratch.
  Counter prefetch_bytes;
  Counter prefetch_files;
  Counter recall_bytes;
  Counter recall_chunks;
  // Bytes answered from the archive without being kept: scratch had no room.
  Counter unkept_recall_bytes;
  // Bytes answered from the archive without being kept: their file was still being written there.
  Counter growing_recall_bytes;
  // Bytes answered from the archive before their chunks, which come behind them.
  Counter answered_first_bytes;
  Counter published_bytes;
  Counter published_files;
  // Files published as a patch, and what of them the archive took over by itself.
  Counter patched_files;
  Counter cloned_bytes;
  Counter evicted_bytes;
  Counter evicted_files;
  Counter conflicts;
  // Chunks that the archive gave with other bytes than were recorded.
  Counter damaged_chunks;
  // Chunks of scratch that nobody changed, and that were not as recorded.
  Counter rotten_chunks;
};

Metrics& metrics();

}  // namespace tierhub
