// System calls as functions that return a Result: the one place, besides `ring`, where errno
// becomes an Error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <sys/stat.h>
#include <sys/statvfs.h>

#include "common/clock.h"
#include "common/result.h"
#include "common/unique_fd.h"

namespace tierhub::posix {

// `flags` get O_CLOEXEC. `path` is relative to `dir_fd` (AT_FDCWD is allowed).
Result<UniqueFd> open_at(int dir_fd, const std::string& path, int flags, mode_t mode = 0);
// Resolves below `dir_fd` only and follows no symbolic link: for trees that other people can
// change.
Result<UniqueFd> open_beneath(int dir_fd, const std::string& path, int flags, mode_t mode = 0);
Result<void> make_directory_at(int dir_fd, const std::string& path, mode_t mode);
// Makes `path` and its missing parents.
Result<void> make_directories(const std::string& path, mode_t mode);
Result<struct stat> stat_fd(int fd);
Result<struct stat> stat_at(int dir_fd, const std::string& path, int flags = 0);
Result<struct statvfs> statvfs_fd(int fd);
// Whether both lie on one file system, and so compete for its room.
Result<bool> share_file_system(const std::string& a, const std::string& b);
Result<void> unlink_at(int dir_fd, const std::string& path, int flags = 0);
// `flags` as in renameat2(2): RENAME_NOREPLACE, RENAME_EXCHANGE.
Result<void> rename_at(int from_dir_fd, const std::string& from, int to_dir_fd,
                       const std::string& to, unsigned flags = 0);
Result<void> truncate_fd(int fd, uint64_t size_bytes);
Result<void> punch_hole(int fd, uint64_t begin, uint64_t end);
Result<void> sync_fd(int fd);
Result<void> sync_data(int fd);
Result<void> sync_file_system(int fd);
// Waits until what is being written back is; fails if a write-back of this file has failed.
Result<void> written_back(int fd);

// Reads until `buffer` is full or the file ends; returns how many bytes were read.
Result<size_t> read_at(int fd, std::span<std::byte> buffer, uint64_t offset_bytes);
Result<void> write_all_at(int fd, std::span<const std::byte> bytes, uint64_t offset_bytes);
Result<void> write_all(int fd, std::string_view text);

Result<std::string> read_file(const std::string& path);
// Writes a temporary file beside `path`, syncs it, renames it over `path` and syncs the folder.
Result<void> replace_file(const std::string& path, std::string_view text, mode_t mode = 0644);

Result<std::string> get_xattr_fd(int fd, const std::string& name);
Result<void> set_xattr_fd(int fd, const std::string& name, std::string_view value);
Result<std::vector<std::string>> list_xattr_fd(int fd);

// Names in the folder, without "." and "..", in no order.
Result<std::vector<std::string>> list_directory_fd(int fd);

// The kernel's boot id: it changes with each boot, so it tells whether the page cache lived.
Result<std::string> boot_id();
// A random UUID in its usual form: 36 characters.
Result<std::string> random_uuid();

Timestamp modification_time(const struct stat& st);
Timestamp change_time(const struct stat& st);
Timestamp access_time(const struct stat& st);

}  // namespace tierhub::posix
