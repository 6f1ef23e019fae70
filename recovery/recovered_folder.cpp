#include "recovery/recovered_folder.h"

#include <fmt/format.h>

#include "recovery/repair.h"

namespace tierhub::recovery {

JournalRecord new_key() { return {Timestamp::now(), ""}; }

Result<void> give_name(const Catalog& catalog, Batch& batch, InodeNumber folder,
                       const std::string& name, InodeNumber inode, FileKind kind) {
  const JournalRecord key = new_key();
  batch.put_entry(folder, name, inode);
  batch.put_journal(JournalKey::of_entry(folder, name), key);
  batch.put_journal(JournalKey::of_inode(inode), key);
  if (kind != FileKind::directory) return {};
  TRY_ASSIGN(auto record, catalog.inode(folder));
  if (!record) return Error(std::errc::bad_message, fmt::format("folder {} has no record", folder));
  ++record->nlink;
  batch.put_inode(folder, *record);
  return {};
}

Result<InodeNumber> recovered_folder(Catalog& catalog) {
  TRY_ASSIGN(const auto there, catalog.lookup(kRootInode, kRecoveredFolder));
  if (there) {
    TRY_ASSIGN(const auto record, catalog.inode(*there));
    if (record && record->attributes.kind == FileKind::directory) return *there;
  }
  TRY_ASSIGN(const InodeNumber number, catalog.allocate_inode());
  InodeRecord folder;
  folder.attributes.kind = FileKind::directory;
  folder.attributes.mode = 0700;
  folder.attributes.atime = folder.attributes.mtime = folder.attributes.ctime =
      folder.attributes.btime = Timestamp::now();
  folder.nlink = 2;
  Batch batch;
  batch.put_inode(number, folder);
  TRY_ASSIGN(const std::string name, free_name(catalog, kRootInode, kRecoveredFolder, number));
  TRY(give_name(catalog, batch, kRootInode, name, number, FileKind::directory));
  TRY(catalog.commit(batch, Durability::synced));
  return number;
}

Result<std::string> free_name(const Catalog& catalog, InodeNumber folder, const std::string& wanted,
                              InodeNumber inode) {
  constexpr size_t kLongest = 200;  // leaves room below NAME_MAX
  for (int i = 0;; ++i) {
    std::string name = wanted;
    if (i > 0) {
      name = fmt::format("{} (recovered {}{})", wanted.substr(0, kLongest), inode,
                         i > 1 ? fmt::format(" {}", i) : "");
    }
    TRY_ASSIGN(const auto taken, catalog.lookup(folder, name));
    TRY_ASSIGN(const auto standing, catalog.base({folder, name}));
    if (!taken && (!standing || standing->inode == inode)) return name;
  }
}

}  // namespace tierhub::recovery
