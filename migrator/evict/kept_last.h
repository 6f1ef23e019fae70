// Chunks of files that are evicted last, because somebody asked for it: the metadata of datasets,
// which readers need again and again, and wait for piece by piece.
//
// Notes what was asked for, whether it is resident or not. All of it together is bounded; the oldest
// gives way. It is one text in the catalog (docs/ON_DISK.md, `evict.kept_last`), so that it outlives
// the process.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "catalog/catalog.h"
#include "common/interval_set.h"
#include "common/mutex.h"
#include "common/result.h"
#include "common/types.h"

namespace tierhub {

class KeptLast {
 public:
  static constexpr size_t kMostFiles = 20'000;
  static constexpr size_t kMostParts = 100'000;

  struct Item {
    InodeNumber inode;
    IntervalSet chunks;
    uint64_t size_bytes = 0;  // of the file
  };

  // Reads what the last process noted, without files that are gone. Text that cannot be read is
  // logged and forgotten.
  explicit KeptLast(Catalog& catalog);

  // All functions: any thread.

  // The newest from now on; a file that was noted already gets more chunks. The oldest are forgotten
  // until no more than `most_bytes`, kMostFiles and kMostParts are left. errc::no_space_on_device,
  // and nothing changes, if `items` are more than that by themselves.
  Result<void> add(const std::vector<Item>& items, uint64_t most_bytes);
  // Of a file; empty if it has none.
  IntervalSet chunks_of(InodeNumber inode) const;
  // It has no name any more.
  void forget(InodeNumber inode);
  size_t files() const;
  // What the chunks take in scratch when they are resident.
  uint64_t bytes() const;

 private:
  struct Kept {
    uint64_t age = 0;  // the key in by_age_
    IntervalSet chunks;
    uint64_t bytes = 0;
  };
  Result<void> check_size(const std::vector<Item>& items, uint64_t most_bytes) const;
  void note(InodeNumber inode, IntervalSet chunks, uint64_t bytes) REQUIRES(mutex_);
  void erase(InodeNumber inode) REQUIRES(mutex_);
  std::string text() const REQUIRES(mutex_);
  Result<void> load();

  Catalog& catalog_;
  Mutex store_mutex_;  // held over a change and its commit; before mutex_
  mutable Mutex mutex_;
  std::map<InodeNumber, Kept> kept_ GUARDED_BY(mutex_);
  std::map<uint64_t, InodeNumber> by_age_ GUARDED_BY(mutex_);  // the oldest first
  uint64_t next_age_ GUARDED_BY(mutex_) = 0;
  uint64_t bytes_ GUARDED_BY(mutex_) = 0;
  size_t parts_ GUARDED_BY(mutex_) = 0;
};

}  // namespace tierhub
