// One entry of the archive, held open by an O_PATH descriptor: whatever happens to its name in the
// meantime, everything that is read and set concerns the same file. Symbolic links are entries
// themselves and never followed.
#pragma once

#include <optional>
#include <string>

#include <sys/stat.h>

#include "catalog/records.h"
#include "common/result.h"
#include "common/unique_fd.h"
#include "storage/archive/archive.h"
#include "storage/archive/file_system_id.h"

namespace tierhub {

// Of what Identity::bytes is made. In both cases a tag byte and the inode number (8 bytes,
// big-endian) come first. In a nested file system the tag is the capital letter, and the id of the
// file system (16 bytes) comes next: handles and inode numbers are those of one file system.
enum class IdentityKind : uint8_t {
  handle = 'h',                // then the file handle: it has a generation
  inode_and_birth_time = 'i',  // then the birth time, 0 where the file system has none
};
inline constexpr char kNestedHandleTag = 'H';
inline constexpr char kNestedInodeTag = 'I';

// How the files of one file system are told from each other, and from those of others.
struct IdentityScheme {
  // lasting: a version has it as `content_ctime`.
  enum class Ctime { lasting, unreliable };
  IdentityScheme(IdentityKind kind_) : kind(kind_) {}
  IdentityScheme(IdentityKind kind_, FileSystemId file_system_, uint64_t device_, Ctime ctime_)
      : kind(kind_), file_system(std::move(file_system_)), device(device_), ctime(ctime_) {}
  IdentityKind kind;
  FileSystemId file_system;
  uint64_t device = 0;  // st_dev of its files; 0: not looked at
  Ctime ctime = Ctime::unreliable;
};

// Where a file is in the tree of mounts. Two folders with the same are in one file system: names
// can be moved and linked between them.
struct MountKey {
  uint64_t device = 0;
  uint64_t mount = 0;
  auto operator<=>(const MountKey&) const = default;
};

// How a network file system may answer: with whatever it has in memory, however old; from memory as
// it does for `stat`; or only after it has asked its server.
enum class Freshness { remembered, cached, exact };
int statx_flags(Freshness freshness);

// What of an entry's attributes the archive did not take.
struct AttributeShortfall {
  bool owner = false;
  bool xattrs = false;
};

class Entry {
 public:
  // none: nothing has that name.
  static Result<std::optional<Entry>> open(int folder_fd, const std::string& leaf);
  // Resolves below `root_fd`. none also if a folder on the way is missing or not a folder.
  static Result<std::optional<Entry>> open_beneath(int root_fd, const std::string& path);
  // Of a folder: what is mounted there, or the kernel mounts when somebody goes in.
  static Result<std::optional<Entry>> enter(int root_fd, const std::string& path);
  // Any descriptor of the entry. `opened`: for reading or writing, so that no call has to go by way
  // of a path.
  enum class Access { by_path, opened };
  explicit Entry(UniqueFd fd, Access access = Access::by_path)
      : fd_(std::move(fd)), access_(access) {}

  int fd() const { return fd_.get(); }
  Result<ArchiveVersion> version(const IdentityScheme& scheme, Freshness freshness) const;
  Result<std::string> symlink_target() const;
  // user.*, security.* and system.posix_acl_* as far as they can be read. Links and special files
  // have none.
  Result<Xattrs> xattrs() const;
  // Owner, extended attributes, mode and times, in the order in which none undoes another. `xattrs`
  // become the only ones. What the file system cannot hold is left out and reported.
  Result<AttributeShortfall> apply(const Attributes& attributes, const Xattrs& xattrs) const;

 private:
  Result<void> apply_xattrs(FileKind kind, const Xattrs& wanted,
                            AttributeShortfall& shortfall) const;

  Result<std::string> xattr_names() const;

  UniqueFd fd_;
  Access access_;
};

// statx of a descriptor, with the birth time.
Result<struct statx> statx_fd(int fd, Freshness freshness);
Attributes attributes_of(const struct statx& found);
MountKey mount_key_of(const struct statx& found);
// A folder of a network file system on which the kernel mounts another one when somebody goes in.
bool is_mounted_when_entered(const struct statx& found);
// `fd` is needed for the handle only.
Result<ArchiveVersion> version_of(int fd, const struct statx& found, const IdentityScheme& scheme);
// The inode number in an identity; none if the identity is malformed.
std::optional<uint64_t> inode_number_of(const Identity& identity);
// The way to name a descriptor to calls that take only a path.
std::string proc_path(int fd);

}  // namespace tierhub
