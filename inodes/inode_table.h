// The inodes that are in use: one LiveInode each, with its record, its residency and its users, all
// guarded by its lock. This is where the parts of tierd meet: FUSE threads, movers and the publisher
// agree on a file's state by holding its lock.
//
// Lock order: an operation takes all inode locks that it needs at once, through lock_all(), in
// ascending inode number; it takes no further one while it holds any. No callback runs and no
// archive call is made under a lock; calls on the inode's own scratch object and one catalog commit
// are allowed.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "catalog/catalog.h"
#include "common/interval_set.h"
#include "common/mutex.h"
#include "common/result.h"
#include "common/types.h"
#include "common/unique_fd.h"
#include "inodes/read_streams.h"

namespace tierhub {

// How the kernel was told to serve an inode; the same for all its handles until the last one is
// released.
enum class ServeMode : uint8_t { none, passthrough, daemon };

// What people are shown. A file is the first of these that fits: dirty, hot (an empty file too),
// cold, partial.
enum class FileState : uint8_t { cold, partial, hot, dirty };

// The content of a LiveInode; reached through an InodeLock only.
struct InodeState {
  InodeNumber number;
  // none: the inode does not exist (any more).
  std::optional<InodeRecord> record;
  IntervalSet clean;  // chunks
  IntervalSet dirty;  // bytes
  uint64_t chunk_bytes = 0;

  // Users.
  uint32_t handles = 0;
  uint32_t writable_handles = 0;
  ServeMode serve_mode = ServeMode::none;
  int32_t backing_id = 0;
  // Open while there are handles that the daemon serves. write_fd is open for reading and writing.
  UniqueFd read_fd;
  UniqueFd write_fd;

  // Chunks that a mover is bringing, and what waits for them.
  IntervalSet filling;
  std::vector<std::function<void()>>
      filling_waiters;  // run without locks when a fill of this inode ends
  // While fills write into the object of a file that is being written: the file's mtime, as the
  // object's is that of the fills.
  std::optional<Timestamp> mtime_beside_fills;
  // A fill failed, and what carried it out may still write into the object (fill_at_large).
  bool lost_fill = false;
  // Bytes of absent chunks that were answered before their chunk was kept: asked for again, they
  // come with the chunk. And chunks of which the archive gave other bytes than were recorded: none
  // of their bytes is answered without them.
  IntervalSet answered_first;
  IntervalSet damaged;
  ReadStreams read_streams;  // through the daemon

  // What of this inode's heat is not recorded yet (catalog/heat.h).
  uint64_t read_bytes = 0;  // through the daemon, since a use was recorded
  Timestamp use_recorded;

  const InodeRecord& rec() const { return *record; }
  uint64_t size_bytes() const { return record->attributes.size_bytes; }
  bool is_file() const { return record->attributes.kind == FileKind::file; }
  bool is_directory() const { return record->attributes.kind == FileKind::directory; }
  // Bytes below this may have to come from the archive: min(size, archive limit), 0 if it never was
  // archived or if the object is whole.
  uint64_t recallable_bytes() const;
  // Chunks that overlap `range` and must be recalled before it can be read or partly written.
  std::vector<IntervalSet::Interval> absent_chunks(ByteRange range) const;
  bool all_present() const { return absent_chunks({0, size_bytes()}).empty(); }
  bool is_dirty() const;
  FileState state() const;
  uint64_t resident_bytes() const;
  uint64_t dirty_bytes() const;
};

class LiveInode {
 public:
  explicit LiveInode(InodeNumber number) { state_.number = number; }

 private:
  friend class InodeTable;
  friend class InodeLock;
  // Has no users, and nothing that only memory knows. False while somebody holds its lock.
  bool is_idle();

  Mutex mutex_;
  bool loaded_ GUARDED_BY(mutex_) = false;
  InodeState state_ GUARDED_BY(mutex_);
};

// Holds one inode's lock. Movable; unlocks when destroyed.
class InodeLock {
 public:
  InodeLock() = default;
  InodeState* operator->() const { return &state(); }
  InodeState& operator*() const { return state(); }
  bool exists() const { return state().record.has_value(); }
  void unlock() { lock_.unlock(); }

 private:
  friend class InodeTable;
  InodeLock(std::shared_ptr<LiveInode> inode, MovableMutexLock lock)
      : inode_(std::move(inode)), lock_(std::move(lock)) {}
  InodeState& state() const {
    inode_->mutex_.assert_held();
    return inode_->state_;
  }
  std::shared_ptr<LiveInode> inode_;  // destroyed after the lock
  MovableMutexLock lock_;
};

class InodeTable {
 public:
  // Keeps at least those that have handles or fills, or of which a chunk is damaged in the archive;
  // `capacity` bounds the rest.
  InodeTable(Catalog& catalog, size_t capacity) : catalog_(catalog), capacity_(capacity) {}

  // Any thread. Loads the inode if it is not in memory. An inode that does not exist is locked as
  // well: check exists().
  Result<InodeLock> lock(InodeNumber inode);
  // Locks them all, ascending; the result is in the order given. Equal numbers are locked once: the
  // later places are empty.
  Result<std::vector<InodeLock>> lock_all(std::vector<InodeNumber> inodes);
  // Locks it; errc::no_such_file_or_directory if it does not exist.
  Result<InodeLock> lock_existing(InodeNumber inode);

  // Numbers of the inodes in memory that have handles or writers.
  std::vector<InodeNumber> in_use();

  Catalog& catalog() { return catalog_; }

 private:
  static constexpr size_t kShards = 64;
  struct Shard {
    Mutex mutex;
    std::unordered_map<InodeNumber, std::shared_ptr<LiveInode>> inodes GUARDED_BY(mutex);
  };
  std::shared_ptr<LiveInode> acquire(InodeNumber inode);
  Result<void> load(InodeState& state);
  void shrink(Shard& shard) REQUIRES(shard.mutex);

  Catalog& catalog_;
  size_t capacity_;
  std::array<Shard, kShards> shards_;
};

}  // namespace tierhub
