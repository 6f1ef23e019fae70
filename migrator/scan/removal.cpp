#include "migrator/scan/removal.h"

#include <utility>

#include "common/log.h"
#include "migrator/base/base_edit.h"

namespace tierhub {

Result<bool> RemovalScan::is_offline(const Name& name) {
  if (scan_.gives_up_file_systems) return false;
  TRY_ASSIGN(const auto known, scan_.catalog.base(name));
  if (!known || known->kind != FileKind::directory) return false;
  TRY_ASSIGN(const FileSystemId around, file_system_of(scan_.catalog, name.parent));
  TRY_ASSIGN(const FileSystemId own, file_system_of(scan_.catalog, known->inode));
  if (own != around) return true;
  return holds_mount_point(known->inode);
}

Result<bool> RemovalScan::holds_mount_point(InodeNumber folder) {
  TRY_ASSIGN(const FileSystemId own, file_system_of(scan_.catalog, folder));
  std::vector<InodeNumber> folders{folder};
  while (!folders.empty()) {
    const InodeNumber next = folders.back();
    folders.pop_back();
    TRY_ASSIGN(const auto children, scan_.catalog.base_children(next));
    for (const auto& [name, record] : children) {
      if (record.kind != FileKind::directory) continue;
      TRY_ASSIGN(const FileSystemId below, file_system_of(scan_.catalog, record.inode));
      if (below != own) return true;
      folders.push_back(record.inode);
    }
  }
  return false;
}

Result<uint64_t> RemovalScan::count(const std::vector<Name>& missing) {
  uint64_t total = 0;
  for (const Name& name : missing) {
    TRY_ASSIGN(const auto known, scan_.catalog.base(name));
    if (!known) continue;
    ++total;
    if (known->kind != FileKind::directory) continue;
    TRY_ASSIGN(const uint64_t below, count_below(known->inode));
    total += below;
  }
  return total;
}

Result<uint64_t> RemovalScan::count_below(InodeNumber folder) {
  uint64_t total = 0;
  std::vector<InodeNumber> folders{folder};
  while (!folders.empty()) {
    const InodeNumber next = folders.back();
    folders.pop_back();
    TRY_ASSIGN(const auto children, scan_.catalog.base_children(next));
    total += children.size();
    for (const auto& [name, record] : children) {
      if (record.kind == FileKind::directory) folders.push_back(record.inode);
    }
  }
  return total;
}

Result<void> RemovalScan::remove(const Name& name) {
  TRY_ASSIGN(const auto known, scan_.catalog.base(name));
  TRY_ASSIGN(const auto folder, scan_.catalog.base_path(name.parent));
  if (!known || !folder) return {};
  TRY_ASSIGN(const auto there,
             scan_.archive.stat(folder->empty() ? name.name : *folder + "/" + name.name));
  TRY_ASSIGN(const auto version, scan_.catalog.version(known->inode));
  const bool same_place = there && version &&
                          (file_system_of(there->identity) == file_system_of(version->identity) ||
                           was_marked_since(version->identity, there->identity));
  // Back again, or another kind of thing took the name, or another file system was mounted there.
  if (there && there->attributes.kind == known->kind &&
      (same_place || known->kind != FileKind::directory))
    return {};
  TRY_ASSIGN(const bool offline, is_offline(name));
  if (offline) return {};
  return remove_known(name, *known);
}

Result<void> RemovalScan::forget(const Name& name) {
  TRY_ASSIGN(const auto known, scan_.catalog.base(name));
  if (!known) return {};
  return remove_known(name, *known);
}

// What lies in a folder goes before the folder.
Result<void> RemovalScan::remove_known(const Name& name, const BaseRecord& known) {
  if (known.kind == FileKind::directory) {
    TRY_ASSIGN(const auto children, scan_.catalog.base_children(known.inode));
    for (const auto& [child, record] : children) TRY(remove_known({known.inode, child}, record));
  }
  bool removed = false;
  bool folder_object = false;
  {
    TRY_ASSIGN(const HeldInodes held, HeldInodes::lock(scan_.inodes, {name.parent, known.inode}));
    InodeState& inode = held.at(known.inode);
    InodeState& folder = held.at(name.parent);
    TRY_ASSIGN(const auto ours, scan_.catalog.lookup(name.parent, name.name));
    Batch batch;
    BaseEdit base(scan_.catalog, batch);
    TRY(base.set(name, std::nullopt));
    TRY_ASSIGN(const auto gone, base.finish());
    std::optional<InodeRecord> inode_record = inode.record;
    std::optional<InodeRecord> folder_record = folder.record;
    TRY_ASSIGN(const bool kept, stays(name, inode));
    if (ours == known.inode && !kept) {
      removed = true;
      batch.erase_entry(name.parent, name.name, known.inode);
      batch.erase_journal(JournalKey::of_entry(name.parent, name.name));
      if (inode.is_directory()) {
        TRY_ASSIGN(const auto xattrs, scan_.catalog.xattrs(known.inode));
        for (const auto& [xattr, value] : xattrs) batch.erase_xattr(known.inode, xattr);
        folder_object = inode.rec().has_object;
        batch.erase_inode(known.inode);
        batch.erase_journal(JournalKey::of_inode(known.inode));
        inode_record.reset();
        if (folder_record) --folder_record->nlink;
      } else {
        --inode_record->nlink;
        if (inode_record->nlink == 0) batch.put_reap(known.inode, ReapKind::inode);
      }
    } else {
      TRY(settle_entry_key(scan_.catalog, batch, base, name));
      if (inode.record) TRY(ensure_key(scan_.catalog, batch, JournalKey::of_inode(known.inode)));
    }
    // The archive has no copy any more. If parts of the file were only there, they are lost, and
    // the journal says so.
    const bool whole = inode_record && inode.is_file() && inode.all_present();
    if (!gone.empty() && whole) inode_record->archived = false;
    if (inode_record) batch.put_inode(known.inode, *inode_record);
    if (folder_record) batch.put_inode(name.parent, *folder_record);
    TRY(scan_.catalog.commit(batch));
    inode.record = std::move(inode_record);
    folder.record = std::move(folder_record);
    if (folder_object) TRY(scan_.scratch.set_aside(known.inode));
  }
  if (!removed) return {};
  ++scan_.counts.removed;
  scan_.options.forget_entry(name.parent, name.name);
  scan_.options.forget_attributes(known.inode);
  return {};
}

// Something of it is only here.
Result<bool> RemovalScan::stays(const Name& name, const InodeState& inode) {
  if (!inode.record) return false;
  if (!inode.is_directory()) return inode.is_dirty();
  TRY_ASSIGN(const bool empty, scan_.catalog.is_empty(inode.number));
  if (!empty)
    log::info("keeping a folder that was removed in the archive: it contains something new here",
              {{"name", name.name}});
  return !empty;
}

}  // namespace tierhub
