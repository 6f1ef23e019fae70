#include "storage/scratch/object_state.h"

#include <algorithm>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>

#include <fmt/format.h>
#include <time.h>

#include "common/fault_points.h"
#include "common/log.h"
#include "common/posix.h"

namespace tierhub {
namespace {

Result<void> set_times(int fd, timespec atime, timespec mtime) {
  const timespec times[2] = {atime, mtime};
  if (::futimens(fd, times) < 0) return Error::from_errno(errno, "set times of scratch object");
  return {};
}

Result<void> set_times(int fd, const Attributes& attributes) {
  return set_times(fd, attributes.atime.to_timespec(), attributes.mtime.to_timespec());
}

Result<void> set_mtime(const Scratch& scratch, InodeNumber inode, Timestamp mtime) {
  TRY_ASSIGN(const UniqueFd fd, scratch.open_object(inode, O_RDONLY));
  return set_times(fd.get(), {0, UTIME_OMIT}, mtime.to_timespec());
}

ObjectTag::Bytes new_bytes(const InodeState& inode, const InodeRecord& record) {
  if (record.attributes.kind != FileKind::file) return ObjectTag::Bytes::none;
  if (record.content == Content::unknown || !record.archived) return ObjectTag::Bytes::all;
  return record.writing || !inode.dirty.empty() ? ObjectTag::Bytes::some : ObjectTag::Bytes::none;
}

// The folders that lead to `folder`, itself the last.
Result<void> put_folders(KnownFolders& folders, InodeNumber folder, ObjectTag& tag) {
  constexpr size_t kDeepest = 200;
  while (folder != kRootInode && tag.folders.size() < kDeepest) {
    TRY_ASSIGN(const auto name, folders.name(folder));
    if (!name) break;
    tag.folders.emplace_back(folder, name->name);
    folder = name->parent;
  }
  tag.from_root = folder == kRootInode;
  std::reverse(tag.folders.begin(), tag.folders.end());
  return {};
}

ObjectStamp stamp_in(const struct stat& object) {
  return {static_cast<uint64_t>(object.st_size), posix::modification_time(object),
          posix::change_time(object)};
}

// How long after a change another one may get the same time: less than a tick of the kernel's
// clock, but up to two seconds where the file system keeps whole ones.
int64_t coarseness_ns(Timestamp change) {
  constexpr int64_t kFine = 1'000'000;
  constexpr int64_t kCoarsest = 2'000'000'000;
  return change.ns % kFine != 0 ? 0 : kCoarsest;
}

// The last step of a harvest: the object has `attributes` and is on its device.
Result<void> end_writing(Catalog& catalog, InodeState& inode, const Attributes& attributes) {
  InodeRecord record = inode.rec();
  record.attributes = attributes;
  record.writing = false;
  record.pending_truncate.reset();
  Batch batch;
  batch.put_inode(inode.number, record);
  batch.put_journal(JournalKey::of_inode(inode.number), {Timestamp::now(), ""});
  fault_point(FaultPoint::harvest_before_commit);
  TRY(catalog.commit(batch));
  fault_point(FaultPoint::harvest_after_commit);
  inode.record = std::move(record);
  return {};
}

}  // namespace

Result<std::optional<Name>> KnownFolders::name(InodeNumber folder) {
  if (const auto found = known_.find(folder); found != known_.end()) return found->second;
  TRY_ASSIGN(auto names, catalog_.names(folder));
  std::optional<Name> first;
  if (!names.empty()) first = std::move(names.front());
  return known_.emplace(folder, std::move(first)).first->second;
}

Result<void> tag_object(const Catalog& catalog, const Scratch& scratch, int object_fd,
                        const InodeState& inode, const InodeRecord& record) {
  KnownFolders folders(catalog);
  return tag_object(catalog, scratch, object_fd, inode, record, folders);
}

Result<void> tag_object(const Catalog& catalog, const Scratch& scratch, int object_fd,
                        const InodeState& inode, const InodeRecord& record, KnownFolders& folders) {
  ObjectTag tag;
  tag.inode = inode.number;
  tag.generation = record.generation;
  tag.kind = record.attributes.kind;
  tag.uid = record.attributes.uid;
  tag.gid = record.attributes.gid;
  tag.mode = record.attributes.mode;
  tag.atime = record.attributes.atime;
  tag.mtime = record.attributes.mtime;
  tag.bytes = new_bytes(inode, record);
  tag.removed = record.nlink == 0;
  if (tag.bytes == ObjectTag::Bytes::some) {
    for (const auto& range : inode.dirty.intervals())
      tag.new_ranges.push_back({range.begin, range.end});
  }
  // Of folders it tells a rename that is not published yet.
  if (record.archived || record.attributes.kind == FileKind::directory) {
    TRY_ASSIGN(const auto version, catalog.version(inode.number));
    if (version) {
      tag.base = version->identity;
      tag.base_size_bytes = version->attributes.size_bytes;
      tag.base_mtime = version->attributes.mtime;
      tag.archive_limit_bytes = record.archive_limit_bytes;
    }
  }
  TRY_ASSIGN(auto names, catalog.names(inode.number));
  if (!names.empty()) {
    tag.parent = names.front().parent;
    tag.name = names.front().name;
    tag.further_names.assign(names.begin() + 1, names.end());
    TRY(put_folders(folders, tag.parent, tag));
  }
  return scratch.tag(object_fd, tag);
}

Result<void> retag_object(const Catalog& catalog, const Scratch& scratch, const InodeState& inode) {
  if (!inode.record || !inode.rec().has_object) return {};
  if (!inode.is_directory() && !inode.is_dirty()) return {};
  TRY_ASSIGN(const UniqueFd object, scratch.open_object(inode.number, O_RDONLY));
  return tag_object(catalog, scratch, object.get(), inode, inode.rec());
}

Result<void> ensure_object(Catalog& catalog, const Scratch& scratch, InodeState& inode) {
  if (inode.rec().has_object) return {};
  // An older object that waits for its removal: should the power fail, and the catalog want it
  // back, no newer one may stand in its place.
  TRY_ASSIGN(const bool older, scratch.is_set_aside(inode.number));
  if (older) TRY(catalog.sync());
  TRY_ASSIGN(const UniqueFd fd, scratch.create(inode.number));
  TRY(posix::truncate_fd(fd.get(), inode.size_bytes()));
  InodeRecord record = inode.rec();
  record.has_object = true;
  TRY(tag_object(catalog, scratch, fd.get(), inode, record));
  TRY(set_times(fd.get(), record.attributes));
  Batch batch;
  batch.put_inode(inode.number, record);
  batch.put_unsynced(scratch.epoch(), inode.number);
  TRY(catalog.commit(batch));
  inode.record = std::move(record);
  return {};
}

Result<void> begin_writing(Catalog& catalog, const Scratch& scratch, InodeState& inode,
                           ServeMode mode) {
  TRY(ensure_object(catalog, scratch, inode));
  InodeRecord record = inode.rec();
  const bool was_clean = !inode.is_dirty() && record.archived;
  const bool becomes_whole = mode == ServeMode::passthrough && record.content == Content::known;
  // What was brought from the archive is the file's own content from now on: it must not be lost.
  if (becomes_whole) {
    TRY_ASSIGN(const UniqueFd fd, scratch.open_object(inode.number, O_RDONLY));
    TRY(posix::sync_data(fd.get()));
  }
  if (!record.writing) {
    // The object's size and mtime become the truth: they must be right before that.
    TRY_ASSIGN(const UniqueFd fd, scratch.open_object(inode.number, O_RDWR));
    TRY_ASSIGN(const auto st, posix::stat_fd(fd.get()));
    if (static_cast<uint64_t>(st.st_size) != record.attributes.size_bytes) {
      TRY(posix::truncate_fd(fd.get(), record.attributes.size_bytes));
    }
    TRY(set_times(fd.get(), record.attributes));
    if (!inode.filling.empty()) inode.mtime_beside_fills = record.attributes.mtime;
  }
  record.generation = record.generation.next();
  record.writing = true;
  if (becomes_whole) record.content = Content::unknown;
  if (was_clean) {
    TRY_ASSIGN(const UniqueFd fd, scratch.open_object(inode.number, O_RDONLY));
    TRY(tag_object(catalog, scratch, fd.get(), inode, record));
  }
  Batch batch;
  batch.put_inode(inode.number, record);
  batch.put_journal(JournalKey::of_inode(inode.number), {Timestamp::now(), ""});
  const bool sync = was_clean || becomes_whole;
  TRY(catalog.commit(batch, sync ? Durability::synced : Durability::wal));
  inode.record = std::move(record);
  fault_point(FaultPoint::write_grant_after_commit);
  return {};
}

Result<void> fill_begins(const Scratch& scratch, InodeState& inode) {
  if (!inode.rec().writing || !inode.filling.empty()) return {};
  TRY_ASSIGN(const auto st, scratch.stat_object(inode.number));
  inode.mtime_beside_fills = posix::modification_time(st);
  return {};
}

void fill_ended(const Scratch& scratch, InodeState& inode) {
  if (!inode.filling.empty()) return;
  const auto mtime = std::exchange(inode.mtime_beside_fills, std::nullopt);
  if (!mtime || !inode.record || !inode.rec().writing) return;
  if (auto set = set_mtime(scratch, inode.number, *mtime); !set) {
    log::warning("a recall changed the mtime of a file that is being written",
                 {{"inode", inode.number}, {"error", set.error().text()}});
  }
}

Result<bool> fill_at_large(const Scratch& scratch, InodeState& inode) {
  if (!inode.lost_fill) return false;
  if (inode.rec().has_object && scratch.has_object_leases()) {
    inode.write_fd.reset();  // it would count as the fill's
    TRY_ASSIGN(const bool quiet, scratch.is_quiet(inode.number));
    if (!quiet) return true;
  }
  inode.lost_fill = false;
  return false;
}

Error error_of_fill_at_large() {
  return Error(std::errc::io_error, "the archive hangs, and a copy from it has not finished");
}

Result<void> note_change(InodeState& inode, int object_fd) {
  if (!inode.mtime_beside_fills) return {};
  TRY_ASSIGN(const auto st, posix::stat_fd(object_fd));
  inode.mtime_beside_fills = posix::modification_time(st);
  return {};
}

Result<Attributes> current_attributes(const Scratch& scratch, const InodeState& inode) {
  if (!inode.rec().writing) return inode.rec().attributes;
  TRY_ASSIGN(auto st, scratch.stat_object(inode.number));
  if (inode.mtime_beside_fills) st.st_mtim = inode.mtime_beside_fills->to_timespec();
  return attributes_now(inode.rec(), st);
}

Attributes attributes_now(const InodeRecord& record, const struct stat& object) {
  Attributes attributes = record.attributes;
  if (!record.writing) return attributes;
  attributes.size_bytes = static_cast<uint64_t>(object.st_size);
  attributes.mtime = posix::modification_time(object);
  // A write moved both. One that is to come was set by hand.
  if (attributes.mtime <= Timestamp::now())
    attributes.ctime = std::max(attributes.ctime, attributes.mtime);
  return attributes;
}

Error note_damage(Catalog& catalog, InodeState& inode, const Error& error) {
  log::error("scratch lost data that was written to a file",
             {{"inode", inode.number}, {"error", error.text()}});
  Batch batch;
  batch.put_xattr(inode.number, kDamagedXattr, error.text());
  batch.put_journal(JournalKey::of_inode(inode.number), {Timestamp::now(), ""});
  if (auto noted = catalog.commit(batch, Durability::synced); !noted) return noted.error();
  return error;
}

Result<void> check_undamaged(const Catalog& catalog, InodeNumber inode) {
  TRY_ASSIGN(const auto reason, catalog.xattr(inode, kDamagedXattr));
  if (!reason) return {};
  return Error(std::errc::io_error,
               fmt::format("scratch lost data that was written to it ({}): write it again, or "
                           "remove its attribute {} to accept it as it is",
                           *reason, kDamagedXattr));
}

Result<void> sync_object(Catalog& catalog, const Scratch& scratch, InodeState& inode) {
  TRY_ASSIGN(const UniqueFd fd, scratch.open_object(inode.number, O_RDONLY));
  if (auto synced = posix::sync_data(fd.get()); !synced)
    return note_damage(catalog, inode, synced.error());
  return {};
}

Result<Harvest> harvest(Catalog& catalog, const Scratch& scratch, InodeState& inode) {
  if (!inode.record || !inode.rec().writing) return Harvest::done;
  if (inode.writable_handles > 0) return Harvest::in_use;
  if (scratch.has_object_leases()) {
    inode.write_fd.reset();  // our own descriptor would count as a writer; it is opened again when
                             // it is needed
    TRY_ASSIGN(const bool quiet, scratch.is_quiet(inode.number));
    if (!quiet) return Harvest::in_use;
  }
  if (const auto truncate = inode.rec().pending_truncate) {
    TRY_ASSIGN(const UniqueFd fd, scratch.open_object(inode.number, O_RDWR));
    TRY(posix::truncate_fd(fd.get(), truncate->to_bytes));
  }
  // A file that is known to be as long as the record says must be so after power loss too.
  TRY(sync_object(catalog, scratch, inode));
  TRY_ASSIGN(const Attributes attributes, current_attributes(scratch, inode));
  TRY(end_writing(catalog, inode, attributes));
  return Harvest::done;
}

Result<std::optional<ObjectStamp>> stamp_of(const Scratch& scratch, const InodeState& inode) {
  using Answer = std::optional<ObjectStamp>;
  if (!inode.record || !inode.is_file() || !inode.rec().writing) return Answer();
  const bool is_whole = !inode.rec().archived || inode.rec().content == Content::unknown;
  if (!is_whole || inode.writable_handles > 0 || inode.rec().pending_truncate) return Answer();
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME_COARSE, &now);
  TRY_ASSIGN(const auto st, scratch.stat_object(inode.number));
  const ObjectStamp stamp = stamp_in(st);
  const int64_t age_ns = Timestamp::from(now).ns - stamp.ctime.ns;
  return age_ns > coarseness_ns(stamp.ctime) ? Answer(stamp) : Answer();
}

