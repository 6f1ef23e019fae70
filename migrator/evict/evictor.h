// Frees scratch: drops clean files, and deletes removed files once nobody uses them.
//
// Protocol of an eviction:
//   1. Under the inode's lock: all clean, no handle, nothing filling, no pin or lease. Note the
//      version on record.
//   2. Without the lock: check that the archive still holds that version. If it is offline or holds
//      another one, nothing is evicted.
//   3. Under the lock again: the same as in 1, and an object lease proves that the object is
//      unused. One batch drops the residency; the object is moved aside. Killed before the batch:
//      hot. After it: cold, and recovery finds an object that no record wants.
//   4. Sync the catalog, once for many files; only then delete the objects.
//
// If a file has dirty ranges, only the clean chunks without a dirty byte are dropped; and if some of
// its chunks are to be evicted last (KeptLast), only the others, as long as a pass finds something
// else:
//   1. and 2. as above;
//   3. under the lock: as above, but the batch takes those chunks out of the residency, and is
//      synced before it is acted upon;
//   4. still under the lock and the object lease, the chunks are punched out of the object. Killed
//      before it: their bytes in the object mean nothing, and go with the object, or are
//      overwritten by the next fill.
#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/mutex.h"
#include "common/result.h"
#include "common/worker_pool.h"
#include "inodes/inode_table.h"
#include "migrator/evict/capacity.h"
#include "migrator/evict/kept_last.h"
#include "migrator/evict/victims.h"
#include "storage/archive/archive.h"
#include "storage/scratch/scratch.h"

namespace tierhub {

class UserPins;

// Why a file, or the rest of it, stays in scratch.
enum class Obstacle {
  unpublished,     // it differs from the archive
  not_archived,    // the archive never had it
  open,            // here
  in_use,          // its object is open or mapped: the kernel says so
  filling,         // it is being copied
  leased,          // or pinned
  archive_silent,  // nobody knows whether the archive still has it
  conflict,        // the archive has another version
  published_anew,  // while the archive was asked
};

struct Skip {
  Obstacle obstacle{};
  std::string detail;  // by whom it is leased; what is wrong with the archive

  std::string text() const;
  // The kernel holds what was just copied, or just closed, a little longer.
  bool is_passing() const { return obstacle == Obstacle::open || obstacle == Obstacle::in_use; }
};

struct Eviction {
  bool evicted = false;      // all of it
  uint64_t bytes = 0;        // that what was dropped occupied, also if the rest had to stay
  std::optional<Skip> skip;  // of it, or of the rest of it
};

class Evictor {
 public:
  Evictor(InodeTable& inodes, const Scratch& scratch, Archive& archive, Capacity& capacity);

  // All functions: any thread. One reap() or make_room() runs at a time; evict() does not wait for
  // it.

  // What of a file goes: all of it, or all but the chunks that are evicted last.
  enum class What { all, all_but_kept };
  // Steps 1 to 3 for one file. Space is free after reap(). A cold file is neither evicted nor
  // skipped.
  Result<Eviction> evict(InodeNumber inode, What what = What::all);
  // These files, or the chunks with these ranges, are evicted last from now on: passes take them
  // when they find nothing else. At most kKeptShare of the capacity is kept so; the oldest gives
  // way, and errc::no_space_on_device if these alone are more.
  Result<void> evict_last(const std::vector<PrefetchItem>& items);
  static constexpr double kKeptShare = 0.01;
  // Step 4 for all files that were moved aside, and the removal of inodes that lost their last name
  // and are unused.
  Result<void> reap();
  // One pass: files that are nearly the coldest, until capacity has what it wants, or nothing more
  // was found that can go. Its cost does not depend on how many files are resident. Returns the
  // bytes freed.
  Result<uint64_t> make_room();
  // Which pins of persons hold; null: all do. Set once, before threads start.
  UserPins* user_pins = nullptr;
  // False: the archive is known to be away, so nothing can be evicted. Set once, before threads
  // start.
  std::function<bool()> archive_is_up = [] { return true; };

 private:
  struct Judgement {
    std::optional<Skip> skip;  // nothing of it may go
    bool only_clean = false;   // it has dirty ranges: only its clean chunks may go
  };
  Result<Judgement> judge(const InodeState& inode) const;
  Result<std::optional<ArchiveVersion>> evictable_version(InodeNumber inode, Eviction& eviction);
  Result<std::optional<Skip>> pin_or_lease_on(InodeNumber inode) const;
  Result<void> drop_clean_chunks(InodeState& inode, const ObjectLease& object_lease,
                                 const IntervalSet& kept, Eviction& eviction);
  Result<std::optional<Timestamp>> heat_of(InodeNumber inode) const;
  Result<uint64_t> evict_for_room(const Capacity::Pass& pass) REQUIRES(pass_mutex_);
  Result<uint64_t> evict_coldest(uint64_t wanted_bytes, What what) REQUIRES(pass_mutex_);
  Result<void> reap_now() REQUIRES(pass_mutex_);
  Result<uint64_t> evict_in_order(const std::vector<InodeNumber>& victims, uint64_t wanted_bytes,
                                  What what);
  Result<void> reap_inode(InodeNumber inode);

  InodeTable& inodes_;
  Catalog& catalog_;
  const Scratch& scratch_;
  Archive& archive_;
  Capacity& capacity_;
  KeptLast kept_;
  std::atomic<What> pass_takes_{What::all_but_kept};  // of the pass that holds pass_mutex_
  Mutex pass_mutex_;
  // Inodes that are in use don't hide those behind them.
  InodeNumber reap_cursor_ GUARDED_BY(pass_mutex_);
  Victims victims_ GUARDED_BY(pass_mutex_);
  WorkerPool lanes_;
};

}  // namespace tierhub
