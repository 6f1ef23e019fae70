// Performing one operation, as one user, and telling what came of it.
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <fmt/format.h>
#include <grp.h>
#include <sched.h>
#include <time.h>

#include "common/hash.h"
#include "tests/e2e/conformance.h"
#include "tests/support/tree.h"

namespace tierhub::test::conformance {
namespace {

constexpr int64_t kReadMax = 4 << 20;
constexpr int64_t kContentMax = 64 << 20;  // larger files are compared by size

// The calls of libc would change the user of all threads.
class ActingAs {
 public:
  explicit ActingAs(User user) : root_(user == User::root) {
    if (root_) return;
    const uid_t uid = user == User::alice ? kAlice : user == User::bob ? kBob : kCarol;
    const gid_t groups[] = {kShared};
    check(::syscall(SYS_setgroups, user == User::carol ? 0 : 1, groups), "setgroups");
    check(::syscall(SYS_setresgid, -1, uid, -1), "setresgid");
    check(::syscall(SYS_setresuid, -1, uid, -1), "setresuid");
  }
  ~ActingAs() {
    if (root_) return;
    ::syscall(SYS_setresuid, -1, 0, -1);
    ::syscall(SYS_setresgid, -1, 0, -1);
    ::syscall(SYS_setgroups, 0, nullptr);
  }
  ActingAs(const ActingAs&) = delete;
  ActingAs& operator=(const ActingAs&) = delete;

 private:
  bool root_;
};

std::string failure() {
  const int error = errno;
  const char* name = ::strerrorname_np(error);
  return name != nullptr ? name : std::to_string(error);
}

std::string told(long result) { return result < 0 ? failure() : std::to_string(result); }

std::string hash_of(std::string_view bytes) {
  return checksum(std::as_bytes(std::span(bytes))).hex().substr(0, 12);
}

std::string stat_text(const struct stat& st) {
  std::string text =
      fmt::format("{:o} {}:{} links {}", st.st_mode, st.st_uid, st.st_gid, st.st_nlink);
  if (!S_ISDIR(st.st_mode)) text += fmt::format(" size {}", st.st_size);
  if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)) text += fmt::format(" device {:x}", st.st_rdev);
  return text;
}

std::string xattr_names(const std::string& path, std::vector<std::string>& names) {
  std::vector<char> list(65536);
  const ssize_t length = ::llistxattr(path.c_str(), list.data(), list.size());
  if (length < 0) return failure();
  for (const char* name = list.data(); name < list.data() + length; name += std::strlen(name) + 1)
    names.emplace_back(name);
  std::sort(names.begin(), names.end());
  return std::to_string(names.size());
}

std::string xattr_value(const std::string& path, const std::string& name) {
  std::string value(65536, '\0');
  const ssize_t size = ::lgetxattr(path.c_str(), name.c_str(), value.data(), value.size());
  if (size < 0) return failure();
  return fmt::format("{} {}", size, hash_of(value.substr(0, static_cast<size_t>(size))));
}

std::string read_text(int fd, int64_t offset, int64_t length) {
  std::string bytes(static_cast<size_t>(std::min(length, kReadMax)), '\0');
  const ssize_t n = ::pread(fd, bytes.data(), bytes.size(), offset);
  if (n < 0) return failure();
  return fmt::format("{} {}", n, hash_of(bytes.substr(0, static_cast<size_t>(n))));
}

std::string listing(const std::string& path) {
  std::vector<std::string> names;
  const UniqueFd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder) return failure();
  alignas(8) char buffer[32768];
  struct Entry {
    uint64_t inode;
    int64_t offset;
    uint16_t length;
    uint8_t type;
    char name[];
  };
  for (;;) {
    const long n = ::syscall(SYS_getdents64, folder.get(), buffer, sizeof buffer);
    if (n < 0) return failure();
    if (n == 0) break;
    for (long used = 0; used < n;) {
      const auto* entry = reinterpret_cast<const Entry*>(buffer + used);
      names.push_back(fmt::format("{}:{}", entry->name, entry->type));
      used += entry->length;
    }
  }
  std::sort(names.begin(), names.end());
  return fmt::format("{}", fmt::join(names, " "));
}

