// Makes scratch agree with the catalog at a start after an unclean end.
//
//   1. Take back objects that were moved aside though the catalog still wants them.
//   2. Move aside those that it does not know; after a reboot, adopt first what a file lost with the
//      end of the catalog's log.
//   3. After a reboot, drop clean chunks that no sync covered (lost_power.h).
//   4. Drop what fills left that were killed before they committed anything.
//
// Killed anywhere, the next start does it again. Evictor::reap() then deletes what is aside.
#pragma once

#include <functional>
#include <vector>

#include "common/result.h"
#include "inodes/inode_table.h"
#include "storage/scratch/scratch.h"

namespace tierhub {

class ScratchRecovery {
 public:
  // Is given, after a reboot, the objects that no record wants, and puts records for those that
  // should have one: the others are moved aside. No inode is in memory.
  using AdoptForgotten = std::function<Result<void>(const std::vector<InodeNumber>& objects)>;

  ScratchRecovery(InodeTable& inodes, const Scratch& scratch, AdoptForgotten adopt_forgotten)
      : inodes_(inodes),
        catalog_(inodes.catalog()),
        scratch_(scratch),
        adopt_forgotten_(std::move(adopt_forgotten)) {}

  // Before anything uses scratch. One thread.
  Result<void> run();

 private:
  Result<void> drop_unfinished(InodeNumber inode);
  Result<void> set_unwanted_aside(const std::vector<InodeNumber>& unwanted);

  InodeTable& inodes_;
  Catalog& catalog_;
  const Scratch& scratch_;
  const AdoptForgotten adopt_forgotten_;
};

}  // namespace tierhub
