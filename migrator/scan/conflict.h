// What happens to a file that was changed on both sides. The archive's file keeps the name: the
// program that writes it there may open it again. Ours gets a new name next to it that says so, in
// the namespace, and is published under it like any new file. Programs that have ours open keep it:
// it is the same inode under another name.
//
//   1. compare  ours with theirs, if nobody is writing ours: with the same content there is nothing
//               to decide, and ours becomes the clean copy of theirs;
//   2. lock     all inodes that the names concern, and check again that the names have not changed;
//   3. commit   one batch: ours under its new name with the keys that publish it, theirs as a new
//               inode under the old name, base. Killed before: nothing happened, and the next check
//               of the folder decides again. Killed after: the keys do the rest by themselves;
//   4. tell     the kernel to forget the names.
//
// Nothing in the archive is touched. All functions: under the tree mutex, without inode locks.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "migrator/base/base_edit.h"
#include "migrator/base/content.h"
#include "migrator/scan/folder.h"

namespace tierhub {

class ConflictResolver {
 public:
  explicit ConflictResolver(ScanState& scan);

  enum class Outcome {
    adopted,    // ours is the clean copy of theirs now
    both_kept,  // ours has a conflict name
    later,      // it changes under our hands: the next look decides
  };
  // Base has nothing at `name`, where the archive has `theirs` and the namespace `ours`.
  // `new_folder` becomes the inode of `theirs` if that is a folder to go into.
  Result<Outcome> created_twice(const Name& name, const ArchiveChild& theirs, InodeNumber ours,
                                std::optional<InodeNumber>& new_folder);
  // Base has the file `inode`, with the version `on_record`; it was changed here, and the archive
  // has `theirs` in its place. Unchanged after all: none, and the inode is clean.
  Result<std::optional<Outcome>> changed_twice(const std::string& path, const ArchiveChild& theirs,
                                               InodeNumber inode, const ArchiveVersion& on_record);
  // Reads the archive's `theirs` and compares it with the checksums on record of `inode`. Where one
  // is missing that is of more than what is only in the archive, or the file is so large that it
  // would take long, it does not hold what is on record. None: it was changed while it was read, or
  // somebody writes ours.
  Result<std::optional<bool>> holds_what_is_on_record(const std::string& path,
                                                      const ArchiveVersion& theirs,
                                                      InodeNumber inode) const;
  // The clean file `inode` is in use here, and the archive has `theirs` in its place: theirs gets a
  // new inode under all its names, and whoever has the old one open keeps it.
  Result<Outcome> supersede(const ArchiveChild& theirs, InodeNumber inode);

 private:
  enum class Ours { renamed, unnamed };
  struct Same {
    Snapshot snapshot;
    std::vector<Checksum> checksums;
  };
  Result<std::optional<Snapshot>> snapshot_of(InodeNumber inode) const;
  Result<std::optional<std::vector<ByteRange>>> only_in_archive(InodeNumber inode) const;
  Result<std::optional<Same>> compare(const std::string& path, const ArchiveVersion& theirs,
                                      Snapshot snapshot) const;
  Result<Outcome> adopt_content(const std::optional<Name>& name, const ArchiveChild& theirs,
                                const Same& same);
  Result<std::optional<Outcome>> adopt_as_it_is(const Name& name, const ArchiveChild& theirs,
                                                InodeNumber ours);
  struct Handover;
  Result<Outcome> hand_over(const ArchiveChild& theirs, InodeNumber inode, Ours ours);
  Result<bool> give_names_in_base(const HeldInodes& held, Handover& over, Batch& batch,
                                  BaseEdit& base) const;
  Result<void> give_everything(const InodeState& state, const ArchiveChild& theirs, Handover& over,
                               Batch& batch) const;
  Result<void> keep_ours(const InodeState& state, const ArchiveChild& theirs, Handover& over,
                         Batch& batch) const;
  Result<Outcome> step_aside(const Name& name, const ArchiveChild& theirs, InodeNumber ours,
                             std::optional<InodeNumber>& new_folder);
  Result<void> erase_checksums(Batch& batch, const InodeState& state) const;
  Result<void> pass_on(Batch& batch, const InodeState& from, InodeNumber to,
                       const ArchiveChild& theirs, InodeRecord& record) const;
  Result<Name> free_conflict_name(const Name& name, FileKind kind,
                                  const std::vector<Name>& taken) const;
  void announce(const Name& name, const Name& kept) const;
  void forget(const std::vector<Name>& names, InodeNumber inode) const;

  ScanState& scan_;
  const PublishContext context_;
};

// "scan.tif" -> "scan (tierhub conflict 20261122-134501).tif"; from the second try on with a
// number. Not longer than a name may be; cut between characters.
std::string conflict_name(std::string_view name, FileKind kind, Timestamp now, int tries);

}  // namespace tierhub