Result<UniqueFd> open_unchanged(const Scratch& scratch, InodeState& inode,
                                const ObjectStamp& stamp) {
  if (inode.writable_handles > 0) return UniqueFd();
  inode.write_fd.reset();  // as for harvest
  TRY_ASSIGN(UniqueFd object, scratch.open_object(inode.number, O_RDONLY));
  if (scratch.has_object_leases()) {
    TRY_ASSIGN(const bool quiet, Scratch::is_quiet(object.get()));
    if (!quiet) return UniqueFd();
  }
  TRY_ASSIGN(const auto st, posix::stat_fd(object.get()));
  return stamp_in(st) == stamp ? std::move(object) : UniqueFd();
}

Result<bool> harvest_unchanged(Catalog& catalog, const Scratch& scratch, InodeState& inode,
                               const ObjectStamp& stamp, ScratchSync synced) {
  if (!inode.record || !inode.rec().writing || inode.rec().pending_truncate) return false;
  TRY_ASSIGN(const UniqueFd object, open_unchanged(scratch, inode, stamp));
  if (!object) return false;
  auto safe = synced == ScratchSync::already_synced ? posix::written_back(object.get())
                                                    : posix::sync_data(object.get());
  if (!safe) return note_damage(catalog, inode, safe.error());
  TRY_ASSIGN(const auto st, posix::stat_fd(object.get()));
  TRY(end_writing(catalog, inode, attributes_now(inode.rec(), st)));
  return true;
}

