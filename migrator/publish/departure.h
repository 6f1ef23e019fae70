// What the archive still has although nothing here has a name for it: whether somebody removed it
// or something took its place, where it was, and how it goes to the trash.
#pragma once

#include <string>

#include "catalog/catalog.h"
#include "common/result.h"
#include "migrator/publish/trash.h"
#include "storage/archive/archive.h"

namespace tierhub {

// The inode, which the archive has at `path`, is about to stand elsewhere there. If it has no name
// here, `path` is where it was, unless it was moved before.
Result<void> note_place(const Catalog& catalog, Batch& batch, InodeNumber inode,
                        const std::string& path);
// Where people had what the archive has at `path` as the inode. What waits in `.tierhub/aside` is
// told by where it was; the path itself if that is not known.
Result<std::string> place_it_had(const Catalog& catalog, InodeNumber inode,
                                 const std::string& path);

// Why something rests in staging and is to be deleted.
enum class Farewell {
  overwritten,  // an old version of a file
  nameless,     // the file or folder has no name any more
};
// Puts what rests in staging as `leaf`, and stood at `path`, into the trash if that takes it. On
// any failure it rests where it was. Null: there is no trash.
Result<void> keep_in_trash(const Catalog& catalog, Trash* trash, const std::string& leaf,
                           const ArchiveVersion& version, InodeNumber inode,
                           const std::string& path, Farewell farewell);

}  // namespace tierhub