// 64 KiB at a time: is there anything but zeros in the range?
bool all_zero(int fd, int64_t begin, int64_t end) {
  std::string bytes(65536, '\0');
  while (begin < end) {
    const auto want = static_cast<size_t>(std::min<int64_t>(end - begin, 65536));
    const ssize_t n = ::pread(fd, bytes.data(), want, begin);
    if (n <= 0) return true;
    if (std::any_of(bytes.begin(), bytes.begin() + n, [](char c) { return c != 0; })) return false;
    begin += n;
  }
  return true;
}

std::string seek_text(int fd, int whence, int64_t offset) {
  struct stat st {};
  if (::fstat(fd, &st) < 0) return failure();
  // What a folder's bytes are is the file system's own affair.
  if (!S_ISREG(st.st_mode)) return "not a file";
  const int64_t found = ::lseek(fd, offset, whence);
  const bool beyond = found < 0 && errno == ENXIO;
  if (found < 0 && !beyond) return failure();
  if (offset < 0 || offset >= st.st_size) return beyond ? "ENXIO" : told(found);
  const int64_t place = beyond ? st.st_size : found;
  if (place < offset || place > st.st_size) return fmt::format("{} is out of the file", place);
  // Up to the data there must be nothing; a hole may begin anywhere, but what it skips to is not
  // asked here.
  if (whence == SEEK_DATA && !all_zero(fd, offset, place)) return "skipped over data";
  if (whence == SEEK_HOLE && beyond) return "no hole at the end";
  if (whence == SEEK_HOLE && place < st.st_size) {
    const int64_t data = ::lseek(fd, place, SEEK_DATA);
    if (!all_zero(fd, place, data < 0 ? st.st_size : data)) return "a hole with data in it";
  }
  return "consistent";
}

std::string map_and_write(int fd, const Op& op) {
  const int64_t page = 4096;
  const int64_t begin = op.offset / page * page;
  const auto size = static_cast<size_t>(op.offset + op.length - begin);
  void* const address = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, begin);
  if (address == MAP_FAILED) return failure();
  struct stat st {};
  std::string text = "mapped";
  // Beyond the end there is nothing to write to but a signal.
  if (::fstat(fd, &st) == 0 && st.st_size >= op.offset + op.length) {
    const std::string bytes = random_bytes(static_cast<uint64_t>(op.length), op.seed);
    std::memcpy(static_cast<char*>(address) + (op.offset - begin), bytes.data(), bytes.size());
    text = "mapped and written";
  }
  ::munmap(address, size);
  return text;
}

timespec to_timespec(int64_t ns) { return {ns / 1'000'000'000, ns % 1'000'000'000}; }

// Which times of a file changed; what is not there has none.
struct Times {
  bool exists = false;
  timespec mtime{};
  timespec ctime{};
};

Times times_of(const std::string& path) {
  struct stat st {};
  if (::lstat(path.c_str(), &st) < 0) return {};
  return {true, st.st_mtim, st.st_ctim};
}

bool same(const timespec& a, const timespec& b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

std::string changed(const char* what, const Times& before, const Times& after) {
  if (!before.exists || !after.exists) return "";
  std::string text;
  if (!same(before.mtime, after.mtime)) text += fmt::format(" {}.mtime", what);
  if (!same(before.ctime, after.ctime)) text += fmt::format(" {}.ctime", what);
  return text;
}

// Waits until a file system that stamps files by the clock's tick would use another stamp.
void next_tick() {
  timespec begin{}, now{};
  ::clock_gettime(CLOCK_REALTIME_COARSE, &begin);
  do {
    ::sched_yield();
    ::clock_gettime(CLOCK_REALTIME_COARSE, &now);
  } while (same(begin, now));
}

std::string folder_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

}  // namespace

void own_file_system_state() { check(::unshare(CLONE_FS), "unshare"); }

