#include "storage/archive/capabilities.h"

#include <array>
#include <cerrno>
#include <random>
#include <utility>

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <fmt/format.h>
#include <stdio.h>

#include "common/posix.h"

namespace tierhub {
namespace {

constexpr long kXfs = 0x58465342;
constexpr long kZfs = 0x2fc12fc1;
constexpr long kFuse = 0x65735546;
constexpr long kCifs = 0xFF534D42;
constexpr long kSmb2 = 0xFE534D42;
constexpr long kCeph = 0x00c36400;
constexpr long kExfat = 0x2011BAB0;

std::string name_of(long type) {
  static constexpr std::array kNames = {std::pair{long{EXT4_SUPER_MAGIC}, "ext4"},
                                        std::pair{kXfs, "xfs"},
                                        std::pair{long{BTRFS_SUPER_MAGIC}, "btrfs"},
                                        std::pair{long{TMPFS_MAGIC}, "tmpfs"},
                                        std::pair{long{NFS_SUPER_MAGIC}, "nfs"},
                                        std::pair{long{OVERLAYFS_SUPER_MAGIC}, "overlay"},
                                        std::pair{kZfs, "zfs"},
                                        std::pair{kFuse, "fuse"},
                                        std::pair{kCifs, "cifs"},
                                        std::pair{kSmb2, "smb"},
                                        std::pair{kCeph, "ceph"}};
  for (const auto& [known, name] : kNames) {
    if (known == (type & 0xffffffff)) return name;
  }
  return fmt::format("{:#x}", type & 0xffffffff);
}

// File handles that name the same file for as long as it lives. FUSE's are numbers that its server
// may give to another file later; SMB and overlays make theirs up.
bool has_lasting_handles(long type) {
  type &= 0xffffffff;
  return type != kFuse && type != kCifs && type != kSmb2 && type != OVERLAYFS_SUPER_MAGIC;
}

// FAT has no ctime, and its inodes in memory make one up; what a FUSE or SMB server tells for it is
// its own affair; that of an overlay moves when a file is copied up.
bool has_lasting_ctime(long type) {
  type &= 0xffffffff;
  return has_lasting_handles(type) && type != MSDOS_SUPER_MAGIC && type != kExfat;
}

// The folder in which things are tried out; removed with all that it holds when the probe ends.
class ProbeFolder {
 public:
  static Result<ProbeFolder> make(int parent_fd) {
    std::random_device random;
    const std::string name = fmt::format("probe-{}-{:08x}", ::getpid(), random());
    TRY(posix::make_directory_at(parent_fd, name, 0700));
    TRY_ASSIGN(UniqueFd fd, posix::open_at(parent_fd, name, O_RDONLY | O_DIRECTORY));
    return ProbeFolder(parent_fd, name, std::move(fd));
  }
  ProbeFolder(ProbeFolder&&) = default;
  ~ProbeFolder() {
    if (!fd_) return;
    if (const auto names = posix::list_directory_fd(fd())) {
      for (const std::string& name : *names) ::unlinkat(fd(), name.c_str(), 0);
    }
    ::unlinkat(parent_fd_, name_.c_str(), AT_REMOVEDIR);
  }

