// What an archive's file system can store and do, as probed when it was opened. What it cannot
// store stays in the catalog.
#pragma once

#include <string>
#include <vector>

#include "common/result.h"
#include "storage/archive/entry.h"

namespace tierhub {

// How the archive makes a copy of a part of one of its files by itself.
enum class CloneMethod : uint8_t {
  none = 0,
  reflink,      // both share their blocks: costs next to nothing
  server_copy,  // copied by the server: costs no transfer
  local_copy,   // copied by this kernel: read from the disk and written to it
};

struct ArchiveCapabilities {
  std::string file_system;  // "ext4", "nfs", ..., else the type in hex
  IdentityKind identity = IdentityKind::inode_and_birth_time;
  bool birth_time = false;
  // A file's ctime moves when somebody changes it, and only then: it lies in the file system
  // itself.
  bool lasting_ctime = false;
  bool writable = false;
  bool user_xattrs = false;
  bool posix_acls = false;
  bool change_owner = false;
  bool hard_links = false;
  bool symlinks = false;
  bool special_files = false;
  bool case_sensitive = true;
  bool rename_noreplace = false;
  bool rename_exchange = false;
  // syncfs reaches the disk; else every staged file is synced by itself.
  bool sync_file_system = false;
  CloneMethod clone = CloneMethod::none;

  bool operator==(const ArchiveCapabilities&) const = default;
  // For people: one sentence for each thing that is missing and what TierHub does instead.
  std::vector<std::string> limits() const;
};

// Tries everything out in a folder of its own below `folder_fd`, which it removes. Blocks.
Result<ArchiveCapabilities> probe_capabilities(int folder_fd);
// What can be told without making anything there.
Result<ArchiveCapabilities> capabilities_unprobed(int folder_fd);

}  // namespace tierhub
