#include "migrator/base/base_edit.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "migrator/base/plan.h"

namespace tierhub {

Result<HeldInodes> HeldInodes::lock(InodeTable& table, std::vector<InodeNumber> inodes) {
  std::sort(inodes.begin(), inodes.end());
  inodes.erase(std::unique(inodes.begin(), inodes.end()), inodes.end());
  std::erase(inodes, kAsideInode);
  HeldInodes held;
  TRY_ASSIGN(held.locks_, table.lock_all(inodes));
  held.numbers_ = std::move(inodes);
  return held;
}

InodeState& HeldInodes::at(InodeNumber inode) const {
  const auto found = std::lower_bound(numbers_.begin(), numbers_.end(), inode);
  assert(found != numbers_.end() && *found == inode);
  return *locks_[static_cast<size_t>(found - numbers_.begin())];
}

Result<void> BaseEdit::set(const Name& name, const std::optional<BaseRecord>& record) {
  TRY_ASSIGN(const auto before, at(name));
  if (before == record) return {};
  if (before) {
    batch_.erase_base(name, before->inode);
    lost_names_.push_back(before->inode);
  }
  if (record) batch_.put_base(name, *record);
  changed_[name] = record;
  return {};
}

Result<std::vector<InodeNumber>> BaseEdit::finish() {
  std::sort(lost_names_.begin(), lost_names_.end());
  lost_names_.erase(std::unique(lost_names_.begin(), lost_names_.end()), lost_names_.end());
  std::vector<InodeNumber> gone;
  for (const InodeNumber inode : lost_names_) {
    const auto gained = std::any_of(changed_.begin(), changed_.end(), [&](const auto& change) {
      return change.second && change.second->inode == inode;
    });
    TRY_ASSIGN(const auto names, catalog_.base_names(inode));
    const auto kept = std::any_of(names.begin(), names.end(),
                                  [&](const Name& name) { return !changed_.contains(name); });
    if (gained || kept) continue;
    batch_.erase_version(inode);
    batch_.erase_departure(inode);
    gone.push_back(inode);
  }
  return gone;
}

Result<std::optional<BaseRecord>> BaseEdit::at(const Name& name) const {
  const auto changed = changed_.find(name);
  if (changed != changed_.end()) return changed->second;
  return catalog_.base(name);
}

Result<bool> ensure_key(const Catalog& catalog, Batch& batch, const JournalKey& key) {
  TRY_ASSIGN(const auto record, catalog.journal_record(key));
  if (record) return false;
  batch.put_journal(key, {Timestamp::now(), ""});
  return true;
}

Result<void> settle_entry_key(const Catalog& catalog, Batch& batch, const BaseEdit& base,
                              const Name& name) {
  const JournalKey key = JournalKey::of_entry(name.parent, name.name);
  TRY_ASSIGN(const auto wanted, namespace_at(catalog, name));
  TRY_ASSIGN(const auto standing, base.at(name));
  const bool equal = standing ? wanted == standing->inode : !wanted;
  if (equal) {
    batch.erase_journal(key);
    return {};
  }
  TRY(ensure_key(catalog, batch, key));
  return {};
}

Result<void> touch_folder(const Catalog& catalog, Batch& batch, const InodeState& folder) {
  if (!folder.record) return {};
  // The archive's root is as its owner made it, until a scan has taken its attributes into the
  // namespace.
  if (folder.number == kRootInode) {
    TRY_ASSIGN(const auto version, catalog.version(kRootInode));
    if (!version) return {};
  }
  TRY(ensure_key(catalog, batch, JournalKey::of_inode(folder.number)));
  return {};
}

}  // namespace tierhub
