// The last part of a scan: names that base has and the archive no longer has.
#pragma once

#include <cstdint>
#include <vector>

#include "common/result.h"
#include "migrator/scan/folder.h"

namespace tierhub {

class RemovalScan {
 public:
  explicit RemovalScan(ScanState& scan) : scan_(scan) {}

  // A file system was mounted at the name, or below it: it is offline, and not gone. But for a scan
  // that gives up those.
  Result<bool> is_offline(const Name& name);
  // How many entries the missing names stand for, with all below them.
  Result<uint64_t> count(const std::vector<Name>& missing);
  // Takes one missing name, and all below it, out of base: what is clean leaves the namespace, what
  // is not is published again. Looks again that it is missing. Under the tree mutex.
  Result<void> remove(const Name& name);
  // The same of a name that is known to be gone.
  Result<void> forget(const Name& name);

 private:
  Result<bool> holds_mount_point(InodeNumber folder);
  Result<uint64_t> count_below(InodeNumber folder);
  Result<void> remove_known(const Name& name, const BaseRecord& known);
  Result<bool> stays(const Name& name, const InodeState& inode);

  ScanState& scan_;
};

}  // namespace tierhub
