// Frees scratch: drops clean files, and removes what was deleted once nobody uses it.
//
// Protocol of an eviction:
//   1. Under the inode's lock: all clean, no handle, nothing filling, no pin or lease. Note the
//   version on record.
//   2. Without the lock: the archive still holds that version. If it is away or holds another,
//   nothing is evicted.
//   3. Under the lock again: the same as in 1, and a lease proves that the object is unused. One
//   batch drops the residency;
//      the object is moved aside. Killed before the batch: hot. After it: cold, and recovery finds
//      the object without a record that wants it.
//   4. sync of the catalog, once for many files; only then the objects are deleted.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "catalog/inode_table.h"
#include "common/result.h"
#include "migrator/capacity.h"
#include "storage/archive.h"
#include "storage/scratch.h"

namespace tierhub {

struct Eviction {
  bool evicted = false;
  uint64_t bytes = 0;       // resident bytes that were dropped
  std::string skip_reason;  // not empty: why it was skipped
};

class Evictor {
 public:
  Evictor(InodeTable& inodes, const Scratch& scratch, Archive& archive, Capacity& capacity);

  // All functions: any thread, but reap() one at a time.

  // Steps 1 to 3 for one file. Space is free after reap(). A cold file is neither evicted nor
  // skipped.
  Result<Eviction> evict(InodeNumber inode);
  // Step 4 for all files that were moved aside, and the removal of inodes that lost their last name
  // and are unused.
  Result<void> reap();
  // The least recently used files, until capacity is at its low mark or nothing more can go.
  // Returns the bytes freed.
  Result<uint64_t> lru_pass();

  // At start after an unclean end, before anything uses scratch: takes back objects that the
  // catalog still wants, moves aside those that it does not know, and after a reboot drops clean
  // chunks that no sync covered.
  Result<void> recover();

 private:
  Result<std::string> reason_to_keep(const InodeState& inode) const;
  Result<void> reap_inode(InodeNumber inode);

  InodeTable& inodes_;
  Catalog& catalog_;
  const Scratch& scratch_;
  Archive& archive_;
  Capacity& capacity_;
};

}  // namespace tierhub
