// Random sequences: few names, few files, several users, so that operations meet each other.
#include <random>

#include <linux/falloc.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <stdio.h>

#include "tests/e2e/conformance.h"

namespace tierhub::test::conformance {
namespace {

constexpr int64_t kMaxSize = 200'000;

class Generator {
 public:
  explicit Generator(uint64_t seed) : random_(seed) {}

  Op next() {
    Op op = make(static_cast<Call>(pick(kCalls)));
    op.seed = random_();
    op.watch_times = one_in(50);
    // What root may do says little about others; what others may not do says little at all.
    if (op.call != Call::close && one_in(2)) op.user = static_cast<User>(1 + pick(3));
    return op;
  }

  // What reads, changes and keeps open the content of a few files.
  Op next_of_content() {
    Op op = make_of_content(pick(20));
    op.seed = random_();
    // By a rename other files get the name: their times say nothing.
    op.watch_times = op.call != Call::rename && one_in(10);
    return op;
  }

 private:
  int pick(int count) { return std::uniform_int_distribution<int>(0, count - 1)(random_); }
  bool one_in(int count) { return pick(count) == 0; }
  template <class T>
  T of(std::initializer_list<T> values) {
    return *(values.begin() + pick(static_cast<int>(values.size())));
  }
  int slot() { return pick(kSlots); }
  int64_t place() { return one_in(3) ? pick(50) * 4096 : pick(kMaxSize); }
  int64_t size() { return one_in(3) ? 1 + pick(10) * 4096 : 1 + pick(20'000); }
  uint32_t mode() {
    return of<uint32_t>({0644, 0666, 0600, 0777, 0750, 0640, 06777, 02775, 01777, 0});
  }
  std::string folder() { return of<const char*>({"", "", "d/", "e/", "d/e/", "acl/", "group/"}); }
  std::string path() { return folder() + of<const char*>({"a", "b", "c", "d", "e", "f"}); }
  std::string xattr() { return of<const char*>({"user.a", "user.b", "trusted.a", "security.a"}); }
  std::string list_value() {
    const auto bits = [&] { return static_cast<uint16_t>(pick(8)); };
    std::vector<AclEntry> entries{{kAclOwner, static_cast<uint16_t>(bits() | 6)}};
    const bool more = !one_in(4);
    if (more) entries.push_back({kAclUser, bits(), of({kAlice, kBob, kCarol})});
    entries.push_back({kAclGroupOwner, bits()});
    if (more && one_in(2)) entries.push_back({kAclGroup, bits(), kShared});
    if (more) entries.push_back({kAclMask, bits()});
    entries.push_back({kAclOther, bits()});
    return acl(entries);
  }

  std::string content_path() { return of<const char*>({"a", "b", "c"}); }
  int content_slot() { return pick(3); }
  Op make_of_content(int kind) {
    switch (kind) {
      case 0:
      case 1:
      case 2:
        return open(content_slot(), content_path(),
                    of({O_RDWR, O_RDWR, O_RDONLY, O_RDWR | O_APPEND, O_RDWR | O_SYNC,
                        O_RDWR | O_TRUNC, O_RDONLY | O_TRUNC}) |
                        O_CREAT,
                    0644);
      case 3:
      case 4:
      case 5:
        return close(content_slot());
      case 6:
      case 7:
        return write(content_slot(), place(), size());
      case 8:
        return append(content_slot(), size());
      case 9:
      case 10:
        return read(content_slot(), place(), size());
      case 11:
        return read_all(content_path());
      case 12:
        return truncate(content_path(), place());
      case 13:
        return ftruncate(content_slot(), place());
      case 14:
      case 15:
        return fallocate(content_slot(), fallocate_mode(), place(), size());
      case 16:
        return map_write(content_slot(), place(), size());
      case 17:
        return copy_range(content_slot(), place(), content_slot(), place(), size());
      case 18:
        return seek(content_slot(), of({SEEK_DATA, SEEK_HOLE}), place());
      default:
        return rename(content_path(), content_path(), of<int>({0, RENAME_EXCHANGE}));
    }
  }

  Op make(Call call) {
    switch (call) {
      case Call::open:
        return open_something();
      case Call::close:
        return one_in(3) ? close(slot()) : open_something();
      case Call::write:
        return write(slot(), place(), size());
      case Call::append:
        return append(slot(), size());
      case Call::read:
        return read(slot(), place(), size());
      case Call::truncate:
        return truncate(path(), place());
      case Call::ftruncate:
        return ftruncate(slot(), place());
      case Call::fallocate:
        return fallocate(slot(), fallocate_mode(), place(), size());
      case Call::rename:
        return rename(path(), path(), of<int>({0, 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE}));
      case Call::link:
        return link(path(), path());
      case Call::link_open_file:
        return link_open_file(slot(), path());
      case Call::unlink:
        return unlink(path());
      case Call::mkdir:
        return mkdir(one_in(2) ? path() : of<const char*>({"d", "e", "d/e"}), mode());
      case Call::rmdir:
        return rmdir(path());
      case Call::symlink:
        return symlink(of<const char*>({"a", "d", "../a", "none"}), path());
      case Call::readlink:
        return readlink(path());
      case Call::mknod:
        return mknod(path(), of<uint32_t>({S_IFIFO, S_IFSOCK, S_IFREG}) | (mode() & 0777));
      case Call::chmod:
        return chmod(path(), mode());
      case Call::fchmod:
        return fchmod(slot(), mode());
      case Call::chown:
        return chown(path(), owner(), group());
      case Call::lchown:
        return lchown(path(), owner(), group());
      case Call::set_times:
        return set_times(path(), time(), time());
      case Call::set_xattr:
        return set_some_xattr();
      case Call::get_xattr:
        return get_xattr(path(), one_in(3) ? kAccessAcl : xattr());
      case Call::list_xattrs:
        return list_xattrs(path());
      case Call::remove_xattr:
        return remove_xattr(path(), of<std::string>({xattr(), xattr(), kAccessAcl, kDefaultAcl}));
      case Call::map_write:
        return map_write(slot(), place(), size());
      case Call::copy_range:
        return copy_range(slot(), place(), slot(), place(), size());
      case Call::seek:
        return seek(slot(), of({SEEK_DATA, SEEK_HOLE}), place());
      case Call::sync:
        return sync(slot());
      case Call::flock:
        return flock(slot(), of<int>({LOCK_SH, LOCK_EX, LOCK_UN}));
      case Call::lock_range:
        return lock_range(slot(), of<int>({F_RDLCK, F_WRLCK, F_UNLCK}), pick(100), pick(100));
      case Call::list:
        return list(one_in(2) ? path() : of<const char*>({"", "d", "e", "d/e"}));
      case Call::stat:
        return stat(path());
      case Call::stat_open_file:
        return stat_open_file(slot());
      case Call::access:
        return access(path(), 1 + pick(7));
      case Call::set_umask:
        return set_umask(of<uint32_t>({0, 022, 027, 077}));
      case Call::read_all:
        return read_all(path());
    }
    return stat("");
  }

  Op open_something() {
    if (one_in(8))
      return open(slot(), folder() + ".", O_TMPFILE | of({O_RDWR, O_WRONLY}), mode() & 0777);
    int flags = of({O_RDWR, O_RDWR, O_RDONLY, O_WRONLY});
    if (!one_in(3)) flags |= O_CREAT;
    if (one_in(4)) flags |= O_TRUNC;
    if (one_in(4)) flags |= O_EXCL & (flags & O_CREAT ? ~0 : 0);
    if (one_in(4)) flags |= O_APPEND;
    if (one_in(10)) flags |= of({O_SYNC, O_DSYNC});
    if (one_in(10)) flags |= O_NOFOLLOW;
    return open(slot(), path(), flags, mode() & 0777);
  }
  int fallocate_mode() {
    return of({0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
               FALLOC_FL_ZERO_RANGE, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE});
  }
  Op set_some_xattr() {
    if (one_in(4)) return set_xattr(path(), kAccessAcl, list_value());
    if (one_in(4))
      return set_xattr(of<const char*>({"d", "e", "acl", "d/e"}), kDefaultAcl, list_value());
    return set_xattr(path(), xattr(), std::string(static_cast<size_t>(pick(200)), 'v'),
                     of<int>({0, 0, XATTR_CREATE, XATTR_REPLACE}));
  }
  uint32_t owner() { return of<uint32_t>({0, kAlice, kBob, kCarol, UINT32_MAX}); }
  uint32_t group() { return of<uint32_t>({0, kShared, kShared, kAlice, UINT32_MAX}); }
  int64_t time() { return static_cast<int64_t>(random_() % 2'000'000'000'000'000'000); }

  std::mt19937_64 random_;
};

}  // namespace

std::vector<Op> random_sequence(uint64_t seed, size_t steps) {
  // Where several users meet: a folder that is sticky, one that gives its group, one that gives a
  // list.
  std::vector<Op> ops{mkdir("d"),
                      chmod("d", 01777),
                      mkdir("e"),
                      chown("e", kAlice, kShared),
                      chmod("e", 0775),
                      mkdir("group"),
                      chown("group", kBob, kShared),
                      chmod("group", 02777),
                      mkdir("acl"),
                      chmod("acl", 0777),
                      set_xattr("acl", kDefaultAcl,
                                acl({{kAclOwner, 7},
                                     {kAclUser, 6, kAlice},
                                     {kAclGroupOwner, 5},
                                     {kAclMask, 7},
                                     {kAclOther, 5}}))};
  Generator generator(seed);
  while (ops.size() < steps) ops.push_back(generator.next());
  for (int slot = 0; slot < kSlots; ++slot) ops.push_back(close(slot));
  return ops;
}

std::vector<Op> random_content_sequence(uint64_t seed, size_t steps) {
  Generator generator(seed);
  std::vector<Op> ops;
  while (ops.size() < steps) ops.push_back(generator.next_of_content());
  for (int slot = 0; slot < kSlots; ++slot) ops.push_back(close(slot));
  return ops;
}

}  // namespace tierhub::test::conformance
