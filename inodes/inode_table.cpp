#include "inodes/inode_table.h"

#include <algorithm>
#include <numeric>

namespace tierhub {

uint64_t InodeState::recallable_bytes() const {
  if (!record->archived || record->content == Content::unknown) return 0;
  return std::min(record->attributes.size_bytes, record->archive_limit_bytes);
}

std::vector<IntervalSet::Interval> InodeState::absent_chunks(ByteRange range) const {
  const uint64_t end = std::min(range.end, recallable_bytes());
  if (range.begin >= end) return {};
  std::vector<IntervalSet::Interval> absent;
  const auto chunks_up_to = [this](uint64_t bytes) {
    return (bytes + chunk_bytes - 1) / chunk_bytes;
  };
  for (const auto& gap : clean.missing(range.begin / chunk_bytes, chunks_up_to(end))) {
    uint64_t begin = gap.begin;
    // Dirty bytes that cover all of a chunk make it present without the archive.
    const uint64_t gap_end = std::min(gap.end * chunk_bytes, recallable_bytes());
    for (const auto& part : dirty.present(gap.begin * chunk_bytes, gap_end)) {
      const uint64_t covered_begin = chunks_up_to(part.begin);
      const uint64_t covered_end = part.end == gap_end ? gap.end : part.end / chunk_bytes;
      if (covered_begin >= covered_end) continue;
      if (begin < covered_begin) absent.push_back({begin, covered_begin});
      begin = covered_end;
    }
    if (begin < gap.end) absent.push_back({begin, gap.end});
  }
  return absent;
}

bool InodeState::is_dirty() const {
  return is_file() && (record->writing || record->content == Content::unknown || !dirty.empty() ||
                       !record->archived);
}

FileState InodeState::state() const {
  if (is_dirty()) return FileState::dirty;
  if (all_present()) return FileState::hot;
  return clean.empty() ? FileState::cold : FileState::partial;
}

uint64_t InodeState::resident_bytes() const {
  if (!is_file()) return 0;
  uint64_t absent = 0;
  for (const auto& gap : absent_chunks({0, size_bytes()})) {
    absent += std::min(gap.end * chunk_bytes, recallable_bytes()) - gap.begin * chunk_bytes;
  }
  return size_bytes() - absent;
}

uint64_t InodeState::dirty_bytes() const {
  if (!is_dirty()) return 0;
  if (record->content == Content::unknown || !record->archived) return size_bytes();
  uint64_t total = 0;
  for (const auto& part : dirty.present(0, size_bytes())) total += part.end - part.begin;
  return total;
}

bool LiveInode::is_idle() {
  if (!mutex_.try_lock()) return false;
  const bool idle = state_.handles == 0 && state_.filling.empty() && !state_.lost_fill &&
                    state_.answered_first.empty() && state_.damaged.empty();
  mutex_.unlock();
  return idle;
}

std::shared_ptr<LiveInode> InodeTable::acquire(InodeNumber inode) {
  Shard& shard = shards_[inode.value() % kShards];
  MutexLock lock(shard.mutex);
  auto& slot = shard.inodes[inode];
  if (!slot) slot = std::make_shared<LiveInode>(inode);
  auto result = slot;
  if (shard.inodes.size() > capacity_ / kShards + 1) shrink(shard);
  return result;
}

// Nobody can get a reference to an inode while its shard is locked and use_count is 1.
void InodeTable::shrink(Shard& shard) {
  std::erase_if(shard.inodes, [](const auto& item) {
    return item.second.use_count() == 1 && item.second->is_idle();
  });
}

Result<void> InodeTable::load(InodeState& state) {
  TRY_ASSIGN(state.record, catalog_.inode(state.number));
  state.chunk_bytes = catalog_.chunk_bytes();
  if (state.record && state.is_file()) {
    TRY_ASSIGN(state.clean, catalog_.ranges(state.number, RangeKind::clean));
    TRY_ASSIGN(state.dirty, catalog_.ranges(state.number, RangeKind::dirty));
  }
  return {};
}

Result<InodeLock> InodeTable::lock(InodeNumber inode) {
  auto live = acquire(inode);
  MovableMutexLock lock(live->mutex_);
  // What does not exist may have been made since it was looked at.
  if (!live->loaded_ || !live->state_.record) {
    TRY(load(live->state_));
    live->loaded_ = true;
  }
  return InodeLock(std::move(live), std::move(lock));
}

Result<std::vector<InodeLock>> InodeTable::lock_all(std::vector<InodeNumber> inodes) {
  std::vector<size_t> order(inodes.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return inodes[a] < inodes[b]; });
  std::vector<InodeLock> locks(inodes.size());
  for (size_t i = 0; i < order.size(); ++i) {
    if (i > 0 && inodes[order[i]] == inodes[order[i - 1]]) continue;
    TRY_ASSIGN(locks[order[i]], lock(inodes[order[i]]));
  }
  return locks;
}

Result<InodeLock> InodeTable::lock_existing(InodeNumber inode) {
  TRY_ASSIGN(InodeLock locked, lock(inode));
  if (!locked.exists())
    return Error(std::errc::no_such_file_or_directory,
                 fmt::format("inode {} does not exist", inode));
  return locked;
}

std::vector<InodeNumber> InodeTable::in_use() {
  std::vector<std::shared_ptr<LiveInode>> all;
  for (Shard& shard : shards_) {
    MutexLock lock(shard.mutex);
    for (const auto& [number, live] : shard.inodes) all.push_back(live);
  }
  std::vector<InodeNumber> result;
  for (const auto& live : all) {
    MutexLock lock(live->mutex_);
    if (live->state_.handles > 0 || (live->state_.record && live->state_.record->writing)) {
      result.push_back(live->state_.number);
    }
  }
  return result;
}

}  // namespace tierhub
