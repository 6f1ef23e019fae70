// The root of an archive and TierHub's own folders in it, held open: file systems mounted over them
// later are not seen.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "common/result.h"
#include "common/unique_fd.h"
#include "storage/archive/entry.h"

namespace tierhub {

struct ArchiveRoot {
  UniqueFd fd;
  UniqueFd staging;
  UniqueFd aside;
  MountKey key;
  uint64_t inode = 0;
  std::string id;  // of `.tierhub/id`

  // With an `expected_id`, any other archive, or none, is errc::no_such_device and nothing is made.
  // Without one a folder that is no archive yet becomes one.
  static Result<std::shared_ptr<const ArchiveRoot>> open(const std::string& path,
                                                         const std::string& expected_id);
  // True if `path` still leads to this root, in the same mount, and its id is the same.
  bool is_still_at(const std::string& path) const;
};

// Refuses a folder at `path` that someone else made, who could swap what rests in it, and closes it
// to others. `path` is below `root_fd`; `shown` is how it is named in the error.
Result<void> check_private_folder(int root_fd, const std::string& path, const std::string& shown);
// Makes it if it is missing.
Result<void> make_private_folder(int root_fd, const std::string& path);

using ArchiveRootPointer = std::shared_ptr<const ArchiveRoot>;

}  // namespace tierhub
