#include "storage/scratch/scratch.h"

#include <cerrno>
#include <charconv>
#include <filesystem>
#include <mutex>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>
#include <stdio.h>

#include "common/posix.h"
#include "storage/scratch/format_mark.h"
#include "storage/scratch/object_tag.h"

namespace tierhub {
namespace {

constexpr const char* kTagXattr = "user.tierhub.object";

std::optional<InodeNumber> parse_object_name(const std::string& name) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number, 16);
  if (error != std::errc{} || end != name.data() + name.size()) return std::nullopt;
  return InodeNumber(number);
}

Result<void> check_format(const std::string& folder) {
  const auto fd = posix::open_at(AT_FDCWD, folder, O_RDONLY | O_DIRECTORY);
  if (!fd && fd.error().is(std::errc::no_such_file_or_directory)) return {};
  if (!fd) return fd.error();
  return check_format_mark(fd->get(), "format", "scratch in " + folder);
}

// Asks for an object lease and keeps it until `fd` is closed. False: someone has the file open in a
// way that forbids it.
Result<bool> take_object_lease(int fd, int kind) {
  if (::fcntl(fd, F_SETLEASE, kind) == 0) return true;
  if (errno == EAGAIN || errno == EBUSY) return false;
  return Error::from_errno(errno, "lease on scratch object");
}

// From `folder` up to the root of its file system: on the way there is nothing beside it.
Result<bool> is_alone_on_its_file_system(const std::string& folder) {
  for (std::filesystem::path path = std::filesystem::absolute(folder).lexically_normal();;) {
    if (!path.has_filename()) path = path.parent_path();
    const std::filesystem::path parent = path.parent_path();
    TRY_ASSIGN(const auto st, posix::stat_at(AT_FDCWD, path.string(), 0));
    TRY_ASSIGN(const auto parent_st, posix::stat_at(AT_FDCWD, parent.string(), 0));
    if (st.st_dev != parent_st.st_dev) return true;
    if (st.st_ino == parent_st.st_ino) return false;  // the machine's root
    TRY_ASSIGN(const UniqueFd fd,
               posix::open_at(AT_FDCWD, parent.string(), O_RDONLY | O_DIRECTORY));
    TRY_ASSIGN(const auto names, posix::list_directory_fd(fd.get()));
    for (const std::string& name : names) {
      if (name != path.filename() && name != "lost+found") return false;
    }
    path = parent;
  }
}

}  // namespace

std::string Scratch::object_path(InodeNumber inode) {
  return fmt::format("{:02x}/{:x}", inode.value() & 0xff, inode.value());
}

Result<Scratch> Scratch::inspect(const std::string& folder) {
  TRY(check_format(folder));
  TRY_ASSIGN(UniqueFd objects,
             posix::open_at(AT_FDCWD, folder + "/objects", O_RDONLY | O_DIRECTORY));
  TRY_ASSIGN(UniqueFd reap, posix::open_at(AT_FDCWD, folder + "/reap", O_RDONLY | O_DIRECTORY));
  return Scratch(folder, std::move(objects), std::move(reap));
}

Result<Scratch> Scratch::open(const std::string& folder) {
  TRY(check_format(folder));
  TRY(posix::make_directories(folder + "/objects", 0700));
  TRY(posix::make_directories(folder + "/reap", 0700));
  TRY_ASSIGN(Scratch scratch, inspect(folder));
  for (int i = 0; i < 256; ++i) {
    if (auto made =
            posix::make_directory_at(scratch.objects_.get(), fmt::format("{:02x}", i), 0700);
        !made && !made.error().is(std::errc::file_exists)) {
      return made.error();
    }
  }
  TRY_ASSIGN(scratch.has_object_leases_, scratch.probe_object_leases());
  TRY_ASSIGN(scratch.own_file_system_, is_alone_on_its_file_system(folder));
  return scratch;
}

Result<bool> Scratch::probe_object_leases() const {
  const std::string name = ".lease-probe";
  TRY_ASSIGN(const UniqueFd writer,
             posix::open_at(objects_.get(), name, O_RDWR | O_CREAT | O_TRUNC, 0600));
  TRY_ASSIGN(const UniqueFd reader, posix::open_at(objects_.get(), name, O_RDONLY));
  const auto refused = take_object_lease(reader.get(), F_RDLCK);
  TRY(posix::unlink_at(objects_.get(), name));
  // An object lease that is granted beside a writer, or not known at all, tells nothing.
  return refused.has_value() && !*refused;
}

Result<UniqueFd> Scratch::create(InodeNumber inode, int access) const {
  const int flags = access | O_CREAT | O_EXCL;
  auto made = posix::open_at(objects_.get(), object_path(inode), flags, 0600);
  if (made || !made.error().is(std::errc::file_exists)) return made;
  TRY(remove(inode));
  return posix::open_at(objects_.get(), object_path(inode), flags, 0600);
}

Result<struct stat> Scratch::stat_object(InodeNumber inode) const {
  return posix::stat_at(objects_.get(), object_path(inode), AT_SYMLINK_NOFOLLOW);
}

Result<UniqueFd> Scratch::open_object(InodeNumber inode, int flags) const {
  return posix::open_at(objects_.get(), object_path(inode), flags);
}

Result<void> Scratch::remove(InodeNumber inode) const {
  auto removed = posix::unlink_at(objects_.get(), object_path(inode));
  if (!removed && !removed.error().is(std::errc::no_such_file_or_directory)) return removed;
  return {};
}

