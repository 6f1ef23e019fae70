// What cannot be evicted from scratch for reasons other than leases.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "common/clock.h"
#include "common/mutex.h"
#include "common/result.h"
#include "inodes/inode_table.h"
#include "migrator/evict/user_pins.h"
#include "storage/scratch/scratch.h"

namespace tierhub {

// What would be lost if the SSD died now, and what waits in the journal.
struct DirtyCount {
  uint64_t journal_keys = 0;
  uint64_t parked_keys = 0;
  std::string first_parked_reason;
  uint64_t files = 0;
  uint64_t bytes = 0;
  double oldest_age_s = 0;
};
// Walks the journal; calls `visit`, if there is one, for each file, with its lock held. Any thread.
Result<DirtyCount> count_dirty(
    InodeTable& inodes, const Scratch& scratch,
    const std::function<Result<void>(InodeNumber inode, uint64_t dirty_bytes)>& visit = nullptr);

// Bytes that unpublished changes and files whose pins hold occupy, as of a little while ago: how often they
// are counted depends on how long that takes.
class HeldBytes {
 public:
  HeldBytes(InodeTable& inodes, const Scratch& scratch, UserPins& user_pins)
      : inodes_(inodes), scratch_(scratch), user_pins_(user_pins) {}
  // Any thread; those that come while it is counted wait.
  Result<uint64_t> get();

 private:
  Result<uint64_t> count();

  InodeTable& inodes_;
  const Scratch& scratch_;
  UserPins& user_pins_;
  Mutex mutex_;
  uint64_t bytes_ GUARDED_BY(mutex_) = 0;
  SteadyClock::time_point next_count_ GUARDED_BY(mutex_);
};

}  // namespace tierhub
