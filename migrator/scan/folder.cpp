#include "migrator/scan/folder.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "common/fault_points.h"
#include "common/log.h"
#include "migrator/base/archive_path.h"
#include "migrator/base/base_edit.h"
#include "migrator/scan/conflict.h"
#include "migrator/scan/removal.h"
#include "storage/scratch/object_state.h"

namespace tierhub {
namespace {

constexpr size_t kImportBatch = 500;
// So many bytes of attributes are taken by every file system that takes any.
constexpr size_t kSurelyTakenBytes = 900;

// The mode of a symlink means nothing.
bool same_owner_and_mode(const Attributes& a, const Attributes& b) {
  const bool same_mode = a.mode == b.mode || a.kind == FileKind::symlink;
  return same_mode && a.uid == b.uid && a.gid == b.gid;
}

uint64_t checksum_groups(uint64_t size_bytes, uint64_t chunk_bytes) {
  const uint64_t chunks = (size_bytes + chunk_bytes - 1) / chunk_bytes;
  return (chunks + kChecksumsPerRecord - 1) / kChecksumsPerRecord;
}

void put_xattrs(Batch& batch, InodeNumber inode, const Xattrs& xattrs) {
  for (const auto& [name, value] : xattrs) batch.put_xattr(inode, name, value);
}

void note_offline(const std::string& path) {
  log::warning("a file system of the archive is not mounted: leaving its files as they are",
               {{"path", path}});
}

bool joins_links(const ArchiveChild& child) {
  return child.version.attributes.kind == FileKind::file && child.version.nlink > 1;
}

Result<Xattrs> xattrs_in_archive(const Catalog& catalog, InodeNumber inode, FileKind kind) {
  TRY_ASSIGN(auto stored, catalog.xattrs(inode));
  Xattrs held;
  for (auto& [name, value] : stored) {
    if (archive_holds_xattr(kind, name)) held.emplace(std::move(name), std::move(value));
  }
  return held;
}

// Theirs, and those of ours that the archive may never have taken.
Xattrs joined_xattrs(const ScanState& scan, FileKind kind, const Xattrs& ours,
                     const Xattrs& theirs) {
  Xattrs result;
  for (const auto& [name, value] : theirs) {
    if (archive_holds_xattr(kind, name)) result.emplace(name, value);
  }
  size_t ours_bytes = 0;
  for (const auto& [name, value] : ours) ours_bytes += name.size() + value.size();
  const bool user_taken = scan.xattr_support.user && ours_bytes <= kSurelyTakenBytes;
  for (const auto& [name, value] : ours) {
    const bool is_user = name.starts_with("user.");
    const bool is_list = name.starts_with("system.posix_acl_");
    if ((is_user && !user_taken) || (is_list && !scan.xattr_support.access_lists))
      result.emplace(name, value);
  }
  return result;
}

void replace_xattrs(Batch& batch, InodeNumber inode, const Xattrs& ours, const Xattrs& wanted) {
  for (const auto& [name, value] : ours) {
    if (!wanted.contains(name)) batch.erase_xattr(inode, name);
  }
  for (const auto& [name, value] : wanted) batch.put_xattr(inode, name, value);
}

}  // namespace

InodeRecord imported_record(const ArchiveChild& child) {
  InodeRecord record;
  record.attributes = child.version.attributes;
  record.symlink_target = child.symlink_target;
  record.nlink = record.attributes.kind == FileKind::directory ? 2 : 1;
  if (record.attributes.kind == FileKind::file) {
    record.archived = true;
    record.archive_limit_bytes = record.attributes.size_bytes;
  } else if (record.attributes.kind == FileKind::symlink) {
    record.attributes.size_bytes = child.symlink_target.size();
  }
  return record;
}

void keep_owner_and_mode(Attributes& theirs, const Attributes& ours, const Attributes& on_record) {
  constexpr uint32_t kPrivileges = S_ISUID | S_ISGID;
  const bool same_owner = theirs.uid == on_record.uid && theirs.gid == on_record.gid;
  if (theirs.mode == on_record.mode) {
    theirs.mode = ours.mode;
    // As chown does: nobody meant them for this owner.
    if (!same_owner && theirs.kind == FileKind::file) theirs.mode &= ~kPrivileges;
  }
  if (theirs.uid == on_record.uid) theirs.uid = ours.uid;
  if (theirs.gid == on_record.gid) theirs.gid = ours.gid;
}

Result<void> take_xattrs(const ScanState& scan, Batch& batch, InodeNumber inode, FileKind kind,
                         const Xattrs& theirs) {
  TRY_ASSIGN(const Xattrs ours, xattrs_in_archive(scan.catalog, inode, kind));
  replace_xattrs(batch, inode, ours, joined_xattrs(scan, kind, ours, theirs));
  return {};
}

Result<Xattrs> successors_xattrs(const ScanState& scan, InodeNumber inode, FileKind kind,
                                 const Xattrs& theirs) {
  TRY_ASSIGN(auto stored, scan.catalog.xattrs(inode));
  Xattrs ours;
  Xattrs only_here;
  for (auto& [name, value] : stored) {
    Xattrs& side = archive_holds_xattr(kind, name) ? ours : only_here;
    side.emplace(std::move(name), std::move(value));
  }
  Xattrs all = joined_xattrs(scan, kind, ours, theirs);
  all.merge(only_here);
  return all;
}

Result<std::vector<InodeNumber>> FolderScan::run() {
  TRY_ASSIGN(auto children, scan_.catalog.base_children(folder_));
  known_.reserve(children.size());
  for (auto& [name, record] : children) known_.emplace(std::move(name), record);
  ++scan_.counts.folders;
  TRY_ASSIGN(file_system_, file_system_of(scan_.catalog, folder_));
  for (uint64_t cookie = 0;;) {
    TRY_ASSIGN(ArchivePage page, scan_.archive.list(path_, cookie, scan_.options.page));
    TRY(check_file_system(page.file_system));
    for (ArchiveChild& child : page.children) TRY(compare(std::move(child)));
    TRY(import_pending());
    if (!scan_.progress(scan_.counts))
      return Error(std::errc::operation_canceled, "the scan was stopped");
    if (page.last) break;
    cookie = page.next_cookie;
  }
  for (auto& [name, record] : known_) scan_.missing.push_back({folder_, name});
  return std::move(subfolders_);
}

// What another file system shows at this path says nothing about the folder: the one above tells
// what became of it.
Result<void> FolderScan::check_file_system(const FileSystemId& found) {
  if (found == file_system_ && !scan_.unsettled.contains(found)) return {};
  return Error(std::errc::no_such_file_or_directory, "its file system is not mounted");
}

// A folder that base knows, and what stands in its place in the archive. Where a file system was
// mounted and is not, all below is offline; where one was mounted since, it hides what was there.
Result<FolderScan::Standing> FolderScan::standing_of(const ArchiveChild& child,
                                                     InodeNumber folder) const {
  TRY_ASSIGN(const auto on_record, scan_.catalog.version(folder));
  if (!on_record) return Standing::here;
  const FileSystemId known = file_system_of(on_record->identity);
  if (scan_.unsettled.contains(known)) return Standing::offline;
  const bool same = known == file_system_of(child.version.identity) ||
                    was_marked_since(on_record->identity, child.version.identity);
  if (same) return Standing::here;
  const bool was_mounted = known != file_system_;
  return was_mounted && !scan_.gives_up_file_systems ? Standing::offline : Standing::replaced;
}

Result<std::vector<InodeNumber>> FolderScan::take_in(std::vector<ArchiveChild> children) {
  takes_in_ = true;
  pending_ = std::move(children);
  TRY(import_pending());
  return std::move(subfolders_);
}

Result<void> FolderScan::compare(ArchiveChild child) {
  ++scan_.entries;
  if (child.version.attributes.kind != FileKind::directory) ++scan_.counts.files;
  const auto known = known_.find(child.name);
  if (known == known_.end()) {
    note_growing(child);
    pending_.push_back(std::move(child));
    return pending_.size() < kImportBatch ? Result<void>() : import_pending();
  }
  // Another kind under the same name: what was known is gone, and the new one is taken in when it
  // is.
  if (known->second.kind != child.version.attributes.kind) {
    scan_.again.insert(folder_);
    return {};
  }
  const BaseRecord record = known->second;
  if (record.kind == FileKind::directory) {
    TRY_ASSIGN(const Standing standing, standing_of(child, record.inode));
    // What was known is gone, as above.
    if (standing == Standing::replaced) {
      scan_.again.insert(folder_);
      return {};
    }
    if (standing == Standing::offline) {
      known_.erase(known);
      if (scan_.depth == ScanState::Depth::whole) note_offline(join_path(path_, child.name));
      return {};
    }
  }
  known_.erase(known);
  if (joins_links(child)) scan_.linked.emplace(child.version.identity.bytes, record.inode);
  const bool goes_in = scan_.depth == ScanState::Depth::whole;
  if (record.kind == FileKind::directory && goes_in) subfolders_.push_back(record.inode);
  return compare_known(child, record);
}

void FolderScan::note_growing(const ArchiveChild& child) {
  const Attributes& attributes = child.version.attributes;
  const bool young = scan_.growing_since && attributes.mtime > *scan_.growing_since;
  if (attributes.kind == FileKind::file && young) scan_.growing.insert(folder_);
}

Result<void> FolderScan::compare_known(const ArchiveChild& child, const BaseRecord& known) {
  TRY_ASSIGN(auto on_record, scan_.catalog.version(known.inode));
  if (!on_record) {
    TRY_ASSIGN(const auto now, scan_.catalog.base({folder_, child.name}));
    if (now != known) return {};  // a conflict was resolved at another of its names
    return Error(std::errc::bad_message,
                 fmt::format("inode {} has a base entry but no version", known.inode));
  }
  const ArchiveVersion& found = child.version;
  if (was_marked_since(on_record->identity, found.identity)) {
    on_record->identity = found.identity;
    Batch batch;
    batch.put_version(known.inode, *on_record);
    TRY(scan_.catalog.commit(batch));
  }
  const bool same_file = found.identity == on_record->identity;
  const bool same_ctime = same_file && found.attributes.ctime == on_record->attributes.ctime;
  const bool touched = found.is_touched_since(*on_record);
  const bool seen_before = same_ctime && found.same_content(*on_record);
  if (seen_before && !touched && found.content_ctime == on_record->content_ctime) return {};
  if (!seen_before) note_growing(child);
  if (known.kind == FileKind::file && !found.same_content(*on_record)) {
    return take_changed_file(child, known.inode, *on_record);
  }
  ArchiveChild theirs = child;
  if (touched) {
    TRY_ASSIGN(const Content content, judge_touched(child, known.inode, *on_record));
    switch (content) {
      case Content::other:
        return take_changed_file(child, known.inode, *on_record);
      case Content::not_compared:
        if (seen_before) return {};
        theirs.version.content_ctime = on_record->content_ctime;
        break;
      case Content::as_on_record:
        break;
    }
  }
  return take_attributes(theirs, known.inode, *on_record);
}

// Somebody did something to the file, and size and mtime stand. All of it is read only if something
// of ours is about to take its place, or if some of it is known to differ: an act on attributes of
// all files in the archive must not have all of them read. What nobody knows the checksums of, or
// would take long to compare, is changed for all we know.
Result<FolderScan::Content> FolderScan::judge_touched(const ArchiveChild& child, InodeNumber inode,
                                                      const ArchiveVersion& on_record) {
  const bool suspected =
      scan_.suspects.with([&](const auto& suspects) { return suspects.contains(inode); });
  TRY_ASSIGN(const bool at_stake, is_at_stake(child, inode));
  if (at_stake || suspected) {
    ConflictResolver resolver(scan_);
    TRY_ASSIGN(const auto same, resolver.holds_what_is_on_record(join_path(path_, child.name),
                                                                 child.version, inode));
    if (!same) return Content::not_compared;
    scan_.suspects.with([&](auto& suspects) { suspects.erase(inode); });
    if (!*same) return Content::other;
  } else if (on_record.attributes.size_bytes > 0) {
    // Nothing of a file without checksums is known here.
    TRY_ASSIGN(const bool known, scan_.catalog.has_checksums(inode));
    if (known) return Content::not_compared;
  }
  ArchiveVersion proved = on_record;
  proved.content_ctime = child.version.content_ctime;
  Batch batch;
  batch.put_version(inode, proved);
  TRY(scan_.catalog.commit(batch));
  return Content::as_on_record;
}

// The archive's content is to be replaced or removed by something of ours.
Result<bool> FolderScan::is_at_stake(const ArchiveChild& child, InodeNumber inode) {
  TRY_ASSIGN(const auto ours, scan_.catalog.lookup(folder_, child.name));
  if (ours != inode) return true;
  TRY_ASSIGN(const InodeLock lock, scan_.inodes.lock(inode));
  return lock.exists() && lock->is_dirty();
}

// Theirs is newer than what is on record.
Result<void> FolderScan::take_changed_file(const ArchiveChild& child, InodeNumber inode,
                                           const ArchiveVersion& on_record) {
  TRY_ASSIGN(const bool returned, returns(child, inode));
  if (returned) return {};
  TRY_ASSIGN(const auto in_base, scan_.catalog.base_names(inode));
  if (in_base.size() > 1 && child.version.identity != on_record.identity) {
    // Of a file with several names, another file has this one now: the name was removed, and made.
    RemovalScan removal(scan_);
    TRY(removal.forget({folder_, child.name}));
    pending_.push_back(child);
    return {};
  }
  ConflictResolver resolver(scan_);
  constexpr int kTries = 2;  // what was opened for writing may turn out to be unchanged
  for (int i = 0; i < kTries; ++i) {
    TRY_ASSIGN(const Ours ours, take_if_unused(child, inode, on_record));
    switch (ours) {
      case Ours::as_on_record:
        ++scan_.counts.changed;
        scan_.options.forget_content(inode);
        return {};
      case Ours::settling:
        return {};
      case Ours::in_use:
        TRY(resolver.supersede(child, inode));
        ++scan_.counts.changed;
        return {};
      case Ours::changed:
        break;
    }
    TRY_ASSIGN(const auto outcome,
               resolver.changed_twice(join_path(path_, child.name), child, inode, on_record));
    if (outcome) return {};
  }
  return {};
}

// Takes theirs into the same inode if ours is clean and nobody uses it; else tells why not.
Result<FolderScan::Ours> FolderScan::take_if_unused(const ArchiveChild& child, InodeNumber inode,
                                                    const ArchiveVersion& on_record) {
  TRY_ASSIGN(const InodeLock lock, scan_.inodes.lock(inode));
  if (!lock.exists()) return Ours::settling;
  InodeState& state = *lock;
  TRY_ASSIGN(const auto pending, scan_.catalog.journal_record(JournalKey::of_inode(inode)));
  // The publisher set this time and was stopped before it could say so.
  const bool by_journal = pending && child.version.identity == on_record.identity &&
                          child.version.attributes.mtime != on_record.attributes.mtime &&
                          child.version.attributes.size_bytes == on_record.attributes.size_bytes &&
                          child.version.attributes.mtime == state.rec().attributes.mtime;
  if (by_journal) return Ours::settling;
  if (state.is_dirty()) return Ours::changed;
  if (state.handles > 0 || !state.filling.empty()) return Ours::in_use;
  std::optional<ObjectLease> object_lease;
  if (state.rec().has_object && scan_.scratch.has_object_leases()) {
    TRY_ASSIGN(object_lease, scan_.scratch.lease_unused_object(inode));
    if (!object_lease) return Ours::in_use;
  }
  TRY(drop_for(child, state, on_record));
  return Ours::as_on_record;
}

// Content is theirs; attributes that wait in the journal are ours and stay.
Result<void> FolderScan::drop_for(const ArchiveChild& child, InodeState& state,
                                  const ArchiveVersion& on_record) {
  const InodeNumber inode = state.number;
  InodeRecord record = imported_record(child);
  record.generation = state.rec().generation.next();
  record.nlink = state.rec().nlink;
  Batch batch;
  const uint64_t groups = checksum_groups(on_record.attributes.size_bytes, state.chunk_bytes);
  for (uint64_t group = 0; group < groups; ++group) batch.erase_checksums(inode, group);
  TRY_ASSIGN(const auto pending, scan_.catalog.journal_record(JournalKey::of_inode(inode)));
  if (pending) {
    record.attributes.mode = state.rec().attributes.mode;
    record.attributes.uid = state.rec().attributes.uid;
    record.attributes.gid = state.rec().attributes.gid;
  } else {
    keep_owner_and_mode(record.attributes, state.rec().attributes, on_record.attributes);
    TRY(take_xattrs(scan_, batch, inode, FileKind::file, child.xattrs));
  }
  batch.put_version(inode, child.version);
  return drop_content(scan_.catalog, scan_.scratch, state, std::move(record), std::move(batch));
}

// Removed here, changed there: theirs is a new file.
Result<bool> FolderScan::returns(const ArchiveChild& child, InodeNumber inode) {
  TRY_ASSIGN(const auto names, scan_.catalog.names(inode));
  TRY_ASSIGN(const auto in_base, scan_.catalog.base_names(inode));
  if (!names.empty() || in_base.size() > 1) return false;
  Batch batch;
  BaseEdit base(scan_.catalog, batch);
  TRY(base.set({folder_, child.name}, std::nullopt));
  TRY(base.finish());
  batch.erase_journal(JournalKey::of_entry(folder_, child.name));
  TRY(scan_.catalog.commit(batch));
  pending_.push_back(child);
  return true;
}

// Owner, mode, times and extended attributes, and of a link its target. What waits in the journal
// is ours and stays.
Result<void> FolderScan::take_attributes(const ArchiveChild& child, InodeNumber inode,
                                         const ArchiveVersion& on_record) {
  bool changed = false;
  {
    TRY_ASSIGN(const InodeLock lock, scan_.inodes.lock(inode));
    if (!lock.exists()) return {};
    TRY_ASSIGN(const auto pending, scan_.catalog.journal_record(JournalKey::of_inode(inode)));
    if (pending) return {};
    InodeState& state = *lock;
    InodeRecord record = state.rec();
    InodeRecord theirs = imported_record(child);
    keep_owner_and_mode(theirs.attributes, record.attributes, on_record.attributes);
    // The archive may keep coarser times.
    if (theirs.attributes.mtime == on_record.attributes.mtime)
      theirs.attributes.mtime = record.attributes.mtime;
    const FileKind kind = theirs.attributes.kind;
    TRY_ASSIGN(const Xattrs ours, xattrs_in_archive(scan_.catalog, inode, kind));
    const Xattrs xattrs = joined_xattrs(scan_, kind, ours, child.xattrs);
    changed = !same_owner_and_mode(record.attributes, theirs.attributes) || xattrs != ours ||
              record.symlink_target != theirs.symlink_target ||
              (record.attributes.kind == FileKind::directory &&
               record.attributes.mtime != theirs.attributes.mtime);
    Batch batch;
    if (changed) {
      record.attributes = theirs.attributes;
      record.attributes.ctime = std::max(record.attributes.ctime, state.rec().attributes.ctime);
      record.symlink_target = theirs.symlink_target;
      batch.put_inode(inode, record);
      replace_xattrs(batch, inode, ours, xattrs);
    }
    batch.put_version(inode, child.version);
    TRY(scan_.catalog.commit(batch));
    state.record = std::move(record);
  }
  if (!changed) return {};
  ++scan_.counts.changed;
  scan_.options.forget_content(inode);
  return {};
}

// The names among these that the namespace has given to something of its own.
Result<void> FolderScan::resolve(std::vector<ArchiveChild>& children) {
  std::vector<ArchiveChild> fresh;
  ConflictResolver resolver(scan_);
  for (ArchiveChild& child : children) {
    TRY_ASSIGN(const auto ours, scan_.catalog.lookup(folder_, child.name));
    if (!ours) {
      fresh.push_back(std::move(child));
      continue;
    }
    std::optional<InodeNumber> folder;
    TRY(resolver.created_twice({folder_, child.name}, child, *ours, folder));
    if (folder) subfolders_.push_back(*folder);
  }
  children = std::move(fresh);
  return {};
}

Result<void> FolderScan::import_pending() {
  std::vector<ArchiveChild> children = std::exchange(pending_, {});
  if (children.empty()) return {};
  TRY_ASSIGN(const bool here, bring_back_folder(scan_, folder_));
  if (!here) return {};
  TRY(resolve(children));
  if (!takes_in_ && scan_.defers && scan_.deferred.size() < ScanState::kMaxDeferred) {
    for (ArchiveChild& child : children) {
      if (joins_links(child)) {
        scan_.new_links.push_back({folder_, child.name});
      } else {
        scan_.deferred.push_back({folder_, std::move(child)});
      }
    }
    return {};
  }
  std::vector<std::string> added;
  {
    TRY_ASSIGN(const InodeLock folder, scan_.inodes.lock(folder_));
    if (!folder.exists()) return {};  // removed here meanwhile
    Batch batch;
    uint32_t new_folders = 0;
    for (const ArchiveChild& child : children) {
      if (joins_links(child)) {
        scan_.new_links.push_back({folder_, child.name});
        continue;
      }
      TRY_ASSIGN(const bool imported, import_one(batch, child));
      if (!imported) continue;
      added.push_back(child.name);
      if (child.version.attributes.kind == FileKind::directory) ++new_folders;
    }
    InodeRecord record = folder->rec();
    record.nlink += new_folders;
    if (new_folders > 0) batch.put_inode(folder_, record);
    fault_point(FaultPoint::scan_before_commit);
    TRY(scan_.catalog.commit(batch));
    fault_point(FaultPoint::scan_after_commit);
    folder->record = std::move(record);
  }
  scan_.counts.added += added.size();
  for (const std::string& name : added) scan_.options.forget_entry(folder_, name);
  return {};
}

// False: somebody has just taken the name here; the next look at the folder decides.
Result<bool> FolderScan::import_one(Batch& batch, const ArchiveChild& child) {
  const Name name{folder_, child.name};
  const FileKind kind = child.version.attributes.kind;
  TRY_ASSIGN(const auto ours, scan_.catalog.lookup(folder_, child.name));
  if (ours) return false;
  TRY_ASSIGN(const InodeNumber inode, scan_.catalog.allocate_inode());
  batch.put_inode(inode, imported_record(child));
  batch.put_entry(folder_, child.name, inode);
  put_xattrs(batch, inode, child.xattrs);
  batch.put_base(name, {inode, kind});
  batch.put_version(inode, child.version);
  if (kind == FileKind::directory) subfolders_.push_back(inode);
  return true;
}

Result<bool> bring_back_folder(ScanState& scan, InodeNumber folder) {
  TRY_ASSIGN(const auto record, scan.catalog.inode(folder));
  if (record) return true;
  TRY_ASSIGN(const auto in_base, scan.catalog.base_names(folder));
  TRY_ASSIGN(const auto path, scan.catalog.base_path(folder));
  if (in_base.empty() || !path) return false;
  const Name& name = in_base.front();
  if (name.parent == kAsideInode) return false;
  TRY_ASSIGN(const bool parent_here, bring_back_folder(scan, name.parent));
  if (!parent_here) return false;
  TRY_ASSIGN(const auto version, scan.archive.stat(*path));
  if (!version) return false;
  TRY_ASSIGN(const Xattrs xattrs, scan.archive.xattrs(*path));
  {
    TRY_ASSIGN(const HeldInodes held, HeldInodes::lock(scan.inodes, {folder, name.parent}));
    InodeState& parent = held.at(name.parent);
    TRY_ASSIGN(const auto ours, scan.catalog.lookup(name.parent, name.name));
    if (ours || !parent.record) return false;
    InodeRecord back = imported_record({name.name, *version, "", {}});
    InodeRecord parent_record = parent.rec();
    ++parent_record.nlink;
    Batch batch;
    batch.put_inode(folder, back);
    batch.put_entry(name.parent, name.name, folder);
    batch.put_inode(name.parent, parent_record);
    put_xattrs(batch, folder, xattrs);
    batch.put_version(folder, *version);
    batch.erase_journal(JournalKey::of_entry(name.parent, name.name));
    TRY(scan.catalog.commit(batch));
    held.at(folder).record = std::move(back);
    parent.record = std::move(parent_record);
  }
  log::info("a folder that was removed here comes back: it contains something new in the archive",
            {{"path", *path}});
  scan.options.forget_entry(name.parent, name.name);
  return true;
}

Result<void> import_link(ScanState& scan, const Name& name) {
  TRY_ASSIGN(const auto folder_path, scan.catalog.base_path(name.parent));
  if (!folder_path) return {};
  const std::string path = join_path(*folder_path, name.name);
  TRY_ASSIGN(const auto version, scan.archive.stat(path));
  if (!version || version->attributes.kind != FileKind::file) return {};
  const auto known = scan.linked.find(version->identity.bytes);
  const bool others_unseen = scan.depth != ScanState::Depth::whole && version->nlink > 1;
  if (known == scan.linked.end() && others_unseen) {
    scan.wants_whole_scan = true;
    return {};
  }
  InodeNumber inode;
  if (known != scan.linked.end()) {
    inode = known->second;
  } else {
    TRY_ASSIGN(inode, scan.catalog.allocate_inode());
  }
  Xattrs xattrs;
  if (known == scan.linked.end()) {
    TRY_ASSIGN(xattrs, scan.archive.xattrs(path));
  }
  TRY_ASSIGN(const HeldInodes held, HeldInodes::lock(scan.inodes, {inode, name.parent}));
  TRY_ASSIGN(const auto ours, scan.catalog.lookup(name.parent, name.name));
  TRY_ASSIGN(const auto in_base, scan.catalog.base(name));
  InodeState& state = held.at(inode);
  const bool orphan = known != scan.linked.end() && (!state.record || state.rec().nlink == 0);
  if (ours || in_base || orphan || !held.at(name.parent).record) return {};
  InodeRecord record = state.record ? state.rec() : imported_record({name.name, *version, "", {}});
  if (state.record) ++record.nlink;
  Batch batch;
  batch.put_inode(inode, record);
  batch.put_entry(name.parent, name.name, inode);
  batch.put_base(name, {inode, FileKind::file});
  if (!state.record) {
    put_xattrs(batch, inode, xattrs);
    batch.put_version(inode, *version);
  }
  TRY(scan.catalog.commit(batch));
  state.record = std::move(record);
  state.chunk_bytes = scan.catalog.chunk_bytes();
  scan.linked.emplace(version->identity.bytes, inode);
  ++scan.counts.added;
  scan.options.forget_entry(name.parent, name.name);
  scan.options.forget_attributes(inode);
  return {};
}

Result<void> import_root(ScanState& scan) {
  TRY_ASSIGN(const auto version, scan.archive.stat(""));
  if (!version) return Error(std::errc::no_such_device, "the archive's root is gone");
  TRY_ASSIGN(const auto xattrs, scan.archive.xattrs(""));
  TRY_ASSIGN(const InodeLock lock, scan.inodes.lock_existing(kRootInode));
  TRY_ASSIGN(const auto pending, scan.catalog.journal_record(JournalKey::of_inode(kRootInode)));
  Batch batch;
  batch.put_version(kRootInode, *version);
  InodeRecord record = lock->rec();
  if (!pending) {
    const Attributes ours = std::exchange(record.attributes, version->attributes);
    TRY_ASSIGN(const auto on_record, scan.catalog.version(kRootInode));
    if (on_record) keep_owner_and_mode(record.attributes, ours, on_record->attributes);
    batch.put_inode(kRootInode, record);
    TRY(take_xattrs(scan, batch, kRootInode, FileKind::directory, xattrs));
  }
  TRY(scan.catalog.commit(batch));
  lock->record = std::move(record);
  return {};
}

}  // namespace tierhub