Result<void> Scratch::set_aside(InodeNumber inode) const {
  const std::string path = object_path(inode);
  auto moved =
      posix::rename_at(objects_.get(), path, reap_.get(), fmt::format("{:x}", inode.value()));
  if (!moved && !moved.error().is(std::errc::no_such_file_or_directory)) return moved;
  return {};
}

Result<void> Scratch::take_back(InodeNumber inode) const {
  return posix::rename_at(reap_.get(), fmt::format("{:x}", inode.value()), objects_.get(),
                          object_path(inode), RENAME_NOREPLACE);
}

Result<bool> Scratch::is_set_aside(InodeNumber inode) const {
  const auto st =
      posix::stat_at(reap_.get(), fmt::format("{:x}", inode.value()), AT_SYMLINK_NOFOLLOW);
  if (!st && !st.error().is(std::errc::no_such_file_or_directory)) return st.error();
  return st.has_value();
}

Result<std::vector<InodeNumber>> Scratch::set_aside_objects() const {
  TRY_ASSIGN(const auto names, posix::list_directory_fd(reap_.get()));
  std::vector<InodeNumber> result;
  for (const std::string& name : names) {
    if (const auto inode = parse_object_name(name)) result.push_back(*inode);
  }
  return result;
}

Result<uint64_t> Scratch::set_aside_bytes() const {
  TRY_ASSIGN(const auto inodes, set_aside_objects());
  uint64_t total = 0;
  for (const InodeNumber inode : inodes) {
    const auto st =
        posix::stat_at(reap_.get(), fmt::format("{:x}", inode.value()), AT_SYMLINK_NOFOLLOW);
    if (st) total += static_cast<uint64_t>(st->st_blocks) * 512;
  }
  return total;
}

Result<uint64_t> Scratch::remove_set_aside(InodeNumber inode) const {
  const std::string name = fmt::format("{:x}", inode.value());
  auto st = posix::stat_at(reap_.get(), name, AT_SYMLINK_NOFOLLOW);
  if (!st && st.error().is(std::errc::no_such_file_or_directory)) return 0;
  if (!st) return st.error();
  TRY(posix::unlink_at(reap_.get(), name));
  return static_cast<uint64_t>(st->st_blocks) * 512;
}

Result<void> Scratch::tag(int object_fd, const ObjectTag& tag) const {
  return posix::set_xattr_fd(object_fd, kTagXattr, encode_tag(tag));
}

Result<ObjectTag> Scratch::read_tag(int object_fd) const {
  TRY_ASSIGN(const std::string bytes, posix::get_xattr_fd(object_fd, kTagXattr));
  return decode_tag(bytes);
}

Result<bool> Scratch::is_quiet(InodeNumber inode) const {
  TRY_ASSIGN(const UniqueFd fd, open_object(inode, O_RDONLY));
  return is_quiet(fd.get());
}

Result<bool> Scratch::is_quiet(int object_fd) {
  TRY_ASSIGN(const bool granted, take_object_lease(object_fd, F_RDLCK));
  if (granted && ::fcntl(object_fd, F_SETLEASE, F_UNLCK) < 0)
    return Error::from_errno(errno, "lease on scratch object");
  return granted;
}

Result<std::optional<ObjectLease>> Scratch::lease_unused_object(InodeNumber inode) const {
  TRY_ASSIGN(UniqueFd fd, open_object(inode, O_RDWR));
  TRY_ASSIGN(const bool granted, take_object_lease(fd.get(), F_WRLCK));
  if (!granted) return std::optional<ObjectLease>();
  return std::optional<ObjectLease>(ObjectLease(std::move(fd)));
}

Result<Scratch::Space> Scratch::space() const {
  TRY_ASSIGN(const auto st, posix::statvfs_fd(objects_.get()));
  return Space{st.f_blocks * st.f_frsize, st.f_bfree * st.f_frsize, st.f_bavail * st.f_frsize};
}

Result<uint64_t> Scratch::occupied_bytes(InodeNumber inode) const {
  const auto st = posix::stat_at(objects_.get(), object_path(inode), AT_SYMLINK_NOFOLLOW);
  if (!st && st.error().is(std::errc::no_such_file_or_directory)) return 0;
  if (!st) return st.error();
  return static_cast<uint64_t>(st->st_blocks) * 512;
}

Result<void> Scratch::sync() const { return posix::sync_file_system(objects_.get()); }

uint64_t Scratch::end_epoch() const {
  const std::unique_lock lock(epoch_->ending);
  return epoch_->number.fetch_add(1);
}

Result<void> Scratch::for_each_object(
    const std::function<void(InodeNumber, uint64_t)>& visit) const {
  for (int i = 0; i < 256; ++i) {
    TRY_ASSIGN(const UniqueFd folder,
               posix::open_at(objects_.get(), fmt::format("{:02x}", i), O_RDONLY | O_DIRECTORY));
    TRY_ASSIGN(const auto names, posix::list_directory_fd(folder.get()));
    for (const std::string& name : names) {
      const auto inode = parse_object_name(name);
      if (!inode) continue;
      const auto st = posix::stat_at(folder.get(), name, AT_SYMLINK_NOFOLLOW);
      if (!st && st.error().is(std::errc::no_such_file_or_directory)) continue;
      if (!st) return st.error();
      visit(*inode, static_cast<uint64_t>(st->st_blocks) * 512);
    }
  }
  return {};
}

}  // namespace tierhub
