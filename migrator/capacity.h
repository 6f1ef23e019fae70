// How much of scratch is used, and who may use more. Counted from what the objects occupy,
// set-aside ones included.
//
// Between two recounts the count is kept by adding what is copied in and what writers reserve, and
// by subtracting what the reaper frees; a recount corrects it. What passthrough writers add is seen
// at the next recount only: `reserve` is the room for that, and the file system's own limit is the
// wall.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>

#include "common/result.h"
#include "storage/scratch.h"

namespace tierhub {

class Capacity {
 public:
  struct Options {
    uint64_t capacity_bytes = 0;  // 0: the size of scratch's file system
    uint64_t reserve_bytes = 256 << 20;
    double high_share = 0.90;  // of what may be used: eviction begins
    double low_share = 0.80;   // eviction ends
    double write_wait_s = 5;   // how long a writer waits for eviction before it gets ENOSPC
  };

  Capacity(const Scratch& scratch, const Options& options);

  // All functions: any thread.
  uint64_t capacity_bytes() const;
  uint64_t used_bytes() const { return used_.load(); }
  uint64_t reserve_bytes() const { return options_.reserve_bytes; }
  // What may be used before the reserve begins.
  uint64_t limit_bytes() const;
  bool has_room(uint64_t bytes) const { return used_bytes() + bytes <= limit_bytes(); }
  bool above_high_mark() const {
    return used_bytes() > static_cast<uint64_t>(double(limit_bytes()) * options_.high_share);
  }
  // How much must be evicted to be at the low mark.
  uint64_t excess_bytes() const;

  void add(uint64_t bytes) { used_ += bytes; }
  void subtract(uint64_t bytes);
  // For a writer: counts the bytes as used. If there is no room it wakes the evictor and waits for
  // its next whole pass. errc::no_space_on_device if even that made no room.
  Result<void> reserve(uint64_t bytes);

  // Walks the objects and sets the count. Takes long with many objects: see recount_interval_s.
  Result<void> recount();
  // So that recounting takes a twentieth of a processor at most.
  double recount_interval_s() const { return recount_interval_s_; }

  // The evictor tells when it begins and ends a pass.
  void pass_begins();
  void pass_ended();
  // Called when someone waits for room; set once, before threads start.
  std::function<void()> wake_evictor;

 private:
  const Scratch& scratch_;
  Options options_;
  std::atomic<uint64_t> used_{0};
  std::atomic<double> recount_interval_s_{1};
  std::mutex mutex_;
  std::condition_variable passed_;
  uint64_t passes_begun_ = 0;  // guarded by mutex_
  uint64_t passes_ended_ = 0;  // guarded by mutex_: number of the last pass that ended
};

}  // namespace tierhub
