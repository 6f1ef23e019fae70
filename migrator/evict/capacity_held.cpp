#include "migrator/evict/capacity_held.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include "storage/scratch/object_state.h"

namespace tierhub {
namespace {

double age_s(Timestamp since) { return static_cast<double>(Timestamp::now().ns - since.ns) / 1e9; }

}  // namespace

Result<DirtyCount> count_dirty(
    InodeTable& inodes, const Scratch& scratch,
    const std::function<Result<void>(InodeNumber inode, uint64_t dirty_bytes)>& visit) {
  DirtyCount count;
  const auto add = [&](const JournalKey& key, const JournalRecord& record) -> Result<void> {
    ++count.journal_keys;
    if (!record.parked_reason.empty()) {
      ++count.parked_keys;
      if (count.first_parked_reason.empty()) count.first_parked_reason = record.parked_reason;
    }
    if (key.kind != JournalKeyKind::inode) return {};
    TRY_ASSIGN(const InodeLock lock, inodes.lock(key.inode));
    if (!lock.exists() || !lock->is_dirty() || lock->rec().nlink == 0) return {};
    ++count.files;
    // While it is being written, its size is the object's.
    TRY_ASSIGN(const Attributes attributes, current_attributes(scratch, *lock));
    const bool whole = lock->rec().content == Content::unknown;
    const uint64_t bytes = whole ? attributes.size_bytes : lock->dirty_bytes();
    if (visit) TRY(visit(key.inode, bytes));
    count.bytes += bytes;
    count.oldest_age_s = std::max(count.oldest_age_s, age_s(record.since));
    return {};
  };
  TRY(inodes.catalog().for_each_journal_key(add));
  return count;
}

Result<uint64_t> HeldBytes::count() {
  uint64_t bytes = 0;
  // Holes occupy nothing.
  const auto hold = [&](InodeNumber inode, uint64_t most_bytes) -> Result<void> {
    TRY_ASSIGN(const uint64_t occupied_bytes, scratch_.occupied_bytes(inode));
    bytes += std::min(most_bytes, occupied_bytes);
    return {};
  };
  TRY(count_dirty(inodes_, scratch_, hold));
  user_pins_.look();
  std::vector<InodeNumber> pinned;
  TRY(inodes_.catalog().for_each_lease([&](InodeNumber inode, const LeaseRecord& lease) {
    if (lease.pin && user_pins_.holds(lease)) pinned.push_back(inode);
    return true;
  }));
  pinned.erase(std::unique(pinned.begin(), pinned.end()), pinned.end());
  for (const InodeNumber inode : pinned) {
    TRY_ASSIGN(const InodeLock lock, inodes_.lock(inode));
    if (lock.exists() && !lock->is_dirty()) TRY(hold(inode, lock->resident_bytes()));
  }
  return bytes;
}

Result<uint64_t> HeldBytes::get() {
  MutexLock lock(mutex_);
  const auto begin = SteadyClock::now();
  if (begin < next_count_) return bytes_;
  TRY_ASSIGN(bytes_, count());
  const auto end = SteadyClock::now();
  next_count_ =
      end + std::max<SteadyClock::duration>(std::chrono::milliseconds(200), 20 * (end - begin));
  return bytes_;
}

}  // namespace tierhub
