#include "migrator/evict/lost_power.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include <fcntl.h>

#include "common/extents.h"
#include "common/log.h"
#include "common/posix.h"

namespace tierhub {
Result<void> LostPower::recover() {
  TRY_ASSIGN(const auto unsynced, catalog_.unsynced());
  std::map<InodeNumber, Batch> batches;
  for (const auto& [epoch, inode] : unsynced) batches[inode].erase_unsynced(epoch, inode);
  for (auto& [inode, batch] : batches) TRY(recover(inode, std::move(batch), true));
  uint64_t changed = 0;
  TRY(catalog_.for_each_journal_key([&](const JournalKey& key, const JournalRecord&) {
    if (key.kind != JournalKeyKind::inode || batches.contains(key.inode)) return Result<void>();
    ++changed;
    return recover(key.inode, Batch(), false);
  }));
  if (!unsynced.empty() || changed > 0)
    log::info("checked files that were not yet synced before the reboot",
              {{"unsynced", unsynced.size()}, {"changed", changed}});
  return {};
}

Result<void> LostPower::recover(InodeNumber inode, Batch batch, bool is_unsynced) {
  TRY_ASSIGN(const InodeLock lock, inodes_.lock(inode));
  if (!lock.exists() || !lock->is_file())
    return batch.empty() ? Result<void>() : catalog_.commit(batch);
  InodeState& state = *lock;
  InodeRecord record = state.rec();
  IntervalSet clean = state.clean;
  IntervalSet dirty = state.dirty;
  const bool written_to = record.content == Content::known && (record.writing || !dirty.empty());
  if (is_unsynced || written_to) batch.change_ranges(inode, RangeKind::clean, clean.clear());
  if (record.has_object) {
    const auto object = scratch_.open_object(inode, O_RDWR);
    const bool is_lost = !object && object.error().is(std::errc::no_such_file_or_directory);
    if (!object && !is_lost) return object.error();
    if (is_lost) batch.change_ranges(inode, RangeKind::clean, clean.clear());
    TRY_ASSIGN(const auto lost,
               is_lost ? without_object(state, record) : with_object(object->get(), state, record));
    for (const ByteRange& range : lost)
      batch.change_ranges(inode, RangeKind::dirty, dirty.remove(range.begin, range.end));
  }
  if (record != state.rec()) batch.put_inode(inode, record);
  if (!batch.empty()) TRY(catalog_.commit(batch));
  state.record = std::move(record);
  state.clean = std::move(clean);
  state.dirty = std::move(dirty);
  return {};
}

Result<std::vector<ByteRange>> LostPower::without_object(const InodeState& state,
                                                         InodeRecord& record) const {
  std::vector<ByteRange> lost;
  for (const auto& part : state.dirty.intervals()) lost.push_back({part.begin, part.end});
  record.has_object = record.writing = false;
  record.pending_truncate.reset();
  if (record.content == Content::known) return lost;
  TRY_ASSIGN(const auto version, catalog_.version(state.number));
  if (record.archived && version) {
    record.content = Content::known;
    record.attributes.size_bytes = record.archive_limit_bytes = version->attributes.size_bytes;
    record.attributes.mtime = version->attributes.mtime;
  } else {
    record.attributes.size_bytes = 0;
  }
  return lost;
}

Result<std::vector<ByteRange>> LostPower::with_object(int object_fd, const InodeState& state,
                                                      InodeRecord& record) {
  TRY_ASSIGN(const auto st, posix::stat_fd(object_fd));
  const auto size_bytes = static_cast<uint64_t>(st.st_size);
  std::vector<ByteRange> lost;
  if (record.content == Content::unknown) {
    if (size_bytes != record.attributes.size_bytes) record.writing = true;
    return lost;
  }
  const uint64_t limit = record.archive_limit_bytes;
  // It was just made, and its length did not arrive: a file was never shorter than that.
  if (size_bytes < limit)
    TRY(posix::truncate_fd(object_fd, std::max(limit, record.attributes.size_bytes)));
  TRY_ASSIGN(const auto data, data_ranges(object_fd, {0, limit}));
  for (const auto& part : state.dirty.present(0, limit)) {
    for (const ByteRange& hole : gaps({part.begin, part.end}, data)) lost.push_back(hole);
  }
  return lost;
}

}  // namespace tierhub
