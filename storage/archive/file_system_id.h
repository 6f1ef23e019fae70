// An archive may consist of several file systems: others are often mounted below its root, one for
// each lab (ZFS datasets, btrfs subvolumes, disks). Each of them has an id. The id is part of the
// identity of every file in it, so base shows which file system a file is in without asking the
// archive; and it is part of the names of what TierHub keeps in that file system's own `.tierhub`.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "catalog/records.h"
#include "common/result.h"

namespace tierhub {

class Catalog;

// Empty: the file system of the archive's root. Else 32 hexadecimal digits, of one that is nested
// below it.
using FileSystemId = std::string;

inline constexpr size_t kFileSystemIdBytes = 16;

// The id as it stands in an identity, and back. Empty if `id` is no id of a nested file system.
std::string file_system_bytes(const FileSystemId& id);
FileSystemId file_system_id(std::string_view bytes);

// A nested file system that cannot be marked (it is read-only, or its `.tierhub` is someone else's)
// is told by where it is mounted.
FileSystemId provisional_file_system_id(std::string_view path);

// Where the file lies; of a folder on which a file system is mounted: that one.
FileSystemId file_system_of(const Identity& identity);

// `now` is the identity of the same file as `before`, which was read before its file system had its
// mark.
bool was_marked_since(const Identity& before, const Identity& now);

// What TierHub keeps in the private folder of a nested file system has the name "name@id": `leaf`
// in staging, a day of the trash, a folder set aside. In the root's: "name".
std::string name_on(const FileSystemId& file_system, std::string_view name);
struct PrivateName {
  std::string name;
  FileSystemId file_system;
};
PrivateName split_private_name(std::string_view name);
// "name@id" with `suffix` behind the name.
std::string with_suffix(const std::string& private_name, std::string_view suffix);

// `.tierhub/<folder>/<name>@<id>/...`: what lies in the private folder of a nested file system, as
// `<name>/...` in its `.tierhub/<folder>`.
struct NestedPath {
  FileSystemId file_system;
  std::string folder;  // `.tierhub/<folder>`
  std::string rest;
};
std::optional<NestedPath> nested_path(const std::string& path);

// In base and namespace: where the inode is, or would be if it was published. Asks the catalog
// only.
Result<FileSystemId> file_system_of(const Catalog& catalog, InodeNumber inode);
// A file system is mounted there: the folder cannot be moved or removed. `folder` has a record.
Result<bool> is_mount_point(const Catalog& catalog, InodeNumber folder);

}  // namespace tierhub
