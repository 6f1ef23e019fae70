// Checks shared by all changes of the namespace, and their effect on a folder. Only for
// FileSystem's own sources.
#pragma once

#include <cstdint>
#include <string>

#include "common/result.h"
#include "inodes/inode_table.h"
#include "storage/archive/archive.h"
#include "storage/archive/file_system_id.h"

namespace tierhub {

inline constexpr size_t kNameMax = 255;
// A name may move to another inode between looking it up and locking it.
inline constexpr int kLookupTries = 100;

inline Error no_entry(const std::string& name) {
  return Error(std::errc::no_such_file_or_directory, name + ": no such file or folder");
}

inline Result<void> check_length(const std::string& name) {
  if (name.size() > kNameMax)
    return Error(std::errc::filename_too_long, "the name is longer than 255 bytes");
  return {};
}

inline Result<void> check_name(const std::string& name) {
  TRY(check_length(name));
  if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos) {
    return Error(std::errc::invalid_argument, "'" + name + "' cannot be the name of a file");
  }
  return {};
}

// TierHub's own folder at the top of the archive, and of each file system mounted in it, can be
// neither seen nor made.
inline Result<void> check_new_name(const Catalog& catalog, InodeNumber parent,
                                   const std::string& name) {
  TRY(check_name(name));
  if (name != kPrivateFolder) return {};
  TRY_ASSIGN(const bool mount_point, is_mount_point(catalog, parent));
  if (parent != kRootInode && !mount_point) return {};
  return Error(std::errc::permission_denied, "'.tierhub' at the top is reserved for TierHub");
}

// As the kernel says of a folder on which something is mounted.
inline Result<void> check_not_mount_point(const Catalog& catalog, const InodeState& state,
                                          const std::string& name) {
  if (!state.is_directory()) return {};
  TRY_ASSIGN(const bool mount_point, is_mount_point(catalog, state.number));
  if (!mount_point) return {};
  return Error(std::errc::device_or_resource_busy,
               name + ": a file system of the archive is mounted there");
}

// Names cannot go from one file system of the archive to another: programs copy then.
inline Result<void> check_same_file_system(const Catalog& catalog, InodeNumber from,
                                           InodeNumber to_folder) {
  TRY_ASSIGN(const FileSystemId there, file_system_of(catalog, to_folder));
  TRY_ASSIGN(const FileSystemId here, file_system_of(catalog, from));
  if (here == there) return {};
  return Error(std::errc::cross_device_link,
               "the folders are in different file systems of the archive");
}

inline Result<void> check_live_directory(const InodeLock& directory) {
  if (!directory.exists())
    return Error(std::errc::no_such_file_or_directory, "the folder was removed");
  if (!directory->is_directory()) return Error(std::errc::not_a_directory, "not a folder");
  return {};
}

// The folder after an entry of it changed now; `subfolders` is added to its link count.
inline InodeRecord touched(const InodeRecord& directory, int subfolders = 0) {
  InodeRecord record = directory;
  record.attributes.mtime = record.attributes.ctime = Timestamp::now();
  record.nlink = static_cast<uint32_t>(static_cast<int>(record.nlink) + subfolders);
  return record;
}

}  // namespace tierhub
