#include "storage/archive/entry.h"

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string_view>

#include <fcntl.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/bytes.h"
#include "common/posix.h"

namespace tierhub {
namespace {

constexpr uint32_t kPermissionBits = 07777;
constexpr uint32_t kSetIdBits = S_ISUID | S_ISGID;
constexpr const char* kCapabilityXattr = "security.capability";

// Of linux/stat.h, which does not go together with sys/stat.h. Kernels before 6.8 do not know the
// flag and give the number of the mount, which may be used again after it is gone.
constexpr unsigned kUniqueMountId = 0x4000;
constexpr size_t kMountIdOffset = 0x90;
static_assert(kMountIdOffset == offsetof(struct statx, stx_dev_minor) + sizeof(uint32_t));

FileKind kind_of(uint16_t mode) {
  switch (mode & S_IFMT) {
    case S_IFDIR:
      return FileKind::directory;
    case S_IFLNK:
      return FileKind::symlink;
    case S_IFIFO:
      return FileKind::fifo;
    case S_IFSOCK:
      return FileKind::socket;
    case S_IFCHR:
      return FileKind::character_device;
    case S_IFBLK:
      return FileKind::block_device;
    default:
      return FileKind::file;
  }
}

Timestamp time_of(const struct statx_timestamp& t) {
  return Timestamp::from({t.tv_sec, t.tv_nsec});
}

Result<std::string> handle_bytes(int fd) {
  alignas(file_handle) char storage[sizeof(file_handle) + MAX_HANDLE_SZ];
  auto* handle = reinterpret_cast<file_handle*>(storage);
  handle->handle_bytes = MAX_HANDLE_SZ;
  int mount_id = 0;
  if (::name_to_handle_at(fd, "", handle, &mount_id, AT_EMPTY_PATH) < 0) {
    return Error::from_errno(errno, "file handle");
  }
  const std::string_view bytes(reinterpret_cast<const char*>(handle->f_handle),
                               handle->handle_bytes);
  return ByteWriter().u32(static_cast<uint32_t>(handle->handle_type)).raw(bytes).take();
}

uint8_t tag_of(const IdentityScheme& scheme) {
  if (scheme.file_system.empty()) return static_cast<uint8_t>(scheme.kind);
  const bool handle = scheme.kind == IdentityKind::handle;
  return static_cast<uint8_t>(handle ? kNestedHandleTag : kNestedInodeTag);
}

Result<std::optional<Entry>> entry_or_none(Result<UniqueFd> fd) {
  if (!fd && is_missing(fd.error())) return std::optional<Entry>();
  if (!fd) return fd.error();
  return std::optional<Entry>(Entry(*std::move(fd)));
}

bool is_carried(std::string_view name) {
  return name.starts_with("user.") || name.starts_with("security.") ||
         name.starts_with("system.posix_acl_");
}

// Calls `read_into(buffer, size)`, as getxattr(2) and listxattr(2) are called, with a buffer that
// is large enough; one call suffices for nearly all, and on a slow archive each costs a round trip.
// Errors: as errno.
template <class Read>
tl::expected<std::string, int> read_whole(const Read& read_into) {
  constexpr size_t kUsual = 4096;
  constexpr size_t kMost = 65536;  // XATTR_LIST_MAX and XATTR_SIZE_MAX
  for (const size_t size : {kUsual, kMost}) {
    std::string bytes(size, '\0');
    const ssize_t n = read_into(bytes.data(), size);
    if (n < 0 && errno == ERANGE) continue;
    if (n < 0) return tl::unexpected(errno);
    bytes.resize(static_cast<size_t>(n));
    return bytes;
  }
  return tl::unexpected(ERANGE);
}

// none: it is gone, or may not be read.
Result<std::optional<std::string>> xattr_value(const std::string& path, const std::string& name) {
  const auto value = read_whole([&](char* buffer, size_t size) {
    return ::getxattr(path.c_str(), name.c_str(), buffer, size);
  });
  if (value) return std::optional(*value);
  switch (value.error()) {
    case ENODATA:
    case EACCES:
    case EPERM:
    case EOPNOTSUPP:
      return std::optional<std::string>();
    default:
      return Error::from_errno(value.error(), "getxattr " + name);
  }
}

bool has_room(int fd) {
  constexpr uint64_t kRoomBytes = 1 << 20;
  struct statvfs space {};
  return ::fstatvfs(fd, &space) == 0 && space.f_bavail * space.f_frsize > kRoomBytes;
}

// True if errno says that this file system cannot hold this attribute, now or ever. ext4 answers
// ENOSPC to an attribute that does not fit beside the others, however much room the disk has.
bool cannot_hold(int fd, int code) {
  switch (code) {
    case EOPNOTSUPP:
    case EPERM:
    case E2BIG:
    case ERANGE:
      return true;
    case ENOSPC:
      return has_room(fd);
    default:
      return false;
  }
}

}  // namespace

std::string proc_path(int fd) { return fmt::format("/proc/self/fd/{}", fd); }

int statx_flags(Freshness freshness) {
  switch (freshness) {
    case Freshness::remembered:
      return AT_STATX_DONT_SYNC;
    case Freshness::cached:
      return AT_STATX_SYNC_AS_STAT;
    case Freshness::exact:
      return AT_STATX_FORCE_SYNC;
  }
  return AT_STATX_FORCE_SYNC;
}

Result<struct statx> statx_fd(int fd, Freshness freshness) {
  struct statx found {};
  constexpr unsigned kWanted = STATX_BASIC_STATS | STATX_BTIME | kUniqueMountId;
  if (::statx(fd, "", AT_EMPTY_PATH | statx_flags(freshness), kWanted, &found) < 0) {
    return Error::from_errno(errno, "stat");
  }
  return found;
}

Attributes attributes_of(const struct statx& found) {
  Attributes a;
  a.kind = kind_of(found.stx_mode);
  a.mode = found.stx_mode & kPermissionBits;
  a.uid = found.stx_uid;
  a.gid = found.stx_gid;
  a.rdev = makedev(found.stx_rdev_major, found.stx_rdev_minor);
  a.size_bytes = found.stx_size;
  a.atime = time_of(found.stx_atime);
  a.mtime = time_of(found.stx_mtime);
  a.ctime = time_of(found.stx_ctime);
  if ((found.stx_mask & STATX_BTIME) != 0) a.btime = time_of(found.stx_btime);
  return a;
}

MountKey mount_key_of(const struct statx& found) {
  MountKey key;
  key.device = makedev(found.stx_dev_major, found.stx_dev_minor);
  std::memcpy(&key.mount, reinterpret_cast<const char*>(&found) + kMountIdOffset, sizeof key.mount);
  return key;
}

bool is_mounted_when_entered(const struct statx& found) {
  return S_ISDIR(found.stx_mode) && (found.stx_attributes & STATX_ATTR_AUTOMOUNT) != 0;
}

Result<ArchiveVersion> version_of(int fd, const struct statx& found, const IdentityScheme& scheme) {
  ArchiveVersion version;
  version.attributes = attributes_of(found);
  version.nlink = found.stx_nlink;
  version.device = makedev(found.stx_dev_major, found.stx_dev_minor);
  const bool is_file = version.attributes.kind == FileKind::file;
  if (is_file && scheme.ctime == IdentityScheme::Ctime::lasting)
    version.content_ctime = version.attributes.ctime;
  ByteWriter identity;
  identity.u8(tag_of(scheme)).u64(found.stx_ino).raw(file_system_bytes(scheme.file_system));
  switch (scheme.kind) {
    case IdentityKind::handle: {
      TRY_ASSIGN(const std::string handle, handle_bytes(fd));
      identity.raw(handle);
      break;
    }
    case IdentityKind::inode_and_birth_time:
      identity.i64(version.attributes.btime.ns);
      break;
  }
  version.identity.bytes = identity.take();
  return version;
}

std::optional<uint64_t> inode_number_of(const Identity& identity) {
  ByteReader reader(identity.bytes);
  reader.u8();
  const uint64_t number = reader.u64();
  return reader.ok() ? std::optional(number) : std::nullopt;
}

Result<std::optional<Entry>> Entry::open(int folder_fd, const std::string& leaf) {
  return entry_or_none(posix::open_at(folder_fd, leaf, O_PATH | O_NOFOLLOW));
}

Result<std::optional<Entry>> Entry::open_beneath(int root_fd, const std::string& path) {
  return entry_or_none(posix::open_beneath(root_fd, path, O_PATH | O_NOFOLLOW));
}

Result<std::optional<Entry>> Entry::enter(int root_fd, const std::string& path) {
  return entry_or_none(posix::open_beneath(root_fd, path, O_PATH | O_NOFOLLOW | O_DIRECTORY));
}

Result<ArchiveVersion> Entry::version(const IdentityScheme& scheme, Freshness freshness) const {
  TRY_ASSIGN(const struct statx found, statx_fd(fd(), freshness));
  return version_of(fd(), found, scheme);
}

Result<std::string> Entry::symlink_target() const {
  std::string target(4096, '\0');
  const ssize_t n = ::readlinkat(fd(), "", target.data(), target.size());
  if (n < 0) return Error::from_errno(errno, "readlink");
  target.resize(static_cast<size_t>(n));
  return target;
}

// The names of all extended attributes; empty where the file system has none.
Result<std::string> Entry::xattr_names() const {
  const auto names = read_whole([&](char* buffer, size_t size) {
    return access_ == Access::opened ? ::flistxattr(fd(), buffer, size)
                                     : ::listxattr(proc_path(fd()).c_str(), buffer, size);
  });
  if (names) return *names;
  if (names.error() == EOPNOTSUPP) return std::string();
  return Error::from_errno(names.error(), "listxattr");
}

Result<Xattrs> Entry::xattrs() const {
  Xattrs result;
  TRY_ASSIGN(const std::string names, xattr_names());
  if (names.empty()) return result;
  const std::string path = proc_path(fd());
  for (size_t at = 0; at < names.size();) {
    const std::string name = names.c_str() + at;
    at += name.size() + 1;
    if (!is_carried(name)) continue;
    TRY_ASSIGN(auto value, xattr_value(path, name));
    if (value) result.emplace(name, *std::move(value));
  }
  return result;
}

Result<void> Entry::apply_xattrs(FileKind kind, const Xattrs& wanted,
                                 AttributeShortfall& shortfall) const {
  TRY_ASSIGN(const Xattrs present, xattrs());
  if (present.empty() && wanted.empty()) return {};
  const std::string path = proc_path(fd());
  for (const auto& [name, value] : present) {
    if (!archive_holds_xattr(kind, name) || wanted.contains(name)) continue;
    if (::removexattr(path.c_str(), name.c_str()) < 0 && errno != ENODATA) {
      if (!cannot_hold(fd(), errno)) return Error::from_errno(errno, "removexattr " + name);
      shortfall.xattrs = true;
    }
  }
  for (const auto& [name, value] : wanted) {
    if (!archive_holds_xattr(kind, name)) continue;
    const auto it = present.find(name);
    // chown drops capabilities without telling, so they are set again in any case.
    if (it != present.end() && it->second == value && name != kCapabilityXattr) continue;
    if (::setxattr(path.c_str(), name.c_str(), value.data(), value.size(), 0) < 0) {
      if (!cannot_hold(fd(), errno)) return Error::from_errno(errno, "setxattr " + name);
      shortfall.xattrs = true;
    }
  }
  return {};
}

Result<AttributeShortfall> Entry::apply(const Attributes& attributes, const Xattrs& wanted) const {
  AttributeShortfall shortfall;
  TRY_ASSIGN(const struct statx found, statx_fd(fd(), Freshness::cached));
  // The owner first: a change of owner clears set-uid, set-gid and capabilities.
  if (found.stx_uid != attributes.uid || found.stx_gid != attributes.gid) {
    if (::fchownat(fd(), "", attributes.uid, attributes.gid, AT_EMPTY_PATH) < 0) {
      if (errno != EPERM && errno != EINVAL && errno != EOPNOTSUPP) {
        return Error::from_errno(errno, "chown");
      }
      shortfall.owner = true;
    }
  }
  if (!S_ISLNK(found.stx_mode)) {
    TRY(apply_xattrs(kind_of(found.stx_mode), wanted, shortfall));
    // A file that could not get its owner must not run with the rights of whoever owns it instead.
    const uint32_t mode = shortfall.owner ? attributes.mode & ~kSetIdBits : attributes.mode;
    const int changed = access_ == Access::opened
                            ? ::fchmod(fd(), mode & kPermissionBits)
                            : ::chmod(proc_path(fd()).c_str(), mode & kPermissionBits);
    if (changed < 0) {
      if (errno != EPERM && errno != EOPNOTSUPP) return Error::from_errno(errno, "chmod");
      shortfall.owner = true;
    }
  }
  const timespec times[2] = {attributes.atime.to_timespec(), attributes.mtime.to_timespec()};
  if (::utimensat(fd(), "", times, AT_EMPTY_PATH) < 0) return Error::from_errno(errno, "set times");
  return shortfall;
}

}  // namespace tierhub
