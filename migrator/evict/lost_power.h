// Recovery after a power cut. The catalog's log may lack its tail, and scratch whatever was not
// synced, each independently of the other; what is in neither was promised to nobody.
//
// These hold at all times, so that after a power cut only the inodes in `unsynced` and in the
// journal need to be checked:
//   * an object is in `unsynced`, or its inode has a key in the journal, or a sync covered it;
//   * clean chunks that no sync covered are in `unsynced`;
//   * an inode that was erased with its object is in `unsynced`, or a sync covered it: objects that
//     have neither a record nor such a note are adopted before this (recovery/adoption.h);
//   * before a clean file can change, `writing` and its key in the journal are durable;
//   * bytes that were fetched from the archive are durable before they count as the file's own
//     (`unknown` content);
//   * a size that only the record has (not `writing`) is that of a durable object;
//   * dirty bytes of a file of known content are in data of its object, never in a hole.
// For each of these inodes, under its lock, in one batch:
//   1. Clean chunks are dropped if no sync covered them, or if somebody may have written into them.
//   2. Known content: dirty bytes in a hole never arrived; the archive's bytes count again.
//   3. Unknown content: the object is the truth. If its size is not the recorded one, it is
//      harvested again.
//   4. A missing object was never promised. The archive's version counts again, or, if there is
//      none, the file is empty.
#pragma once

#include <vector>

#include "common/result.h"
#include "inodes/inode_table.h"
#include "storage/scratch/scratch.h"

namespace tierhub {

class LostPower {
 public:
  LostPower(InodeTable& inodes, const Scratch& scratch)
      : inodes_(inodes), catalog_(inodes.catalog()), scratch_(scratch) {}
  // Before anything else uses the inodes. Killed in between, it is run again from the start.
  Result<void> recover();

 private:
  Result<void> recover(InodeNumber inode, Batch batch, bool is_unsynced);
  // Both return the dirty bytes that never arrived.
  Result<std::vector<ByteRange>> without_object(const InodeState& state, InodeRecord& record) const;
  static Result<std::vector<ByteRange>> with_object(int object_fd, const InodeState& state,
                                                    InodeRecord& record);

  InodeTable& inodes_;
  Catalog& catalog_;
  const Scratch& scratch_;
};

}  // namespace tierhub
