// The records of a catalog as a check reads them: straight from the store, trusting none of them. A
// record that cannot be decoded counts as absent here; the check reports it separately.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "catalog/encoding.h"
#include "catalog/key_value_store.h"
#include "catalog/records.h"
#include "common/result.h"
#include "storage/archive/archive.h"

namespace tierhub::recovery {

class View {
 public:
  explicit View(const KeyValueStore& store) : store_(store) {}

  using Visit = std::function<Result<void>(std::string_view key, std::string_view value)>;
  // All records whose key begins with `prefix`, on one snapshot, until a visit fails.
  Result<void> each(Family family, const std::string& prefix, const Visit& visit) const;
  Result<bool> any(Family family, const std::string& prefix) const;

  Result<std::optional<InodeRecord>> inode(InodeNumber inode) const;
  Result<std::optional<InodeNumber>> entry(const Name& name) const;
  // Names by `link`; `base_names` by `base_link`.
  Result<std::vector<Name>> names(InodeNumber inode) const;
  Result<std::optional<BaseRecord>> base(const Name& name) const;
  Result<std::vector<Name>> base_names(InodeNumber inode) const;
  Result<std::optional<ArchiveVersion>> version(InodeNumber inode) const;
  Result<bool> has(Family family, const std::string& key) const;
  Result<bool> has_key(const JournalKey& key) const;
  Result<std::optional<ChecksumGroup>> checksums(InodeNumber inode, uint64_t group) const;
  Result<std::optional<std::string>> meta(std::string_view key) const;
  // As stored, in order.
  Result<std::vector<IntervalSet::Interval>> ranges(InodeNumber inode, RangeKind kind) const;

  // "/a/b" by its first name; empty if it does not reach the root. `base_path` is below the
  // archive's root, and none if it is not there.
  Result<std::string> path(InodeNumber inode) const;
  Result<std::optional<std::string>> base_path(InodeNumber inode) const;

  // Whether the folder's ancestors lead to the root, end in a folder without a name or a record, or
  // run in a circle (`loop`: the smallest number in it).
  struct Ancestry {
    enum class End { root, nowhere, loop } end = End::root;
    InodeNumber loop;
  };
  Result<Ancestry> ancestry(InodeNumber folder) const;

 private:
  template <class Decode>
  auto record(Family family, std::string_view key, Decode decode) const
      -> Result<std::optional<typename decltype(decode(std::string_view()))::value_type>>;
  Result<std::vector<Name>> read_names(Family family, InodeNumber inode) const;
  Result<std::optional<std::string>> walk_up(Family family, InodeNumber inode) const;

  const KeyValueStore& store_;
  // Folders that are known to lie below the root; forgotten when there are many.
  mutable std::unordered_set<InodeNumber> rooted_;
};

}  // namespace tierhub::recovery
