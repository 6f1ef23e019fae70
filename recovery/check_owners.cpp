// Records that belong to an inode, a folder or a prefetch: it must be there.
#include <fmt/format.h>

#include "recovery/check.h"

namespace tierhub::recovery {
namespace {

std::string_view name_of(Family family) { return kFamilyNames[static_cast<size_t>(family)]; }

}  // namespace

Result<void> Checker::check_owners() {
  for (const Family family :
       {Family::xattr, Family::residency, Family::checksum, Family::lease, Family::heat})
    TRY(check_owned(family));
  TRY(check_versions());
  TRY(check_journal());
  TRY(check_reaps());
  return check_prefetches();
}

// Records of one inode stand together: each is looked up once.
Result<void> Checker::check_owned(Family family) {
  InodeNumber last;
  bool last_exists = false;
  return view_.each(family, "", [&](std::string_view key, std::string_view) -> Result<void> {
    tick(name_of(family));
    if (key.size() < 8) return {};
    const InodeNumber inode(*encoding::decode_number_key(key.substr(0, 8)));
    if (inode != last) {
      TRY_ASSIGN(const auto record, view_.inode(inode));
      last = inode;
      last_exists = record.has_value();
    }
    if (last_exists || is_blamed(inode)) return {};
    Batch fix;
    fix.erase_record(family, key);
    TRY(report(FindingCode::record_dangling, kNoInode,
               fmt::format("{} of inode {}", name_of(family), inode), Remedy::apply,
               std::move(fix)));
    return {};
  });
}

// The archive has it as long as base has a name for it, also when the namespace has none.
Result<void> Checker::check_versions() {
  return view_.each(
      Family::version, "", [&](std::string_view key, std::string_view) -> Result<void> {
        tick("versions");
        const auto number = encoding::decode_number_key(key);
        if (!number || *number == kRootInode.value() || is_blamed(InodeNumber(*number))) return {};
        TRY_ASSIGN(const bool in_base, view_.any(Family::base_link, std::string(key)));
        if (in_base) return {};
        Batch fix;
        fix.erase_record(Family::version, key);
        return report(FindingCode::record_dangling, kNoInode,
                      fmt::format("version of inode {}", *number), Remedy::apply, std::move(fix));
      });
}

Result<void> Checker::check_journal() {
  return view_.each(Family::journal, "",
                    [&](std::string_view bytes, std::string_view) -> Result<void> {
                      tick("journal");
                      const auto key = encoding::decode_journal_key(bytes);
                      if (!key || key->inode == kAsideInode || is_blamed(key->inode)) return {};
                      // A folder that was removed before it was published leaves the keys of its
                      // entries until the next round.
                      if (key->kind == JournalKeyKind::entry) return {};
                      TRY_ASSIGN(const auto record, view_.inode(key->inode));
                      TRY_ASSIGN(const bool in_base,
                                 view_.any(Family::base_link, encoding::inode_key(key->inode)));
                      if (record || in_base) return {};
                      Batch fix;
                      fix.erase_record(Family::journal, bytes);
                      return report(FindingCode::record_dangling, kNoInode,
                                    fmt::format("journal key of inode {}", key->inode),
                                    Remedy::apply, std::move(fix));
                    });
}

Result<void> Checker::check_reaps() {
  return view_.each(Family::reap, "", [&](std::string_view key, std::string_view) -> Result<void> {
    tick("removals");
    const auto number = encoding::decode_number_key(key);
    if (!number || is_blamed(InodeNumber(*number))) return {};
    TRY_ASSIGN(const auto record, view_.inode(InodeNumber(*number)));
    if (record && record->nlink == 0) return {};
    Batch fix;
    fix.erase_record(Family::reap, key);
    return report(FindingCode::record_dangling, kNoInode,
                  fmt::format("removal of inode {}", *number), Remedy::apply, std::move(fix));
  });
}

Result<void> Checker::check_prefetches() {
  return view_.each(Family::prefetch, "",
                    [&](std::string_view key, std::string_view) -> Result<void> {
                      tick("prefetches");
                      const auto item = encoding::decode_pair_key(key);
                      if (!item) return {};
                      TRY_ASSIGN(const bool there,
                                 view_.has(Family::prefetch, encoding::sequence_key(item->first)));
                      if (there) return {};
                      Batch fix;
                      fix.erase_record(Family::prefetch, key);
                      return report(FindingCode::record_dangling, kNoInode,
                                    fmt::format("item of prefetch {}", item->first), Remedy::apply,
                                    std::move(fix));
                    });
}

}  // namespace tierhub::recovery