std::string acl(const std::vector<AclEntry>& entries) {
  std::string bytes("\2\0\0\0", 4);
  for (const AclEntry& entry : entries) {
    bytes.append(reinterpret_cast<const char*>(&entry.tag), sizeof entry.tag);
    bytes.append(reinterpret_cast<const char*>(&entry.permissions), sizeof entry.permissions);
    bytes.append(reinterpret_cast<const char*>(&entry.id), sizeof entry.id);
  }
  return bytes;
}

std::string Machine::perform(const Op& op) {
  if (!op.watch_times) return run(op);
  const std::string path = at(op.path);
  const Times file = times_of(path), folder = times_of(folder_of(path));
  next_tick();
  std::string outcome = run(op);
  outcome += changed("file", file, times_of(path));
  outcome += changed("folder", folder, times_of(folder_of(path)));
  return outcome;
}

std::string Machine::run(const Op& op) {
  if (op.call == Call::set_umask) {
    umask_ = op.mode;
    return "0";
  }
  const ActingAs acting(op.user);
  ::umask(umask_);
  for (auto part : {&Machine::run_on_file, &Machine::run_on_name, &Machine::run_on_attributes}) {
    std::string outcome = (this->*part)(op);
    if (!outcome.empty()) return outcome;
  }
  return "unknown call";
}

std::string Machine::run_on_file(const Op& op) {
  UniqueFd& file = files_[static_cast<size_t>(op.slot)];
  const int fd = file.get();
  switch (op.call) {
    case Call::open: {
      UniqueFd opened(
          ::open(at(op.path).c_str(), op.flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, op.mode));
      if (!opened) return failure();
      file = std::move(opened);
      return "0";
    }
    case Call::close:
      if (!file) return "EBADF";
      file.reset();
      return "0";
    case Call::write: {
      const std::string bytes = random_bytes(static_cast<uint64_t>(op.length), op.seed);
      return told(::pwrite(fd, bytes.data(), bytes.size(), op.offset));
    }
    case Call::append: {
      const std::string bytes = random_bytes(static_cast<uint64_t>(op.length), op.seed);
      if (::lseek(fd, 0, SEEK_END) < 0) return failure();
      return told(::write(fd, bytes.data(), bytes.size()));
    }
    case Call::read:
      return read_text(fd, op.offset, op.length);
    case Call::ftruncate:
      return told(::ftruncate(fd, op.length));
    case Call::fallocate:
      return told(::fallocate(fd, op.flags, op.offset, op.length));
    case Call::map_write:
      return map_and_write(fd, op);
    case Call::copy_range: {
      off_t from = op.offset, to = op.to_offset;
      return told(::copy_file_range(fd, &from, files_[static_cast<size_t>(op.other_slot)].get(),
                                    &to, static_cast<size_t>(op.length), 0));
    }
    case Call::seek:
      return seek_text(fd, static_cast<int>(op.mode), op.offset);
    case Call::sync:
      return told(op.flags != 0 ? ::fdatasync(fd) : ::fsync(fd));
    case Call::flock:
      return told(::flock(fd, op.flags | LOCK_NB));
    case Call::lock_range: {
      struct flock lock {};
      lock.l_type = static_cast<short>(op.mode);
      lock.l_whence = SEEK_SET;
      lock.l_start = op.offset;
      lock.l_len = op.length;
      return told(::fcntl(fd, F_OFD_SETLK, &lock));
    }
    case Call::fchmod:
      return told(::fchmod(fd, op.mode));
    case Call::stat_open_file: {
      struct stat st {};
      return ::fstat(fd, &st) < 0 ? failure() : stat_text(st);
    }
    case Call::link_open_file:
      return told(::linkat(AT_FDCWD, fmt::format("/proc/self/fd/{}", fd).c_str(), AT_FDCWD,
                           at(op.other).c_str(), AT_SYMLINK_FOLLOW));
    default:
      return "";
  }
}

