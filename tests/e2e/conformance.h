// The same operations on a folder of the native file system and on the mount: what they return, and
// what they leave behind, must be the same. A Machine performs operations below its root and tells
// the outcome as text that two file systems can be compared by: no inode numbers, no times of day,
// no order of a listing.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/types.h>

#include "common/unique_fd.h"

namespace tierhub::test::conformance {

// Who performs an operation. alice and bob are of the group `kShared`; carol is of no group of
// theirs.
enum class User { root, alice, bob, carol };
inline constexpr uid_t kAlice = 60001;
inline constexpr uid_t kBob = 60002;
inline constexpr uid_t kCarol = 60003;
inline constexpr gid_t kShared = 60010;

enum class Call {
  open,
  close,
  write,
  append,
  read,
  truncate,
  ftruncate,
  fallocate,
  rename,
  link,
  link_open_file,
  unlink,
  mkdir,
  rmdir,
  symlink,
  readlink,
  mknod,
  chmod,
  fchmod,
  chown,
  lchown,
  set_times,
  set_xattr,
  get_xattr,
  list_xattrs,
  remove_xattr,
  map_write,
  copy_range,
  seek,
  sync,
  flock,
  lock_range,
  list,
  stat,
  stat_open_file,
  access,
  set_umask,
  read_all,
};
inline constexpr int kCalls = static_cast<int>(Call::read_all) + 1;
const char* name_of(Call call);

inline constexpr int kSlots = 8;  // of open files

// One operation. Which members count depends on `call`; see the makers below.
struct Op {
  Call call = Call::stat;
  User user = User::root;
  std::string path;
  std::string other;  // second path, link target, or name of an extended attribute
  std::string value;  // of an extended attribute
  int slot = 0;
  int other_slot = 0;
  int flags = 0;
  uint32_t mode = 0;  // also the umask, the range lock's type, SEEK_DATA or SEEK_HOLE
  uint32_t uid = 0;
  uint32_t gid = 0;
  int64_t offset = 0;
  int64_t length = 0;
  uint64_t seed = 0;  // of the bytes that are written
  int64_t atime_ns = 0;
  int64_t mtime_ns = 0;
  int64_t to_offset = 0;  // of copy_range
  // Which times of `path` and of its folder changed is part of the outcome.
  bool watch_times = false;

  Op as(User who) const {
    Op op = *this;
    op.user = who;
    return op;
  }
  Op watched() const {
    Op op = *this;
    op.watch_times = true;
    return op;
  }
};
std::string describe(const Op& op);

// Makers for sequences that are written by hand.
Op open(int slot, const std::string& path, int flags, uint32_t mode = 0644);
Op close(int slot);
Op write(int slot, int64_t offset, int64_t length);
Op append(int slot, int64_t length);
Op read(int slot, int64_t offset, int64_t length);
Op truncate(const std::string& path, int64_t length);
Op ftruncate(int slot, int64_t length);
Op fallocate(int slot, int mode, int64_t offset, int64_t length);
Op rename(const std::string& from, const std::string& to, int flags = 0);
Op link(const std::string& from, const std::string& to);
Op link_open_file(int slot, const std::string& to);
Op unlink(const std::string& path);
Op mkdir(const std::string& path, uint32_t mode = 0755);
Op rmdir(const std::string& path);
Op symlink(const std::string& target, const std::string& path);
Op readlink(const std::string& path);
Op mknod(const std::string& path, uint32_t mode);
Op chmod(const std::string& path, uint32_t mode);
Op fchmod(int slot, uint32_t mode);
Op chown(const std::string& path, uint32_t uid, uint32_t gid);
Op lchown(const std::string& path, uint32_t uid, uint32_t gid);
Op set_times(const std::string& path, int64_t atime_ns, int64_t mtime_ns);
Op set_xattr(const std::string& path, const std::string& name, const std::string& value,
             int flags = 0);
Op get_xattr(const std::string& path, const std::string& name);
Op list_xattrs(const std::string& path);
Op remove_xattr(const std::string& path, const std::string& name);
// A shared mapping of an open file, written and unmapped.
Op map_write(int slot, int64_t offset, int64_t length);
Op copy_range(int from, int64_t offset, int to, int64_t to_offset, int64_t length);
// `whence`: SEEK_DATA or SEEK_HOLE. A file system may show fewer holes than there are; it may not
// show one where there is data.
Op seek(int slot, int whence, int64_t offset);
Op sync(int slot);
Op flock(int slot, int operation);
// F_OFD_SETLK; `type`: F_RDLCK, F_WRLCK, F_UNLCK.
Op lock_range(int slot, int type, int64_t offset, int64_t length);
Op list(const std::string& path);
Op stat(const std::string& path);
Op stat_open_file(int slot);
Op access(const std::string& path, int mode);
Op set_umask(uint32_t mask);
Op read_all(const std::string& path);
// A file with content, made with open, write, close by way of slot 7.
std::vector<Op> make_file(const std::string& path, int64_t size, uint32_t mode = 0644);

// An access control list as the kernel shows it, version 2; entries of tag, permissions and id.
struct AclEntry {
  uint16_t tag;
  uint16_t permissions;
  uint32_t id = UINT32_MAX;
};
inline constexpr uint16_t kAclOwner = 0x01, kAclUser = 0x02, kAclGroupOwner = 0x04;
inline constexpr uint16_t kAclGroup = 0x08, kAclMask = 0x10, kAclOther = 0x20;
inline constexpr const char* kAccessAcl = "system.posix_acl_access";
inline constexpr const char* kDefaultAcl = "system.posix_acl_default";
std::string acl(const std::vector<AclEntry>& entries);

class Machine {
 public:
  explicit Machine(std::string root) : root_(std::move(root)) {}

  // By the calling thread, whose effective user and umask are changed meanwhile; umask and file
  // system information must not be shared with other threads (see own_file_system_state).
  std::string perform(const Op& op);
  // The whole tree below the root, by path.
  std::map<std::string, std::string> tree() const;

 private:
  std::string at(const std::string& path) const {
    return path.empty() ? root_ : root_ + "/" + path;
  }
  std::string run(const Op& op);
  std::string run_on_file(const Op& op);
  std::string run_on_name(const Op& op);
  std::string run_on_attributes(const Op& op);

  std::string root_;
  std::array<UniqueFd, kSlots> files_;
  mode_t umask_ = 022;
};

// Gives the calling thread a umask of its own.
void own_file_system_state();

struct Difference {
  size_t step = 0;
  std::string text;
};
// Performs the sequence on both machines side by side, and compares each outcome, and at the end
// the trees. `counts`: how often each call ran, and how often it succeeded. `before_each` is called
// before each operation of the mount.
struct Count {
  uint64_t ran = 0;
  uint64_t succeeded = 0;
};
using Counts = std::array<Count, kCalls>;
std::vector<Difference> compare(Machine& native, Machine& mount, const std::vector<Op>& ops,
                                Counts& counts, const std::function<void()>& before_each);

// Sequences written by hand: what programs do, and the edges.
struct Case {
  std::string name;
  std::vector<Op> ops;
};
const std::vector<Case>& cases();

// The same for the same seed.
std::vector<Op> random_sequence(uint64_t seed, size_t steps);
// The same, of the content of a few files alone, which are opened and closed all the time.
std::vector<Op> random_content_sequence(uint64_t seed, size_t steps);

}  // namespace tierhub::test::conformance
