// The `writing` mark: how TierHub knows that an object may be newer than the catalog says, although
// passthrough writes are invisible and RELEASE does not mean closed.
//
//   1. begin_writing: before a writable open is answered, one batch sets generation + 1 and
//      `writing` and puts the inode's journal key; it is synced first if the file was clean and
//      archived, otherwise power loss could leave new bytes under an old `clean`. If the kernel
//      will write by itself (passthrough), the content becomes `unknown` in the same batch.
//   2. While `writing`, size and mtime are the object's (refresh).
//   3. harvest: when no writable handle is left and an object lease proves that nobody writes
//      (quiet), the object is synced, and one batch records size and mtime and clears `writing`.
//      Recovery does the same for each inode that has a journal key.
// The invariants that let a power cut lose nothing: migrator/evict/lost_power.h.
//
// All functions are called with the inode's lock held.
#pragma once

#include <map>
#include <optional>

#include "common/result.h"
#include "inodes/inode_table.h"
#include "storage/scratch/scratch.h"

namespace tierhub {

// Where folders are, for those who tag many objects of the same folders at once. A tag may be older
// than the last rename of a folder above it.
class KnownFolders {
 public:
  explicit KnownFolders(const Catalog& catalog) : catalog_(catalog) {}
  // The first name of the folder; none if it has none.
  Result<std::optional<Name>> name(InodeNumber folder);

 private:
  const Catalog& catalog_;
  std::map<InodeNumber, std::optional<Name>> known_;
};

// Writes on the object what the catalog, `record` in place of the inode's own, says of it: where it
// belongs, and which of its bytes are nowhere else. Costs a look at each folder above it that is
// not known.
Result<void> tag_object(const Catalog& catalog, const Scratch& scratch, int object_fd,
                        const InodeState& inode, const InodeRecord& record);
Result<void> tag_object(const Catalog& catalog, const Scratch& scratch, int object_fd,
                        const InodeState& inode, const InodeRecord& record, KnownFolders& folders);
// The same, for an inode whose name or place has changed; nothing if it has no object, or nothing
// of it is only there.
Result<void> retag_object(const Catalog& catalog, const Scratch& scratch, const InodeState& inode);

// Makes the object if there is none: as long as the file, with its mtime, tagged, `has_object`
// committed.
Result<void> ensure_object(Catalog& catalog, const Scratch& scratch, InodeState& inode);

Result<void> begin_writing(Catalog& catalog, const Scratch& scratch, InodeState& inode,
                           ServeMode mode);

// Around each fill of the object: what it writes there is no change of the file, whose mtime stays.
Result<void> fill_begins(const Scratch& scratch, InodeState& inode);
void fill_ended(const Scratch& scratch, InodeState& inode);
// A fill that failed because the archive hung may come back to life later, and write old bytes over
// newer ones. True: one may, so no chunk is brought into this object, and it is not cut; only a new
// object is safe.
Result<bool> fill_at_large(const Scratch& scratch, InodeState& inode);
// What changes that need the chunk, or cut the object, get then: as a read of an archive that
// hangs.
Error error_of_fill_at_large();
// Somebody else than a fill changed the object, and with it the file's mtime.
Result<void> note_change(InodeState& inode, int object_fd);

// The record with size, mtime and ctime as they are now: the object's while `writing`, else the
// record's.
Result<Attributes> current_attributes(const Scratch& scratch, const InodeState& inode);
// The same, by what stat shows of the object.
Attributes attributes_now(const InodeRecord& record, const struct stat& object);

// Scratch could not keep what was written to the file: the kernel says so once, and then forgets
// it. So it is noted, as an extended attribute with the reason: fsync fails from now on, and the
// file is not published. Cutting it to nothing, or removing the attribute, takes the note away.
inline constexpr const char* kDamagedXattr = "trusted.tierhub.damaged";
Error note_damage(Catalog& catalog, InodeState& inode, const Error& error);
// Fails if the file is noted.
Result<void> check_undamaged(const Catalog& catalog, InodeNumber inode);
// Syncs the object; notes a failure.
Result<void> sync_object(Catalog& catalog, const Scratch& scratch, InodeState& inode);

enum class Harvest {
  done,    // not writing (any more)
  in_use,  // a writer may be left
};
Result<Harvest> harvest(Catalog& catalog, const Scratch& scratch, InodeState& inode);

// What an object looks like: whoever writes to it changes the stamp. So one sync of scratch serves
// many objects: those that have after it the stamp that they had before it are on their device.
struct ObjectStamp {
  uint64_t size_bytes = 0;
  Timestamp mtime;
  Timestamp ctime;
  bool operator==(const ObjectStamp&) const = default;
};
// Of a file that is written to as a whole. none: of any other, of one that somebody has open, and
// of one that was changed so lately that a further change might not show.
Result<std::optional<ObjectStamp>> stamp_of(const Scratch& scratch, const InodeState& inode);
// A descriptor of the object for reading, if nobody writes to it and it still has the stamp; else
// none.
Result<UniqueFd> open_unchanged(const Scratch& scratch, InodeState& inode,
                                const ObjectStamp& stamp);
// Whether all of scratch was synced since the object got its stamp. Then it is only looked whether
// a write to it has failed.
enum class ScratchSync { already_synced, missing };
// As harvest, of an object that still has the stamp. False: it has not, or is in use.
Result<bool> harvest_unchanged(Catalog& catalog, const Scratch& scratch, InodeState& inode,
                               const ObjectStamp& stamp, ScratchSync synced);

// Cuts or extends the file. `writing` is set (begin_writing's rules) and nothing is `filling`. What
// the archive has beyond the new size is never recalled again. A crash in between leaves the old
// size or the new one, and never zeros instead of bytes: the truncation is committed first and
// repeated by harvest. While a fill is at large, errc::io_error, but a file that nobody has open
// can be cut to nothing: it gets a new object.
Result<void> truncate_object(Catalog& catalog, const Scratch& scratch, InodeState& inode,
                             uint64_t size_bytes);

// Gives up a file's residency and object, or with `record` none the whole inode (record, xattrs,
// checksums, heat too). Adds that to `batch`, commits it, and moves the object aside: its space is
// free when the reaper has removed it. An inode that goes is noted in `unsynced` until a sync
// covers that its object is gone: should a power cut bring the object back, nobody adopts it. The
// caller holds an object lease on the object, or there is none, and nothing is `filling`. `record`
// is what the inode becomes.
Result<void> drop_content(Catalog& catalog, const Scratch& scratch, InodeState& inode,
                          std::optional<InodeRecord> record, Batch batch);

}  // namespace tierhub
