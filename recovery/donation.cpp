#include "recovery/donation.h"

#include <algorithm>

#include "recovery/recovered_folder.h"

namespace tierhub::recovery {

Result<DonationCounts> Donation::run() {
  TRY(give_specials());
  TRY(give_xattrs());
  TRY(give_pins());
  return counts_;
}

Result<bool> Donation::kept_its_number(InodeNumber inode) const {
  TRY_ASSIGN(const auto record, fresh_.inode(inode));
  return record && record->has_object;
}

Result<std::optional<InodeNumber>> Donation::counterpart(InodeNumber old) const {
  using Answer = std::optional<InodeNumber>;
  TRY_ASSIGN(const bool same_number, kept_its_number(old));
  if (same_number || old == kRootInode) return Answer(old);
  TRY_ASSIGN(const std::string path, old_.path(old));
  if (path.empty()) return Answer();
  InodeNumber inode = kRootInode;
  for (size_t begin = 1; begin < path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    TRY_ASSIGN(const auto child, fresh_.lookup(inode, path.substr(begin, end - begin)));
    if (!child) return Answer();
    inode = *child;
    begin = end + 1;
  }
  return Answer(inode);
}

Result<void> Donation::give_xattrs() {
  return old_.each(Family::xattr, "",
                   [&](std::string_view key, std::string_view value) -> Result<void> {
                     const auto name = encoding::decode_text_suffix(key);
                     const auto text = encoding::decode_text(value);
                     if (!name || !text) return {};
                     const auto number = encoding::decode_number_key(key.substr(0, 8));
                     if (!number) return {};
                     const InodeNumber inode(*number);
                     TRY_ASSIGN(const bool adopted, kept_its_number(inode));
                     if (!adopted) return {};
                     TRY_ASSIGN(const auto there, fresh_.xattr(inode, *name));
                     if (there) return {};
                     Batch batch;
                     batch.put_xattr(inode, *name, *text);
                     ++counts_.xattrs;
                     return fresh_.commit(batch);
                   });
}

Result<void> Donation::give_specials() {
  return old_.each(Family::inode, "",
                   [&](std::string_view key, std::string_view value) -> Result<void> {
                     const auto number = encoding::decode_number_key(key);
                     const auto record = encoding::decode_inode(value);
                     if (!number || !record) return {};
                     const FileKind kind = record->attributes.kind;
                     if (kind == FileKind::file || kind == FileKind::directory) return {};
                     return give_special(InodeNumber(*number), *record);
                   });
}

Result<void> Donation::give_special(InodeNumber old, const InodeRecord& record) {
  TRY_ASSIGN(const auto names, old_.names(old));
  TRY_ASSIGN(const auto in_base, old_.base_names(old));
  // One that the archive had, and has not got any more, was removed.
  if (!in_base.empty()) return {};
  std::optional<InodeNumber> made;
  for (const Name& name : names) {
    TRY_ASSIGN(const auto folder, counterpart(name.parent));
    if (!folder) continue;
    TRY_ASSIGN(const auto taken, fresh_.lookup(*folder, name.name));
    if (taken) continue;
    InodeRecord copy = record;
    copy.nlink = 1;
    if (made) {
      TRY_ASSIGN(const auto present, fresh_.inode(*made));
      copy.nlink = present->nlink + 1;
    } else {
      TRY_ASSIGN(made, fresh_.allocate_inode());
    }
    Batch batch;
    batch.put_inode(*made, copy);
    TRY(give_name(fresh_, batch, *folder, name.name, *made, record.attributes.kind));
    TRY(fresh_.commit(batch));
  }
  if (made) ++counts_.specials;
  return {};
}

Result<void> Donation::give_pins() {
  return old_.each(Family::lease, "",
                   [&](std::string_view key, std::string_view value) -> Result<void> {
                     const auto owner = encoding::decode_text_suffix(key);
                     const auto number = encoding::decode_number_key(key.substr(0, 8));
                     if (!owner || !number) return {};
                     const auto lease = encoding::decode_lease(*owner, value);
                     if (!lease || !lease->pin) return {};
                     TRY_ASSIGN(const auto inode, counterpart(InodeNumber(*number)));
                     if (!inode) return {};
                     Batch batch;
                     batch.put_lease(*inode, *lease);
                     ++counts_.pins;
                     return fresh_.commit(batch);
                   });
}

}  // namespace tierhub::recovery
