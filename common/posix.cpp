#include "common/posix.h"

#include <cerrno>
#include <memory>

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#include <dirent.h>
#include <fmt/format.h>
#include <stdio.h>

namespace tierhub::posix {
namespace {

Result<void> done_or_error(int rc, std::string_view action) {
  if (rc < 0) return Error::from_errno(errno, action);
  return {};
}

}  // namespace

Result<UniqueFd> open_at(int dir_fd, const std::string& path, int flags, mode_t mode) {
  const int fd = ::openat(dir_fd, path.c_str(), flags | O_CLOEXEC, mode);
  if (fd < 0) return Error::from_errno(errno, "open " + path);
  return UniqueFd(fd);
}

Result<UniqueFd> open_beneath(int dir_fd, const std::string& path, int flags, mode_t mode) {
  open_how how{};
  how.flags = static_cast<uint64_t>(flags) | O_CLOEXEC;
  how.mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? mode : 0;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  const long fd =
      ::syscall(SYS_openat2, dir_fd, path.empty() ? "." : path.c_str(), &how, sizeof how);
  if (fd < 0) return Error::from_errno(errno, "open " + path);
  return UniqueFd(static_cast<int>(fd));
}

Result<void> make_directory_at(int dir_fd, const std::string& path, mode_t mode) {
  return done_or_error(::mkdirat(dir_fd, path.c_str(), mode), "make folder " + path);
}

Result<void> make_directories(const std::string& path, mode_t mode) {
  for (size_t slash = path.find('/', 1); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    const std::string parent = path.substr(0, slash);
    if (::mkdir(parent.c_str(), mode) < 0 && errno != EEXIST)
      return Error::from_errno(errno, "make folder " + parent);
  }
  if (::mkdir(path.c_str(), mode) < 0 && errno != EEXIST)
    return Error::from_errno(errno, "make folder " + path);
  return {};
}

Result<struct stat> stat_fd(int fd) {
  struct stat st {};
  if (::fstat(fd, &st) < 0) return Error::from_errno(errno, "fstat");
  return st;
}

Result<struct stat> stat_at(int dir_fd, const std::string& path, int flags) {
  struct stat st {};
  if (::fstatat(dir_fd, path.c_str(), &st, flags) < 0)
    return Error::from_errno(errno, "stat " + path);
  return st;
}

Result<bool> share_file_system(const std::string& a, const std::string& b) {
  TRY_ASSIGN(const struct stat st_a, stat_at(AT_FDCWD, a));
  TRY_ASSIGN(const struct stat st_b, stat_at(AT_FDCWD, b));
  return st_a.st_dev == st_b.st_dev;
}

Result<struct statvfs> statvfs_fd(int fd) {
  struct statvfs st {};
  if (::fstatvfs(fd, &st) < 0) return Error::from_errno(errno, "fstatvfs");
  return st;
}

Result<void> unlink_at(int dir_fd, const std::string& path, int flags) {
  return done_or_error(::unlinkat(dir_fd, path.c_str(), flags), "unlink " + path);
}

Result<void> rename_at(int from_dir_fd, const std::string& from, int to_dir_fd,
                       const std::string& to, unsigned flags) {
  return done_or_error(::renameat2(from_dir_fd, from.c_str(), to_dir_fd, to.c_str(), flags),
                       fmt::format("rename {} to {}", from, to));
}

Result<void> truncate_fd(int fd, uint64_t size_bytes) {
  return done_or_error(::ftruncate(fd, static_cast<off_t>(size_bytes)), "truncate");
}

Result<void> punch_hole(int fd, uint64_t begin, uint64_t end) {
  if (begin >= end) return {};
  return done_or_error(::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                   static_cast<off_t>(begin), static_cast<off_t>(end - begin)),
                       "punch hole");
}

Result<void> sync_fd(int fd) { return done_or_error(::fsync(fd), "fsync"); }
Result<void> sync_data(int fd) { return done_or_error(::fdatasync(fd), "fdatasync"); }
Result<void> written_back(int fd) {
  if (::sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE) < 0)
    return Error::from_errno(errno, "write back");
  return {};
}

Result<void> sync_file_system(int fd) { return done_or_error(::syncfs(fd), "syncfs"); }

