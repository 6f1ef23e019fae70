// One inode's content and attributes on their way to the archive: a snapshot is taken under its
// lock when nobody writes, staged without the lock, and recorded under it again, if the inode is
// still the same.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/result.h"
#include "inodes/inode_table.h"
#include "storage/archive/archive.h"
#include "storage/scratch/object_state.h"
#include "storage/scratch/scratch.h"

namespace tierhub {

// What the parts of publishing work on. Borrowed.
class Trash;

struct PublishContext {
  InodeTable& inodes;
  Catalog& catalog;
  const Scratch& scratch;
  Archive& archive;
  Trash* trash = nullptr;  // none: what is removed is deleted
};

// An inode at one moment. Of a file: nobody was writing then.
struct Snapshot {
  InodeNumber inode;
  InodeRecord record;
  Xattrs xattrs;
  // Of a file: its bytes differ, or may differ, from the archived version.
  bool content_differs = false;
  UniqueFd object;                   // none: the file is empty, or all of it is absent
  std::vector<ByteRange> absent;     // of the content: only in the archive
  std::vector<ByteRange> unchanged;  // of the content, whole chunks: as in the archived version
  // Set: the file is not harvested yet. `record` is as if it were, its object had this stamp.
  std::optional<ObjectStamp> unharvested;

  // No writer has been let in since.
  bool content_stands(const InodeState& state) const;
  // Nothing that the archive could hold has changed since.
  bool stands(const InodeState& state) const;
};

// Why a change is not published now.
enum class NotReady {
  settling,          // it has to rest first
  moving,            // it goes on soon: it is being copied, waits for a copy, or was just changed
  open_for_writing,  // it goes on when it is closed
  waiting,           // it goes on when another change, or its file system, does
};

// When a changed file may be published: `settle_ns` after its last change, at once if that is 0.
struct SettleRule {
  Timestamp now;
  int64_t settle_ns = 0;
};

// `version`: the archived one, if the inode is in base. `stamp`: of the object before a sync of
// scratch that is under way; a file whose object still has it is left to the caller to harvest.
// Takes the inode's lock.
Result<std::variant<Snapshot, NotReady>> take_snapshot(
    const PublishContext& context, InodeNumber inode, const std::optional<ArchiveVersion>& version,
    const SettleRule& settle, const std::optional<ObjectStamp>& stamp = std::nullopt);

// How many chunks from the start of the object have the checksums on record: all of them, if the
// file was opened for writing and not changed. Reads the object up to the first difference.
Result<uint64_t> equal_chunks(const PublishContext& context, const Snapshot& snapshot,
                              const std::optional<ArchiveVersion>& version);

// What is to be staged of a changed file, of which a file of several chunks goes as a patch of the
// archived version where the archive can clone that. Borrows the snapshot's object. Compares the
// object first: what is found equal is noted in the snapshot. none: all of it is as archived.
// `version` as above.
Result<std::optional<StageFileRequest>> request_of_changed(
    const PublishContext& context, Snapshot& snapshot, const std::string& leaf,
    const std::optional<ArchiveVersion>& version);
// What became of a changed file: nothing is staged if its object was found equal to the archived
// version.
struct StagedContent {
  std::optional<StagedFile> staged;
};
// 1. A chunk of the object that turns out to have rotted is taken from the archive, and all begins
// again. 2. Once all of it is staged, and what was taken was compared, scratch gives up what it has
// of these. Killed before: they are found out again.
Result<StagedContent> stage_content(const PublishContext& context, const Snapshot& snapshot,
                                    StageFileRequest request);
// Brings the object to its device, and does both. Blocks as long as copying takes.
Result<StagedContent> stage_changed_content(const PublishContext& context, Snapshot& snapshot,
                                            const std::string& leaf,
                                            const std::optional<ArchiveVersion>& version);
// What was written to the object is on its device, and no write to it has failed. After a sync of
// all of scratch, `already_synced`, it only looks for errors. errc::no_such_file_or_directory: it
// was removed.
Result<void> sync_object(const PublishContext& context, InodeNumber inode, ScratchSync scratch);
// An error of the catalog or of scratch: it says nothing about the archive.
Error not_of_archive(const Error& error);
Result<ArchiveVersion> stage_without_content(const PublishContext& context,
                                             const Snapshot& snapshot, const std::string& leaf);

// What an inode becomes when a batch is committed.
struct InodeUpdate {
  InodeRecord record;
  IntervalSet clean;
  IntervalSet dirty;
  // In memory, after the commit.
  void apply(InodeState& state) &&;
};
// The archive holds the content of `snapshot` now; what changed since stays dirty. Adds to `batch`.
// With the inode's lock.
InodeUpdate record_published(Batch& batch, const InodeState& state, const Snapshot& snapshot);
inline uint64_t chunks_of(uint64_t size_bytes, uint64_t chunk_bytes) {
  return (size_bytes + chunk_bytes - 1) / chunk_bytes;
}
// The checksums on record of the first `chunks` chunks; none where one is not known.
Result<std::vector<std::optional<Checksum>>> known_checksums(const Catalog& catalog,
                                                             InodeNumber inode, uint64_t chunks);
// The checksum table of the version that has `size_bytes`, in place of that of one with
// `old_size_bytes`.
void record_checksums(Batch& batch, InodeNumber inode, const std::vector<Checksum>& checksums,
                      uint64_t chunk_bytes, uint64_t old_size_bytes);

}  // namespace tierhub
