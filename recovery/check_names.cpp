// Names: every entry has an inode and a link back, every name leads to the root, and what the
// archive holds is on record from both sides.
#include <fmt/format.h>

#include "common/hash.h"
#include "recovery/check.h"
#include "recovery/recovered_folder.h"

namespace tierhub::recovery {
namespace {

std::string quoted(const Name& name) { return fmt::format("{} in {}", name.name, name.parent); }

InodeNumber leading_inode(std::string_view key) {
  const auto number = encoding::decode_number_key(key.substr(0, 8));
  return InodeNumber(number ? *number : 0);
}

}  // namespace

Result<void> Checker::check_entries() {
  return view_.each(
      Family::dirent, "", [&](std::string_view key, std::string_view value) -> Result<void> {
        tick("entries");
        const auto suffix = encoding::decode_dirent_suffix(key);
        const auto child = encoding::decode_dirent(value);
        if (!suffix || !child) return {};
        return check_entry({leading_inode(key), suffix->second}, suffix->first, key, *child);
      });
}

Result<void> Checker::check_entry(const Name& name, uint64_t cookie, std::string_view key,
                                  InodeNumber child) {
  Batch fix;
  if (cookie != name_hash(name.name)) {
    fix.erase_record(Family::dirent, key);
    fix.put_entry(name.parent, name.name, child);
    return report(FindingCode::entry_cookie, child, quoted(name), Remedy::apply, std::move(fix));
  }
  TRY_ASSIGN(const bool parent_ok, check_parent(name.parent, name, child));
  if (!parent_ok || is_blamed(child)) return {};
  TRY_ASSIGN(const auto record, view_.inode(child));
  if (!record) {
    blamed_.insert(name.parent);  // its count of subfolders cannot be known
    return report(FindingCode::inode_missing, child, quoted(name), Remedy::recreate_inode);
  }
  TRY_ASSIGN(const bool linked,
             view_.has(Family::link, encoding::link_key(child, name.parent, name.name)));
  if (!linked) {
    fix.put_entry(name.parent, name.name, child);
    return report(FindingCode::entry_link, child, quoted(name), Remedy::apply, std::move(fix));
  }
  TRY_ASSIGN(const auto standing, view_.base(name));
  if (standing && standing->inode == child) return {};
  // Half of a record of the archive's tree is judged with that tree.
  TRY_ASSIGN(const bool half,
             view_.has(Family::base_link, encoding::link_key(child, name.parent, name.name)));
  if (half) return {};
  const JournalKey entry = JournalKey::of_entry(name.parent, name.name);
  TRY_ASSIGN(const bool has_key, view_.has_key(entry));
  if (has_key) return {};
  fix.put_journal(entry, new_key());
  fix.put_journal(JournalKey::of_inode(child), new_key());
  return report(FindingCode::journal_missing, child, quoted(name), Remedy::apply, std::move(fix));
}

Result<bool> Checker::check_parent(InodeNumber parent, const Name& name, InodeNumber child) {
  if (parent == known_parent_) return true;
  TRY_ASSIGN(const auto record, view_.inode(parent));
  if (!record && is_blamed(parent)) return false;
  if (!record) {
    const auto code = parent == kRootInode ? FindingCode::root_missing : FindingCode::inode_missing;
    TRY(report(code, parent, "", Remedy::recreate_inode));
    return false;
  }
  if (record->attributes.kind != FileKind::directory) {
    Batch fix;
    fix.erase_entry(name.parent, name.name, child);
    TRY(report(FindingCode::entry_parent, child, quoted(name), Remedy::apply, std::move(fix)));
    return false;
  }
  known_parent_ = parent;
  return true;
}

Result<void> Checker::check_links() {
  return view_.each(Family::link, "", [&](std::string_view key, std::string_view) -> Result<void> {
    tick("links");
    const auto name = encoding::decode_link_suffix(key);
    const InodeNumber inode = leading_inode(key);
    if (!name || is_blamed(inode)) return {};
    return check_link(*name, inode, key);
  });
}

Result<void> Checker::check_link(const Name& name, InodeNumber inode, std::string_view key) {
  TRY_ASSIGN(const auto entry, view_.entry(name));
  if (entry == inode) return {};
  TRY_ASSIGN(const bool unreadable,
             view_.has(Family::dirent,
                       encoding::dirent_key(name.parent, name_hash(name.name), name.name)));
  if (!entry && unreadable) return {};
  TRY_ASSIGN(const auto record, view_.inode(inode));
  TRY_ASSIGN(const auto parent, view_.inode(name.parent));
  const bool may_return = !entry && record && record->nlink > 0 && parent &&
                          parent->attributes.kind == FileKind::directory;
  Batch fix;
  if (may_return) {
    fix.put_entry(name.parent, name.name, inode);
    fix.put_journal(JournalKey::of_entry(name.parent, name.name), new_key());
    blamed_.insert(name.parent);
  } else {
    fix.erase_record(Family::link, key);
  }
  return report(FindingCode::link_entry, inode, quoted(name), Remedy::apply, std::move(fix));
}

Result<void> Checker::check_base() {
  TRY(view_.each(Family::base, "",
                 [&](std::string_view key, std::string_view value) -> Result<void> {
                   tick("archive's entries");
                   const auto name = encoding::decode_name_key(key);
                   const auto record = encoding::decode_base(value);
                   if (!name || !record || is_blamed(record->inode)) return {};
                   return check_base_entry(*name, *record);
                 }));
  return view_.each(Family::base_link, "",
                    [&](std::string_view key, std::string_view) -> Result<void> {
                      tick("archive's links");
                      const auto name = encoding::decode_link_suffix(key);
                      const InodeNumber inode = leading_inode(key);
                      if (!name || is_blamed(inode)) return {};
                      return check_base_link(*name, inode, key);
                    });
}

Result<void> Checker::check_base_entry(const Name& name, const BaseRecord& record) {
  const InodeNumber inode = record.inode;
  Batch fix;
  TRY_ASSIGN(const bool linked,
             view_.has(Family::base_link, encoding::link_key(inode, name.parent, name.name)));
  if (!linked) {
    fix.put_base(name, record);
    return report(FindingCode::base_link, inode, quoted(name), Remedy::apply, std::move(fix));
  }
  TRY_ASSIGN(const auto version, view_.version(inode));
  TRY_ASSIGN(const auto entry, view_.entry(name));
  fix.erase_base(name, inode);
  if (entry == inode) fix.put_journal(JournalKey::of_entry(name.parent, name.name), new_key());
  if (!version) {
    return report(FindingCode::base_version, inode, quoted(name), Remedy::apply, std::move(fix));
  }
  TRY_ASSIGN(const auto folder_names, view_.base_names(name.parent));
  const bool top = name.parent == kRootInode || name.parent == kAsideInode;
  if (!top && folder_names.empty() && !is_blamed(name.parent)) {
    return report(FindingCode::base_parent, inode, quoted(name), Remedy::apply, std::move(fix));
  }
  if (entry || name.parent == kAsideInode || is_blamed(name.parent)) return {};
  TRY_ASSIGN(const bool has_key, view_.has_key(JournalKey::of_entry(name.parent, name.name)));
  if (has_key) return {};
  return report(FindingCode::journal_missing, inode, quoted(name), Remedy::apply, std::move(fix));
}

Result<void> Checker::check_base_link(const Name& name, InodeNumber inode, std::string_view key) {
  TRY_ASSIGN(const auto standing, view_.base(name));
  if (standing && standing->inode == inode) return {};
  TRY_ASSIGN(const bool unreadable,
             view_.has(Family::base, encoding::name_key(name.parent, name.name)));
  if (!standing && unreadable) return {};
  TRY_ASSIGN(const auto version, view_.version(inode));
  Batch fix;
  if (!standing && version) {
    fix.put_base(name, {inode, version->attributes.kind});
  } else {
    fix.erase_record(Family::base_link, key);
  }
  return report(FindingCode::base_link, inode, quoted(name), Remedy::apply, std::move(fix));
}

Result<void> Checker::check_inodes() {
  TRY_ASSIGN(const auto root, view_.inode(kRootInode));
  if (!root && !is_blamed(kRootInode))
    TRY(report(FindingCode::root_missing, kRootInode, "", Remedy::recreate_inode));
  return view_.each(Family::inode, "",
                    [&](std::string_view key, std::string_view value) -> Result<void> {
                      tick("inodes");
                      const auto number = encoding::decode_number_key(key);
                      const auto record = encoding::decode_inode(value);
                      if (!number || !record || is_blamed(InodeNumber(*number))) return {};
                      return check_inode(InodeNumber(*number), *record);
                    });
}

Result<void> Checker::check_inode(InodeNumber inode, const InodeRecord& record) {
  if (record.attributes.kind == FileKind::directory) return check_folder(inode, record);
  TRY(check_names_of_file(inode, record));
  if (record.attributes.kind != FileKind::file || is_blamed(inode)) return {};
  return check_file(inode, record);
}

Result<void> Checker::check_names_of_file(InodeNumber inode, const InodeRecord& record) {
  TRY_ASSIGN(const auto names, view_.names(inode));
  if (names.size() == record.nlink && !names.empty()) return {};
  if (names.empty() && record.nlink > 0)
    return report(FindingCode::inode_nameless, inode, "", Remedy::recover_nameless);
  if (names.empty()) {
    TRY_ASSIGN(const bool noted, view_.has(Family::reap, encoding::inode_key(inode)));
    if (noted) return {};
    Batch fix;
    fix.put_reap(inode, ReapKind::inode);
    return report(FindingCode::inode_unreaped, inode, "", Remedy::apply, std::move(fix));
  }
  InodeRecord right = record;
  right.nlink = static_cast<uint32_t>(names.size());
  Batch fix;
  fix.put_inode(inode, right);
  return report(FindingCode::inode_links, inode,
                fmt::format("{} names, count {}", names.size(), record.nlink), Remedy::apply,
                std::move(fix));
}

// A folder counts itself, its entry, and each subfolder once.
Result<uint32_t> Checker::folder_links(InodeNumber folder) {
  std::unordered_set<InodeNumber> subfolders;
  TRY(view_.each(Family::dirent, encoding::dirent_prefix(folder),
                 [&](std::string_view, std::string_view value) -> Result<void> {
                   const auto child = encoding::decode_dirent(value);
                   if (!child) return {};
                   TRY_ASSIGN(const auto record, view_.inode(*child));
                   if (record && record->attributes.kind == FileKind::directory)
                     subfolders.insert(*child);
                   return {};
                 }));
  return static_cast<uint32_t>(subfolders.size() + 2);
}

Result<void> Checker::check_folder(InodeNumber inode, const InodeRecord& record) {
  TRY_ASSIGN(const auto names, view_.names(inode));
  if (names.empty() && inode != kRootInode)
    return report(FindingCode::inode_nameless, inode, "a folder", Remedy::recover_nameless);
  if (names.size() > 1 || (inode == kRootInode && !names.empty())) {
    Batch fix;
    for (size_t i = inode == kRootInode ? 0 : 1; i < names.size(); ++i) {
      fix.erase_entry(names[i].parent, names[i].name, inode);
      blamed_.insert(names[i].parent);
    }
    return report(FindingCode::folder_names, inode, "", Remedy::apply, std::move(fix));
  }
  TRY_ASSIGN(const View::Ancestry ancestry, view_.ancestry(inode));
  if (ancestry.end == View::Ancestry::End::loop) {
    if (ancestry.loop != inode) return {};  // one finding for a circle
    return report(FindingCode::folder_loop, inode, "", Remedy::break_loop);
  }
  TRY_ASSIGN(const uint32_t links, folder_links(inode));
  if (links == record.nlink || is_blamed(inode)) return {};
  InodeRecord right = record;
  right.nlink = links;
  Batch fix;
  fix.put_inode(inode, right);
  return report(FindingCode::inode_links, inode,
                fmt::format("{} subfolders, count {}", links - 2, record.nlink), Remedy::apply,
                std::move(fix));
}

}  // namespace tierhub::recovery
