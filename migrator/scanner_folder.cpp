#include "migrator/scanner_folder.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "common/log.h"
#include "common/metrics.h"
#include "migrator/journal_base.h"
#include "storage/object_state.h"

namespace tierhub {
namespace {

constexpr size_t kImportBatch = 500;

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

bool joins_links(const ArchiveChild& child) {
  return child.version.attributes.kind == FileKind::file && child.version.nlink > 1;
}

std::string join(const std::string& folder, const std::string& name) {
  return folder.empty() ? name : folder + "/" + name;
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

Result<void> replace_xattrs(const Catalog& catalog, Batch& batch, InodeNumber inode,
                            const Xattrs& wanted) {
  TRY_ASSIGN(const auto existing, catalog.xattrs(inode));
  for (const auto& [name, value] : existing) {
    if (!wanted.contains(name)) batch.erase_xattr(inode, name);
  }
  put_xattrs(batch, inode, wanted);
  return {};
}

Result<std::vector<InodeNumber>> FolderScan::run() {
  TRY_ASSIGN(auto children, scan_.catalog.base_children(folder_));
  known_.reserve(children.size());
  for (auto& [name, record] : children) known_.emplace(std::move(name), record);
  ++scan_.counts.folders;
  for (uint64_t cookie = 0;;) {
    TRY_ASSIGN(ArchivePage page, scan_.archive.list(path_, cookie, scan_.options.page));
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

Result<void> FolderScan::compare(ArchiveChild child) {
  ++scan_.entries;
  if (child.version.attributes.kind != FileKind::directory) ++scan_.counts.files;
  const auto known = known_.find(child.name);
  if (known == known_.end()) {
    pending_.push_back(std::move(child));
    return pending_.size() < kImportBatch ? Result<void>() : import_pending();
  }
  // Another kind under the same name: what was known is gone, and the new one is taken in when it
  // is.
  if (known->second.kind != child.version.attributes.kind) return {};
  const BaseRecord record = known->second;
  known_.erase(known);
  if (joins_links(child)) scan_.linked.emplace(child.version.identity.bytes, record.inode);
  if (record.kind == FileKind::directory) subfolders_.push_back(record.inode);
  return compare_known(child, record);
}

Result<void> FolderScan::compare_known(const ArchiveChild& child, const BaseRecord& known) {
  TRY_ASSIGN(const auto on_record, scan_.catalog.version(known.inode));
  if (!on_record)
    return Error(std::errc::bad_message,
                 fmt::format("inode {} is in base without a version", known.inode));
  const ArchiveVersion& found = child.version;
  const bool same_file = found.identity == on_record->identity;
  const bool untouched = same_file && found.attributes.ctime == on_record->attributes.ctime;
  if (untouched && found.same_content(*on_record)) return {};
  if (known.kind == FileKind::file && !found.same_content(*on_record)) {
    return take_changed_file(child, known.inode, *on_record);
  }
  return take_attributes(child, known.inode);
}

// Theirs is newer than what is on record. It is taken if ours is clean and nobody uses it.
Result<void> FolderScan::take_changed_file(const ArchiveChild& child, InodeNumber inode,
                                           const ArchiveVersion& on_record) {
  TRY_ASSIGN(const bool returned, returns(child, inode));
  if (returned) return {};
  const JournalKey key = JournalKey::of_inode(inode);
  bool conflict = false;
  {
    TRY_ASSIGN(const InodeLock lock, scan_.inodes.lock(inode));
    if (!lock.exists()) return {};
    InodeState& state = *lock;
    TRY_ASSIGN(const auto pending, scan_.catalog.journal_record(key));
    // The journal set this time and was stopped before it could say so.
    const bool ours = pending && child.version.identity == on_record.identity &&
                      child.version.attributes.size_bytes == on_record.attributes.size_bytes &&
                      child.version.attributes.mtime == state.rec().attributes.mtime;
    if (ours) return {};
    conflict = pending || state.is_dirty();
    if (!conflict) {
      if (state.handles > 0 || !state.filling.empty()) return {};  // the next scan looks again
      std::optional<ObjectLease> lease;
      if (state.rec().has_object && scan_.scratch.leases_work()) {
        TRY_ASSIGN(lease, scan_.scratch.lease_unused(inode));
        if (!lease) return {};
      }
      InodeRecord record = imported_record(child);
      record.generation = state.rec().generation.next();
      record.nlink = state.rec().nlink;
      Batch batch;
      const uint64_t groups = checksum_groups(on_record.attributes.size_bytes, state.chunk_bytes);
      for (uint64_t group = 0; group < groups; ++group) batch.erase_checksums(inode, group);
      TRY(replace_xattrs(scan_.catalog, batch, inode, child.xattrs));
      batch.put_version(inode, child.version);
      TRY(drop_content(scan_.catalog, scan_.scratch, state, std::move(record), std::move(batch)));
      ++scan_.counts.changed;
    }
  }
  if (conflict) return note_conflict(key, child.name);
  if (scan_.options.invalidate_inode) scan_.options.invalidate_inode(inode);
  return {};
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
Result<void> FolderScan::take_attributes(const ArchiveChild& child, InodeNumber inode) {
  bool changed = false;
  {
    TRY_ASSIGN(const InodeLock lock, scan_.inodes.lock(inode));
    if (!lock.exists()) return {};
    TRY_ASSIGN(const auto pending, scan_.catalog.journal_record(JournalKey::of_inode(inode)));
    if (pending) return {};
    InodeState& state = *lock;
    InodeRecord record = state.rec();
    const InodeRecord theirs = imported_record(child);
    Xattrs xattrs;
    TRY_ASSIGN(auto stored, scan_.catalog.xattrs(inode));
    for (auto& [name, value] : stored) xattrs.emplace(std::move(name), std::move(value));
    changed = !same_owner_and_mode(record.attributes, theirs.attributes) ||
              xattrs != child.xattrs || record.symlink_target != theirs.symlink_target ||
              (record.attributes.kind == FileKind::directory &&
               record.attributes.mtime != theirs.attributes.mtime);
    Batch batch;
    if (changed) {
      record.attributes = theirs.attributes;
      record.attributes.ctime = std::max(record.attributes.ctime, state.rec().attributes.ctime);
      record.symlink_target = theirs.symlink_target;
      batch.put_inode(inode, record);
      TRY(replace_xattrs(scan_.catalog, batch, inode, child.xattrs));
    }
    batch.put_version(inode, child.version);
    TRY(scan_.catalog.commit(batch));
    state.record = std::move(record);
  }
  if (!changed) return {};
  ++scan_.counts.changed;
  if (scan_.options.invalidate_inode) scan_.options.invalidate_inode(inode);
  return {};
}

// Both sides changed it: neither is touched, and the key waits until someone has chosen.
Result<void> FolderScan::note_conflict(const JournalKey& key, const std::string& name) {
  ++scan_.counts.conflicts;
  const std::string reason =
      fmt::format("the archive's copy was changed behind TierHub: {}", join(path_, name));
  TRY_ASSIGN(const auto record, scan_.catalog.journal_record(key));
  if (record && !record->parked_reason.empty()) return {};
  metrics().conflicts.add();
  log::warning("a file was changed in the archive and in the namespace; neither is touched",
               {{"path", join(path_, name)}});
  Batch batch;
  batch.put_journal(key, {record ? record->since : Timestamp::now(), reason});
  return scan_.catalog.commit(batch);
}

Result<void> FolderScan::import_pending() {
  const std::vector<ArchiveChild> children = std::exchange(pending_, {});
  if (children.empty()) return {};
  TRY_ASSIGN(const bool here, bring_back_folder(scan_, folder_));
  if (!here) return {};
  std::vector<std::string> conflicts;
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
      TRY_ASSIGN(const Import outcome, import_one(batch, child));
      if (outcome == Import::conflict) conflicts.push_back(child.name);
      if (outcome != Import::added) continue;
      added.push_back(child.name);
      if (child.version.attributes.kind == FileKind::directory) ++new_folders;
    }
    InodeRecord record = folder->rec();
    record.nlink += new_folders;
    if (new_folders > 0) batch.put_inode(folder_, record);
    TRY(scan_.catalog.commit(batch));
    folder->record = std::move(record);
  }
  scan_.counts.added += added.size();
  for (const std::string& name : conflicts)
    TRY(note_conflict(JournalKey::of_entry(folder_, name), name));
  if (scan_.options.invalidate_entry) {
    for (const std::string& name : added) scan_.options.invalidate_entry(folder_, name);
  }
  return {};
}

Result<FolderScan::Import> FolderScan::import_one(Batch& batch, const ArchiveChild& child) {
  const Name name{folder_, child.name};
  const FileKind kind = child.version.attributes.kind;
  TRY_ASSIGN(const auto ours, scan_.catalog.lookup(folder_, child.name));
  if (ours) return adopt(batch, child, *ours);
  TRY_ASSIGN(const InodeNumber inode, scan_.catalog.allocate_inode());
  batch.put_inode(inode, imported_record(child));
  batch.put_entry(folder_, child.name, inode);
  put_xattrs(batch, inode, child.xattrs);
  batch.put_base(name, {inode, kind});
  batch.put_version(inode, child.version);
  if (kind == FileKind::directory) subfolders_.push_back(inode);
  return Import::added;
}

// Made here and there: two folders are one, with our attributes; anything else is a conflict.
Result<FolderScan::Import> FolderScan::adopt(Batch& batch, const ArchiveChild& child,
                                             InodeNumber ours) {
  TRY_ASSIGN(const auto record, scan_.catalog.inode(ours));
  TRY_ASSIGN(const auto in_base, scan_.catalog.base_names(ours));
  const bool folders = record && record->attributes.kind == FileKind::directory &&
                       child.version.attributes.kind == FileKind::directory;
  if (!folders || !in_base.empty()) return Import::conflict;
  batch.put_base({folder_, child.name}, {ours, FileKind::directory});
  batch.put_version(ours, child.version);
  subfolders_.push_back(ours);
  return Import::adopted;
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
  log::info("a folder that was removed here comes back: something new is in it in the archive",
            {{"path", *path}});
  if (scan.options.invalidate_entry) scan.options.invalidate_entry(name.parent, name.name);
  return true;
}

Result<void> import_link(ScanState& scan, const Name& name) {
  TRY_ASSIGN(const auto folder_path, scan.catalog.base_path(name.parent));
  if (!folder_path) return {};
  const std::string path = join(*folder_path, name.name);
  TRY_ASSIGN(const auto version, scan.archive.stat(path));
  if (!version || version->attributes.kind != FileKind::file) return {};
  const auto known = scan.linked.find(version->identity.bytes);
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
    record.attributes = version->attributes;
    batch.put_inode(kRootInode, record);
    TRY(replace_xattrs(scan.catalog, batch, kRootInode, xattrs));
  }
  TRY(scan.catalog.commit(batch));
  lock->record = std::move(record);
  return {};
}

}  // namespace tierhub
