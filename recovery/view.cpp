#include "recovery/view.h"

#include <algorithm>

#include "common/hash.h"

namespace tierhub::recovery {
namespace {

constexpr size_t kRootedKept = 100'000;

}  // namespace

Result<void> View::each(Family family, const std::string& prefix, const Visit& visit) const {
  Result<void> outcome;
  TRY(store_.scan(family, prefix, prefix.empty() ? "" : encoding::prefix_end(prefix),
                  [&](std::string_view key, std::string_view value) {
                    outcome = visit(key, value);
                    return outcome.has_value();
                  }));
  return outcome;
}

Result<bool> View::any(Family family, const std::string& prefix) const {
  bool found = false;
  TRY(store_.scan(family, prefix, encoding::prefix_end(prefix),
                  [&](std::string_view, std::string_view) {
                    found = true;
                    return false;
                  }));
  return found;
}

template <class Decode>
auto View::record(Family family, std::string_view key, Decode decode) const
    -> Result<std::optional<typename decltype(decode(std::string_view()))::value_type>> {
  TRY_ASSIGN(const auto bytes, store_.get(family, key));
  if (!bytes) return std::nullopt;
  auto decoded = decode(*bytes);
  if (!decoded) return std::nullopt;
  return *std::move(decoded);
}

Result<std::optional<InodeRecord>> View::inode(InodeNumber inode) const {
  return record(Family::inode, encoding::inode_key(inode), encoding::decode_inode);
}

Result<std::optional<InodeNumber>> View::entry(const Name& name) const {
  return record(Family::dirent, encoding::dirent_key(name.parent, name_hash(name.name), name.name),
                encoding::decode_dirent);
}

Result<std::vector<Name>> View::read_names(Family family, InodeNumber inode) const {
  std::vector<Name> names;
  TRY(each(family, encoding::inode_key(inode),
           [&](std::string_view key, std::string_view) -> Result<void> {
             auto name = encoding::decode_link_suffix(key);
             if (name) names.push_back(*std::move(name));
             return {};
           }));
  return names;
}

Result<std::vector<Name>> View::names(InodeNumber inode) const {
  return read_names(Family::link, inode);
}

Result<std::vector<Name>> View::base_names(InodeNumber inode) const {
  return read_names(Family::base_link, inode);
}

Result<std::optional<BaseRecord>> View::base(const Name& name) const {
  return record(Family::base, encoding::name_key(name.parent, name.name), encoding::decode_base);
}

Result<std::optional<ArchiveVersion>> View::version(InodeNumber inode) const {
  return record(Family::version, encoding::inode_key(inode), encoding::decode_version);
}

Result<bool> View::has(Family family, const std::string& key) const {
  TRY_ASSIGN(const auto bytes, store_.get(family, key));
  return bytes.has_value();
}

Result<bool> View::has_key(const JournalKey& key) const {
  return has(Family::journal, encoding::journal_key(key));
}

Result<std::optional<ChecksumGroup>> View::checksums(InodeNumber inode, uint64_t group) const {
  return record(Family::checksum, encoding::checksum_key(inode, group), encoding::decode_checksums);
}

Result<std::optional<std::string>> View::meta(std::string_view key) const {
  return record(Family::meta, key, encoding::decode_text);
}

Result<std::vector<IntervalSet::Interval>> View::ranges(InodeNumber inode, RangeKind kind) const {
  std::vector<IntervalSet::Interval> found;
  TRY(each(Family::residency, encoding::residency_prefix(inode, kind),
           [&](std::string_view key, std::string_view value) -> Result<void> {
             const auto range = encoding::decode_residency_key(key);
             const auto end = encoding::decode_number(value);
             if (range && end) found.push_back({range->begin, *end});
             return {};
           }));
  return found;
}

Result<std::optional<std::string>> View::walk_up(Family family, InodeNumber inode) const {
  std::string path;
  std::unordered_set<InodeNumber> seen;
  while (inode != kRootInode && inode != kAsideInode) {
    if (!seen.insert(inode).second) return std::optional<std::string>();
    TRY_ASSIGN(const auto names, read_names(family, inode));
    if (names.empty()) return std::optional<std::string>();
    path.insert(0, "/" + names.front().name);
    inode = names.front().parent;
  }
  if (inode == kAsideInode) path.insert(0, "/.tierhub/aside");
  return std::optional<std::string>(std::move(path));
}

Result<std::string> View::path(InodeNumber inode) const {
  TRY_ASSIGN(auto path, walk_up(Family::link, inode));
  if (!path) return std::string();
  return path->empty() ? std::string("/") : *std::move(path);
}

Result<std::optional<std::string>> View::base_path(InodeNumber inode) const {
  TRY_ASSIGN(auto path, walk_up(Family::base_link, inode));
  if (path && !path->empty()) path->erase(0, 1);
  return path;
}

Result<View::Ancestry> View::ancestry(InodeNumber folder) const {
  std::vector<InodeNumber> walked;
  std::unordered_set<InodeNumber> seen;
  InodeNumber here = folder;
  while (here != kRootInode && !rooted_.contains(here)) {
    if (!seen.insert(here).second) {
      const auto first = std::find(walked.begin(), walked.end(), here);
      return Ancestry{Ancestry::End::loop, *std::min_element(first, walked.end())};
    }
    walked.push_back(here);
    TRY_ASSIGN(const auto names, read_names(Family::link, here));
    if (names.empty()) return Ancestry{Ancestry::End::nowhere, {}};
    here = names.front().parent;
  }
  if (rooted_.size() > kRootedKept) rooted_.clear();
  rooted_.insert(walked.begin(), walked.end());
  return Ancestry{};
}

}  // namespace tierhub::recovery
