// How base, versions and keys change together in one batch; shared by the waves, the recovery and
// the scanner.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/result.h"
#include "inodes/inode_table.h"

namespace tierhub {

// The locks of several inodes, reached by number. kAsideInode is no inode and is left out.
class HeldInodes {
 public:
  static Result<HeldInodes> lock(InodeTable& table, std::vector<InodeNumber> inodes);
  // The inode must be one of those locked.
  InodeState& at(InodeNumber inode) const;

 private:
  std::vector<InodeNumber> numbers_;  // ascending
  std::vector<InodeLock> locks_;
};

// Changes of base that go into one batch. An inode that loses its last name in base loses its
// version too.
class BaseEdit {
 public:
  BaseEdit(const Catalog& catalog, Batch& batch) : catalog_(catalog), batch_(batch) {}

  // What stands at `name` now; none: nothing.
  Result<void> set(const Name& name, const std::optional<BaseRecord>& record);
  // After the last set(), before the commit. Returns the inodes that the archive has no longer.
  Result<std::vector<InodeNumber>> finish();
  // What base has at `name` with these changes.
  Result<std::optional<BaseRecord>> at(const Name& name) const;

 private:
  const Catalog& catalog_;
  Batch& batch_;
  std::map<Name, std::optional<BaseRecord>> changed_;
  std::vector<InodeNumber> lost_names_;  // inodes that lost a name
};

// Puts the key if it is not there. A parked key stays parked.
Result<bool> ensure_key(const Catalog& catalog, Batch& batch, const JournalKey& key);
// Drops the entry key if namespace and base agree at `name`, else makes sure that it is there. With
// the parent's lock.
Result<void> settle_entry_key(const Catalog& catalog, Batch& batch, const BaseEdit& base,
                              const Name& name);
// The folder's own times moved in the archive when an entry was changed there: its key sets them
// right. With its lock.
Result<void> touch_folder(const Catalog& catalog, Batch& batch, const InodeState& folder);

}  // namespace tierhub