  int fd() const { return fd_.get(); }
  Result<UniqueFd> make_file(const std::string& name) const {
    return posix::open_at(fd(), name, O_RDWR | O_CREAT | O_EXCL, 0600);
  }
  bool has(const std::string& name) const {
    return ::faccessat(fd(), name.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
  }

 private:
  ProbeFolder(int parent_fd, std::string name, UniqueFd fd)
      : parent_fd_(parent_fd), name_(std::move(name)), fd_(std::move(fd)) {}

  int parent_fd_;
  std::string name_;
  UniqueFd fd_;
};

// Whoever is not root cannot give files away; root can, unless the server maps it to nobody.
bool can_change_owner(int fd) {
  constexpr uid_t kSomeoneElse = 1;
  return ::fchown(fd, kSomeoneElse, kSomeoneElse) == 0;
}

bool holds_acls(int fd) {
  const ssize_t n = ::fgetxattr(fd, "system.posix_acl_access", nullptr, 0);
  return n >= 0 || errno == ENODATA;
}

void probe_renames(const ProbeFolder& folder, ArchiveCapabilities& found) {
  if (!folder.make_file("a") || !folder.make_file("b")) return;
  found.rename_noreplace =
      posix::rename_at(folder.fd(), "a", folder.fd(), "c", RENAME_NOREPLACE).has_value() &&
      !posix::rename_at(folder.fd(), "c", folder.fd(), "b", RENAME_NOREPLACE).has_value();
  const std::string other = folder.has("c") ? "c" : "a";
  found.rename_exchange =
      posix::rename_at(folder.fd(), other, folder.fd(), "b", RENAME_EXCHANGE).has_value();
}

CloneMethod probe_clone(const ProbeFolder& folder, long type) {
  constexpr size_t kProbeBytes = 64 << 10;
  type &= 0xffffffff;
  const auto from = folder.make_file("clone-from");
  const auto to = folder.make_file("clone-to");
  const std::string bytes(kProbeBytes, 'x');
  if (!from || !to || !posix::write_all(from->get(), bytes)) return CloneMethod::none;
  if (::ioctl(to->get(), FICLONE, from->get()) == 0) return CloneMethod::reflink;
  off_t at = 0;
  const ssize_t n = ::copy_file_range(from->get(), &at, to->get(), nullptr, kProbeBytes, 0);
  if (n != static_cast<ssize_t>(kProbeBytes)) return CloneMethod::none;
  const bool is_served = type == NFS_SUPER_MAGIC || type == kCifs || type == kSmb2 || type == kCeph;
  return is_served ? CloneMethod::server_copy : CloneMethod::local_copy;
}

IdentityKind probe_identity(int fd, long type) {
  if (!has_lasting_handles(type)) return IdentityKind::inode_and_birth_time;
  const auto found = statx_fd(fd, Freshness::cached);
  if (!found || !version_of(fd, *found, IdentityKind::handle)) {
    return IdentityKind::inode_and_birth_time;
  }
  return IdentityKind::handle;
}

}  // namespace

Result<ArchiveCapabilities> capabilities_unprobed(int folder_fd) {
  ArchiveCapabilities found;
  struct statfs type {};
  if (::fstatfs(folder_fd, &type) < 0) return Error::from_errno(errno, "statfs");
  found.file_system = name_of(type.f_type);
  found.identity = probe_identity(folder_fd, type.f_type);
  found.lasting_ctime = has_lasting_ctime(type.f_type);
  // The kernel sends FUSE servers no syncfs.
  found.sync_file_system = (type.f_type & 0xffffffff) != kFuse;
  TRY_ASSIGN(const struct statx folder_stat, statx_fd(folder_fd, Freshness::cached));
  found.birth_time = (folder_stat.stx_mask & STATX_BTIME) != 0;
  return found;
}

Result<ArchiveCapabilities> probe_capabilities(int folder_fd) {
  TRY_ASSIGN(ArchiveCapabilities found, capabilities_unprobed(folder_fd));
  auto folder = ProbeFolder::make(folder_fd);
  if (!folder && folder.error().is(std::errc::read_only_file_system)) return found;
  if (!folder) return folder.error();
  TRY_ASSIGN(const UniqueFd file, folder->make_file("file"));
  found.writable = true;
  found.user_xattrs = ::fsetxattr(file.get(), "user.tierhub.probe", "1", 1, 0) == 0;
  found.posix_acls = holds_acls(file.get());
  found.hard_links = ::linkat(folder->fd(), "file", folder->fd(), "link", 0) == 0;
  found.symlinks = ::symlinkat("nowhere", folder->fd(), "symlink") == 0;
  found.special_files = ::mknodat(folder->fd(), "fifo", S_IFIFO | 0600, 0) == 0;
  found.case_sensitive = !folder->has("FILE");
  probe_renames(*folder, found);
  struct statfs type {};
  if (::fstatfs(folder_fd, &type) == 0) found.clone = probe_clone(*folder, type.f_type);
  found.change_owner = can_change_owner(file.get());
  return found;
}

std::vector<std::string> ArchiveCapabilities::limits() const {
  std::vector<std::string> result;
  const auto unless = [&](bool held, const char* sentence) {
    if (!held) result.emplace_back(sentence);
  };
  unless(writable, "The archive is read-only: changes wait in scratch.");
  if (!writable) return result;
  unless(user_xattrs, "The archive stores no extended attributes: they are kept in the catalog.");
  unless(posix_acls, "The archive stores no POSIX ACLs: they are kept in the catalog.");
  unless(change_owner,
         "The archive does not allow owners to be changed: they are kept in the catalog.");
  unless(hard_links, "The archive has no hard links: files with several names are not published.");
  unless(symlinks, "The archive has no symbolic links: they are kept in the catalog.");
  unless(special_files, "The archive has no special files: they are kept in the catalog.");
  unless(case_sensitive,
         "The archive ignores case in names: of two names that differ only in case, the second one "
         "is not published.");
  unless(rename_exchange,
         "The archive cannot exchange two names: while a file is replaced its name is missing "
         "briefly.");
  unless(identity == IdentityKind::handle || birth_time,
         "The archive provides neither file handles nor birth times: a file is identified only by "
         "its inode number, size and time.");
  unless(lasting_ctime,
         "The archive has no reliable ctime: a change made there goes unnoticed if it keeps the "
         "size and the mtime of a file.");
  unless(
      sync_file_system,
      "The archive cannot be synced as a whole: every file is synced on its own, which is slower.");
  unless(clone == CloneMethod::reflink || clone == CloneMethod::server_copy,
         "The archive cannot clone files: after a small change to a large file, the whole file is "
         "sent.");
  return result;
}

}  // namespace tierhub