Result<size_t> read_at(int fd, std::span<std::byte> buffer, uint64_t offset_bytes) {
  size_t done = 0;
  while (done < buffer.size()) {
    const ssize_t n = ::pread(fd, buffer.data() + done, buffer.size() - done,
                              static_cast<off_t>(offset_bytes + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error::from_errno(errno, "read");
    if (n == 0) break;
    done += static_cast<size_t>(n);
  }
  return done;
}

Result<void> write_all_at(int fd, std::span<const std::byte> bytes, uint64_t offset_bytes) {
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = ::pwrite(fd, bytes.data() + done, bytes.size() - done,
                               static_cast<off_t>(offset_bytes + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error::from_errno(errno, "write");
    done += static_cast<size_t>(n);
  }
  return {};
}

Result<void> write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error::from_errno(errno, "write");
    text.remove_prefix(static_cast<size_t>(n));
  }
  return {};
}

Result<std::string> read_file(const std::string& path) {
  TRY_ASSIGN(const UniqueFd fd, open_at(AT_FDCWD, path, O_RDONLY));
  std::string text;
  char buffer[65536];
  for (;;) {
    const ssize_t n = ::read(fd.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error::from_errno(errno, "read " + path);
    if (n == 0) return text;
    text.append(buffer, static_cast<size_t>(n));
  }
}

Result<void> replace_file(const std::string& path, std::string_view text, mode_t mode) {
  const size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const std::string temporary = path + ".tmp";
  {
    TRY_ASSIGN(const UniqueFd fd, open_at(AT_FDCWD, temporary, O_WRONLY | O_CREAT | O_TRUNC, mode));
    TRY(write_all(fd.get(), text));
    TRY(sync_fd(fd.get()));
  }
  TRY(rename_at(AT_FDCWD, temporary, AT_FDCWD, path));
  TRY_ASSIGN(const UniqueFd folder_fd, open_at(AT_FDCWD, folder, O_RDONLY | O_DIRECTORY));
  return sync_fd(folder_fd.get());
}

Result<std::string> get_xattr_fd(int fd, const std::string& name) {
  for (;;) {
    const ssize_t size = ::fgetxattr(fd, name.c_str(), nullptr, 0);
    if (size < 0) return Error::from_errno(errno, "getxattr " + name);
    std::string value(static_cast<size_t>(size), '\0');
    const ssize_t n = ::fgetxattr(fd, name.c_str(), value.data(), value.size());
    if (n < 0 && errno == ERANGE) continue;  // it grew in between
    if (n < 0) return Error::from_errno(errno, "getxattr " + name);
    value.resize(static_cast<size_t>(n));
    return value;
  }
}

Result<void> set_xattr_fd(int fd, const std::string& name, std::string_view value) {
  return done_or_error(::fsetxattr(fd, name.c_str(), value.data(), value.size(), 0),
                       "setxattr " + name);
}

Result<std::vector<std::string>> list_xattr_fd(int fd) {
  for (;;) {
    const ssize_t size = ::flistxattr(fd, nullptr, 0);
    if (size < 0) return Error::from_errno(errno, "listxattr");
    std::string all(static_cast<size_t>(size), '\0');
    const ssize_t n = ::flistxattr(fd, all.data(), all.size());
    if (n < 0 && errno == ERANGE) continue;  // it grew in between
    if (n < 0) return Error::from_errno(errno, "listxattr");
    std::vector<std::string> names;
    for (size_t at = 0; at < static_cast<size_t>(n);) {
      names.emplace_back(all.c_str() + at);
      at += names.back().size() + 1;
    }
    return names;
  }
}

Result<std::vector<std::string>> list_directory_fd(int fd) {
  TRY_ASSIGN(UniqueFd own, open_at(fd, ".", O_RDONLY | O_DIRECTORY));
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(::fdopendir(own.get()), ::closedir);
  if (!dir) return Error::from_errno(errno, "fdopendir");
  static_cast<void>(own.release());
  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(dir.get());
    if (entry == nullptr && errno != 0) return Error::from_errno(errno, "readdir");
    if (entry == nullptr) return names;
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
}

Result<std::string> boot_id() {
  TRY_ASSIGN(std::string text, read_file("/proc/sys/kernel/random/boot_id"));
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

Result<std::string> random_uuid() {
  TRY_ASSIGN(std::string uuid, read_file("/proc/sys/kernel/random/uuid"));
  while (!uuid.empty() && uuid.back() == '\n') uuid.pop_back();
  return uuid;
}

Timestamp modification_time(const struct stat& st) { return Timestamp::from(st.st_mtim); }
Timestamp change_time(const struct stat& st) { return Timestamp::from(st.st_ctim); }
Timestamp access_time(const struct stat& st) { return Timestamp::from(st.st_atim); }

}  // namespace tierhub::posix
