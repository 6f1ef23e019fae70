// The folder of the namespace for everything that lost its place. It is an ordinary folder: it is
// published, and may be renamed or removed.
#pragma once

#include <string>

#include "catalog/catalog.h"
#include "common/result.h"

namespace tierhub::recovery {

// What the publisher is to publish from now on.
JournalRecord new_key();

// Makes it, if it is not there, and returns its number. Synced.
Result<InodeNumber> recovered_folder(Catalog& catalog);
// `wanted`, or the first of "wanted (recovered N)", ... that `folder` has not got.
Result<std::string> free_name(const Catalog& catalog, InodeNumber folder, const std::string& wanted,
                              InodeNumber inode);
// Adds to `batch` a name for `inode` in `folder`, with its journal keys. Folders count their
// subfolders: `kind` is that of the inode.
Result<void> give_name(const Catalog& catalog, Batch& batch, InodeNumber folder,
                       const std::string& name, InodeNumber inode, FileKind kind);

}  // namespace tierhub::recovery
