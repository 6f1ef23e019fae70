// What the archive still has although nothing here has a name for it: whether somebody removed it
// or something took its place, where it was, and how it goes to the trash.
#pragma once

#include <optional>
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
  displaced,    // something else has this name now
  removed,      // the name is gone
};
// What an act took from its place, and the archive has in staging now.
struct Displaced {
  std::string leaf;
  ArchiveVersion version;
  InodeNumber inode;
  std::string path;  // where it stood
  Farewell farewell{};
};
// Puts it into the trash, if nothing has a name for it any more and the trash takes it. On any
// failure it rests where it was. Null: there is no trash.
Result<void> keep_displaced(const Catalog& catalog, Trash* trash, const Displaced& displaced);
// The trash did not take it: it stands where it stood, and what had arrived there goes.
Result<void> put_back(Archive& archive, const Displaced& displaced,
                      const std::optional<ArchiveVersion>& arrived);
// Deletes what rests in staging, if it is still `version`; what was written to meanwhile is kept
// aside. Fails only if the archive as a whole does not work; then the leaf stays until the recovery.
Result<void> discard_displaced(Archive& archive, const std::string& leaf,
                               const ArchiveVersion& version);
// A name of the file in the archive is gone, and its ctime and count of links moved with it.
// Without an answer of the archive it is touched, as far as we know.
Result<void> renew_version(Catalog& catalog, Archive& archive, InodeNumber inode);

}  // namespace tierhub