std::string Machine::run_on_name(const Op& op) {
  const std::string path = at(op.path);
  switch (op.call) {
    case Call::truncate:
      return told(::truncate(path.c_str(), op.length));
    case Call::rename:
      return told(::renameat2(AT_FDCWD, path.c_str(), AT_FDCWD, at(op.other).c_str(),
                              static_cast<unsigned>(op.flags)));
    case Call::link:
      return told(::link(path.c_str(), at(op.other).c_str()));
    case Call::unlink:
      return told(::unlink(path.c_str()));
    case Call::mkdir:
      return told(::mkdir(path.c_str(), op.mode));
    case Call::rmdir:
      return told(::rmdir(path.c_str()));
    case Call::symlink:
      return told(::symlink(op.other.c_str(), path.c_str()));
    case Call::readlink: {
      char target[4097] = {};
      return ::readlink(path.c_str(), target, sizeof target - 1) < 0 ? failure() : target;
    }
    case Call::mknod:
      return told(::mknod(path.c_str(), op.mode, 0x103));
    case Call::list:
      return listing(path);
    case Call::read_all: {
      const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
      return file ? read_text(file.get(), 0, kReadMax) : failure();
    }
    default:
      return "";
  }
}

std::string Machine::run_on_attributes(const Op& op) {
  const std::string path = at(op.path);
  switch (op.call) {
    case Call::chmod:
      return told(::chmod(path.c_str(), op.mode));
    case Call::chown:
      return told(::chown(path.c_str(), op.uid, op.gid));
    case Call::lchown:
      return told(::lchown(path.c_str(), op.uid, op.gid));
    case Call::set_times: {
      const timespec times[2] = {to_timespec(op.atime_ns), to_timespec(op.mtime_ns)};
      if (::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW) < 0) return failure();
      struct stat st {};
      if (::lstat(path.c_str(), &st) < 0) return failure();
      return fmt::format("{}.{:09} {}.{:09}", st.st_atim.tv_sec, st.st_atim.tv_nsec,
                         st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
    }
    case Call::set_xattr:
      return told(
          ::lsetxattr(path.c_str(), op.other.c_str(), op.value.data(), op.value.size(), op.flags));
    case Call::get_xattr:
      return xattr_value(path, op.other);
    case Call::list_xattrs: {
      std::vector<std::string> names;
      const std::string count = xattr_names(path, names);
      return fmt::format("{} {}", count, fmt::join(names, " "));
    }
    case Call::remove_xattr:
      return told(::lremovexattr(path.c_str(), op.other.c_str()));
    case Call::stat: {
      struct stat st {};
      return ::lstat(path.c_str(), &st) < 0 ? failure() : stat_text(st);
    }
    case Call::access:
      return told(::faccessat(AT_FDCWD, path.c_str(), static_cast<int>(op.mode), AT_EACCESS));
    default:
      return "";
  }
}

std::map<std::string, std::string> Machine::tree() const {
  namespace fs = std::filesystem;
  std::map<std::string, std::string> tree;
  std::map<ino_t, std::string> first_names;
  std::vector<std::string> paths{""};
  for (const auto& entry : fs::recursive_directory_iterator(root_))
    paths.push_back(entry.path().lexically_relative(root_));
  std::sort(paths.begin(), paths.end());
  for (const std::string& path : paths) {
    struct stat st {};
    check(::lstat(at(path).c_str(), &st), "stat " + at(path));
    std::string text = stat_text(st);
    if (S_ISREG(st.st_mode) && st.st_size <= kContentMax)
      text += " content " + hash_of(read_file(at(path)));
    if (S_ISLNK(st.st_mode)) text += " -> " + fs::read_symlink(at(path)).string();
    if (!S_ISDIR(st.st_mode)) {
      const auto [first, is_first] = first_names.emplace(st.st_ino, path);
      if (!is_first) text += " same as " + first->second;
    }
    std::vector<std::string> names;
    xattr_names(at(path), names);
    for (const std::string& name : names)
      text += fmt::format(" {}={}", name, xattr_value(at(path), name));
    tree[path] = std::move(text);
  }
  return tree;
}

}  // namespace tierhub::test::conformance