Result<void> truncate_object(Catalog& catalog, const Scratch& scratch, InodeState& inode,
                             uint64_t size_bytes) {
  TRY_ASSIGN(const bool at_large, fill_at_large(scratch, inode));
  if (at_large && (size_bytes > 0 || inode.handles > 0)) return error_of_fill_at_large();
  TRY_ASSIGN(const Attributes before, current_attributes(scratch, inode));
  InodeRecord record = inode.rec();
  IntervalSet clean = inode.clean;
  IntervalSet dirty = inode.dirty;
  Batch batch;
  // 1. Commit what will be true. A file of unknown content is whole: should the crash come before
  // step 2, its old bytes are all there, and nobody was told that they are gone. Of any other file
  // chunks may be absent, so step 2 must be repeated, and what it cuts off may have been promised:
  // the batch is durable first.
  if (record.content == Content::known) {
    record.pending_truncate = PendingTruncate{before.size_bytes, size_bytes};
    const uint64_t from = std::min(before.size_bytes, size_bytes);
    batch.change_ranges(inode.number, RangeKind::dirty,
                        dirty.add(from, std::max(before.size_bytes, size_bytes)));
    batch.change_ranges(
        inode.number, RangeKind::clean,
        clean.remove((size_bytes + inode.chunk_bytes - 1) / inode.chunk_bytes, UINT64_MAX));
  }
  record.archive_limit_bytes = std::min(record.archive_limit_bytes, size_bytes);
  if (size_bytes == 0) batch.erase_xattr(inode.number, kDamagedXattr);
  batch.put_inode(inode.number, record);
  TRY(catalog.commit(batch, record.pending_truncate ? Durability::synced : Durability::wal));
  inode.record = record;
  inode.clean = std::move(clean);
  inode.dirty = std::move(dirty);
  fault_point(FaultPoint::truncate_after_commit);
  // 2. Act. An object that was set aside comes back if the new one does not.
  if (at_large) TRY(scratch.set_aside(inode.number));
  TRY_ASSIGN(const UniqueFd fd,
             at_large ? scratch.create(inode.number) : scratch.open_object(inode.number, O_RDWR));
  if (at_large) {
    inode.read_fd.reset();
    inode.lost_fill = false;
  }
  TRY(posix::truncate_fd(fd.get(), size_bytes));
  fault_point(FaultPoint::truncate_after_data);
  // 3. Later writes may extend the file again: the truncation must not be repeated, nor undone by
  // power loss.
  if (!record.pending_truncate) return {};
  TRY(posix::sync_fd(fd.get()));
  record.pending_truncate.reset();
  // Nothing of the archive is left: the object is all there is, and the kernel may write it by
  // itself.
  if (size_bytes == 0) record.content = Content::unknown;
  Batch done;
  done.put_inode(inode.number, record);
  TRY(catalog.commit(done));
  inode.record = std::move(record);
  return tag_object(catalog, scratch, fd.get(), inode, inode.rec());
}

Result<void> drop_content(Catalog& catalog, const Scratch& scratch, InodeState& inode,
                          std::optional<InodeRecord> record, Batch batch) {
  IntervalSet clean = inode.clean;
  IntervalSet dirty = inode.dirty;
  std::shared_lock<std::shared_mutex> epoch;
  batch.change_ranges(inode.number, RangeKind::clean, clean.clear());
  batch.change_ranges(inode.number, RangeKind::dirty, dirty.clear());
  if (record) {
    record->has_object = false;
    batch.put_inode(inode.number, *record);
  } else {
    TRY_ASSIGN(const auto xattrs, catalog.xattrs(inode.number));
    for (const auto& [name, value] : xattrs) batch.erase_xattr(inode.number, name);
    const uint64_t chunks = inode.record ? inode.size_bytes() / inode.chunk_bytes + 1 : 0;
    for (uint64_t group = 0; group * kChecksumsPerRecord < chunks; ++group)
      batch.erase_checksums(inode.number, group);
    TRY_ASSIGN(const auto leases, catalog.leases(inode.number));
    for (const LeaseRecord& lease : leases) batch.erase_lease(inode.number, lease.owner);
    batch.erase_heat(inode.number);
    batch.erase_reap(inode.number);
    batch.erase_journal(JournalKey::of_inode(inode.number));
    batch.erase_inode(inode.number);
    if (inode.record && inode.rec().has_object) {
      epoch = scratch.hold_epoch();
      batch.put_unsynced(scratch.epoch(), inode.number);
    }
  }
  TRY(catalog.commit(batch));
  inode.record = std::move(record);
  inode.clean = std::move(clean);
  inode.dirty = std::move(dirty);
  inode.damaged.clear();
  inode.read_fd.reset();
  inode.write_fd.reset();
  return scratch.set_aside(inode.number);
}

}  // namespace tierhub
