#include "mirror.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <dirent.h>
#include <stdio.h>

namespace tierhub::slowfs {
namespace {

std::string path_of(int fd) { return "/proc/self/fd/" + std::to_string(fd); }
int file_of(const fuse_file_info* info) { return static_cast<int>(info->fh); }

void reply(fuse_req_t request, int rc) { fuse_reply_err(request, rc < 0 ? errno : 0); }

bool refused(fuse_req_t request, int fault) {
  if (fault != 0) fuse_reply_err(request, fault);
  return fault != 0;
}

void reply_entry(fuse_req_t request, fuse_ino_t parent, const char* name) {
  fuse_entry_param entry{};
  const int code = Mirror::of(request).enter(parent, name, &entry);
  if (code != 0) {
    fuse_reply_err(request, code);
  } else {
    fuse_reply_entry(request, &entry);
  }
}

void reply_attributes(fuse_req_t request, int fd) {
  struct stat st {};
  if (::fstatat(fd, "", &st, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0) {
    fuse_reply_err(request, errno);
  } else {
    fuse_reply_attr(request, &st, 0);
  }
}

void init(void*, fuse_conn_info* connection) {
  connection->max_background = UINT16_MAX;
  connection->congestion_threshold = UINT16_MAX;
  connection->want &= ~static_cast<unsigned>(FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO);
}

void lookup(fuse_req_t request, fuse_ino_t parent, const char* name) {
  Mirror::of(request).begin();
  reply_entry(request, parent, name);
}

void forget(fuse_req_t request, fuse_ino_t number, uint64_t lookups) {
  Mirror::of(request).forget(number, lookups);
  fuse_reply_none(request);
}

void forget_multi(fuse_req_t request, size_t count, fuse_forget_data* forgets) {
  for (size_t i = 0; i < count; ++i) Mirror::of(request).forget(forgets[i].ino, forgets[i].nlookup);
  fuse_reply_none(request);
}

void getattr(fuse_req_t request, fuse_ino_t number, fuse_file_info*) {
  Mirror::of(request).begin();
  reply_attributes(request, Mirror::of(request).fd_of(number));
}

timespec time_to_set(int valid, int set, int set_now, const timespec& time) {
  if ((valid & set_now) != 0) return {0, UTIME_NOW};
  if ((valid & set) != 0) return time;
  return {0, UTIME_OMIT};
}

int set_attributes(int fd, const struct stat& wanted, int valid) {
  const std::string path = path_of(fd);
  if ((valid & FUSE_SET_ATTR_MODE) != 0 && ::chmod(path.c_str(), wanted.st_mode) < 0) return -1;
  if ((valid & (FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID)) != 0) {
    const uid_t uid = (valid & FUSE_SET_ATTR_UID) != 0 ? wanted.st_uid : static_cast<uid_t>(-1);
    const gid_t gid = (valid & FUSE_SET_ATTR_GID) != 0 ? wanted.st_gid : static_cast<gid_t>(-1);
    if (::fchownat(fd, "", uid, gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0) return -1;
  }
  if ((valid & FUSE_SET_ATTR_SIZE) != 0 && ::truncate(path.c_str(), wanted.st_size) < 0) return -1;
  if ((valid & (FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME)) != 0) {
    const timespec times[2] = {
        time_to_set(valid, FUSE_SET_ATTR_ATIME, FUSE_SET_ATTR_ATIME_NOW, wanted.st_atim),
        time_to_set(valid, FUSE_SET_ATTR_MTIME, FUSE_SET_ATTR_MTIME_NOW, wanted.st_mtim)};
    if (::utimensat(fd, "", times, AT_EMPTY_PATH) < 0) return -1;
  }
  return 0;
}

void setattr(fuse_req_t request, fuse_ino_t number, struct stat* wanted, int valid,
             fuse_file_info*) {
  if (refused(request, Mirror::of(request).begin().of_change())) return;
  const int fd = Mirror::of(request).fd_of(number);
  if (set_attributes(fd, *wanted, valid) < 0) {
    fuse_reply_err(request, errno);
  } else {
    reply_attributes(request, fd);
  }
}

void readlink(fuse_req_t request, fuse_ino_t number) {
  Mirror::of(request).begin();
  std::vector<char> target(PATH_MAX + 1);
  const ssize_t n = ::readlinkat(Mirror::of(request).fd_of(number), "", target.data(), PATH_MAX);
  if (n < 0) {
    fuse_reply_err(request, errno);
  } else {
    fuse_reply_readlink(request, target.data());
  }
}

// As whoever asks; the kernel has checked that they may.
void give_to_caller(fuse_req_t request, int folder, const char* name) {
  const fuse_ctx* caller = fuse_req_ctx(request);
  [[maybe_unused]] const int rc =
      ::fchownat(folder, name, caller->uid, caller->gid, AT_SYMLINK_NOFOLLOW);
}

void mknod(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode, dev_t device) {
  if (refused(request, Mirror::of(request).begin().of_growth())) return;
  const int folder = Mirror::of(request).fd_of(parent);
  if (::mknodat(folder, name, mode, device) < 0) return reply(request, -1);
  give_to_caller(request, folder, name);
  reply_entry(request, parent, name);
}

void mkdir(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode) {
  if (refused(request, Mirror::of(request).begin().of_growth())) return;
  const int folder = Mirror::of(request).fd_of(parent);
  if (::mkdirat(folder, name, mode) < 0) return reply(request, -1);
  give_to_caller(request, folder, name);
  reply_entry(request, parent, name);
}

void symlink(fuse_req_t request, const char* target, fuse_ino_t parent, const char* name) {
  if (refused(request, Mirror::of(request).begin().of_growth())) return;
  const int folder = Mirror::of(request).fd_of(parent);
  if (::symlinkat(target, folder, name) < 0) return reply(request, -1);
  give_to_caller(request, folder, name);
  reply_entry(request, parent, name);
}

void unlink(fuse_req_t request, fuse_ino_t parent, const char* name) {
  if (refused(request, Mirror::of(request).begin().of_change())) return;
  reply(request, ::unlinkat(Mirror::of(request).fd_of(parent), name, 0));
}

void rmdir(fuse_req_t request, fuse_ino_t parent, const char* name) {
  if (refused(request, Mirror::of(request).begin().of_change())) return;
  reply(request, ::unlinkat(Mirror::of(request).fd_of(parent), name, AT_REMOVEDIR));
}

void rename(fuse_req_t request, fuse_ino_t parent, const char* name, fuse_ino_t new_parent,
            const char* new_name, unsigned flags) {
  const Mirror& mirror = Mirror::of(request);
  if (refused(request, mirror.begin().of_change())) return;
  reply(request,
        ::renameat2(mirror.fd_of(parent), name, mirror.fd_of(new_parent), new_name, flags));
}

void link(fuse_req_t request, fuse_ino_t number, fuse_ino_t parent, const char* name) {
  const Mirror& mirror = Mirror::of(request);
  if (refused(request, mirror.begin().of_growth())) return;
  const std::string path = path_of(mirror.fd_of(number));
  if (::linkat(AT_FDCWD, path.c_str(), mirror.fd_of(parent), name, AT_SYMLINK_FOLLOW) < 0) {
    return reply(request, -1);
  }
  reply_entry(request, parent, name);
}

void open(fuse_req_t request, fuse_ino_t number, fuse_file_info* info) {
  const Faults faults = Mirror::of(request).begin();
  const bool writes = (info->flags & (O_ACCMODE | O_TRUNC)) != O_RDONLY;
  if (writes && refused(request, faults.of_change())) return;
  const std::string path = path_of(Mirror::of(request).fd_of(number));
  const int fd = ::open(path.c_str(), (info->flags & ~O_NOFOLLOW) | O_CLOEXEC);
  if (fd < 0) return reply(request, -1);
  info->fh = static_cast<uint64_t>(fd);
  info->direct_io = 1;
  fuse_reply_open(request, info);
}

void create(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode,
            fuse_file_info* info) {
  Mirror& mirror = Mirror::of(request);
  if (refused(request, mirror.begin().of_growth())) return;
  const int folder = mirror.fd_of(parent);
  const int fd = ::openat(folder, name, (info->flags | O_CREAT | O_CLOEXEC) & ~O_NOFOLLOW, mode);
  if (fd < 0) return reply(request, -1);
  give_to_caller(request, folder, name);
  fuse_entry_param entry{};
  if (const int code = mirror.enter(parent, name, &entry); code != 0) {
    ::close(fd);
    fuse_reply_err(request, code);
    return;
  }
  info->fh = static_cast<uint64_t>(fd);
  info->direct_io = 1;
  fuse_reply_create(request, &entry, info);
}

void read(fuse_req_t request, fuse_ino_t number, size_t size, off_t offset, fuse_file_info* info) {
  const Faults faults = Mirror::of(request).begin();
  const std::string name = Mirror::of(request).name_of(number);
  if (refused(request, faults.of_read(name, static_cast<uint64_t>(offset), size))) return;
  Mirror::of(request).take_turn(faults, size);
  std::vector<char> bytes(size);
  const ssize_t n = ::pread(file_of(info), bytes.data(), size, offset);
  if (n < 0) return reply(request, -1);
  faults.damage(name, static_cast<uint64_t>(offset), bytes.data(), static_cast<uint64_t>(n));
  fuse_reply_buf(request, bytes.data(), static_cast<size_t>(n));
}

void write(fuse_req_t request, fuse_ino_t number, const char* bytes, size_t size, off_t offset,
           fuse_file_info* info) {
  Mirror& mirror = Mirror::of(request);
  const Faults faults = mirror.begin();
  const int fault = faults.of_write(mirror.name_of(number), static_cast<uint64_t>(offset), size);
  if (refused(request, fault)) return;
  mirror.take_turn(faults, size);
  const ssize_t n = ::pwrite(file_of(info), bytes, size, offset);
  if (n < 0) return reply(request, -1);
  fuse_reply_write(request, static_cast<size_t>(n));
}

void flush(fuse_req_t request, fuse_ino_t, fuse_file_info*) {
  Mirror::of(request).begin();
  fuse_reply_err(request, 0);
}

void release(fuse_req_t request, fuse_ino_t, fuse_file_info* info) {
  ::close(file_of(info));
  fuse_reply_err(request, 0);
}

void fsync(fuse_req_t request, fuse_ino_t number, int data_only, fuse_file_info* info) {
  const Faults faults = Mirror::of(request).begin();
  if (refused(request, faults.of_sync(Mirror::of(request).name_of(number)))) return;
  reply(request, data_only != 0 ? ::fdatasync(file_of(info)) : ::fsync(file_of(info)));
}

void fallocate(fuse_req_t request, fuse_ino_t, int mode, off_t offset, off_t length,
               fuse_file_info* info) {
  if (refused(request, Mirror::of(request).begin().of_growth())) return;
  reply(request, ::fallocate(file_of(info), mode, offset, length));
}

void lseek(fuse_req_t request, fuse_ino_t, off_t offset, int whence, fuse_file_info* info) {
  Mirror::of(request).begin();
  const off_t found = ::lseek(file_of(info), offset, whence);
  if (found < 0) return reply(request, -1);
  fuse_reply_lseek(request, found);
}

DIR* folder_of(const fuse_file_info* info) { return reinterpret_cast<DIR*>(info->fh); }

void opendir(fuse_req_t request, fuse_ino_t number, fuse_file_info* info) {
  Mirror::of(request).begin();
  const int fd =
      ::openat(Mirror::of(request).fd_of(number), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return reply(request, -1);
  info->fh = reinterpret_cast<uint64_t>(::fdopendir(fd));
  fuse_reply_open(request, info);
}

void readdir(fuse_req_t request, fuse_ino_t, size_t size, off_t offset, fuse_file_info* info) {
  Mirror::of(request).begin();
  DIR* folder = folder_of(info);
  ::seekdir(folder, offset);
  std::vector<char> page(size);
  size_t used = 0;
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(folder);
    if (entry == nullptr && errno != 0 && used == 0) return reply(request, -1);
    if (entry == nullptr) break;
    struct stat st {};
    st.st_ino = entry->d_ino;
    st.st_mode = static_cast<mode_t>(entry->d_type) << 12;
    const size_t needed = fuse_add_direntry(request, page.data() + used, size - used, entry->d_name,
                                            &st, entry->d_off);
    if (needed > size - used) break;
    used += needed;
  }
  fuse_reply_buf(request, page.data(), used);
}

void releasedir(fuse_req_t request, fuse_ino_t, fuse_file_info* info) {
  ::closedir(folder_of(info));
  fuse_reply_err(request, 0);
}

void fsyncdir(fuse_req_t request, fuse_ino_t, int, fuse_file_info* info) {
  Mirror::of(request).begin();
  reply(request, ::fsync(::dirfd(folder_of(info))));
}

void statfs(fuse_req_t request, fuse_ino_t number) {
  Mirror::of(request).begin();
  struct statvfs space {};
  if (::fstatvfs(Mirror::of(request).fd_of(number), &space) < 0) return reply(request, -1);
  fuse_reply_statfs(request, &space);
}

void setxattr(fuse_req_t request, fuse_ino_t number, const char* name, const char* value,
              size_t size, int flags) {
  if (refused(request, Mirror::of(request).begin().of_growth())) return;
  reply(request,
        ::setxattr(path_of(Mirror::of(request).fd_of(number)).c_str(), name, value, size, flags));
}

void removexattr(fuse_req_t request, fuse_ino_t number, const char* name) {
  if (refused(request, Mirror::of(request).begin().of_change())) return;
  reply(request, ::removexattr(path_of(Mirror::of(request).fd_of(number)).c_str(), name));
}

// Answers with the value, or with its size if `size` is 0.
template <class Read>
void reply_xattr(fuse_req_t request, size_t size, const Read& read_into) {
  Mirror::of(request).begin();
  std::vector<char> value(size);
  const ssize_t n = read_into(value.data(), size);
  if (n < 0) return reply(request, -1);
  if (size == 0) {
    fuse_reply_xattr(request, static_cast<size_t>(n));
  } else {
    fuse_reply_buf(request, value.data(), static_cast<size_t>(n));
  }
}

void getxattr(fuse_req_t request, fuse_ino_t number, const char* name, size_t size) {
  const std::string path = path_of(Mirror::of(request).fd_of(number));
  reply_xattr(request, size, [&](char* value, size_t room) {
    return ::getxattr(path.c_str(), name, value, room);
  });
}

void listxattr(fuse_req_t request, fuse_ino_t number, size_t size) {
  const std::string path = path_of(Mirror::of(request).fd_of(number));
  reply_xattr(request, size,
              [&](char* names, size_t room) { return ::listxattr(path.c_str(), names, room); });
}

}  // namespace

Mirror::Mirror(UniqueFd backing, std::chrono::nanoseconds delay, std::string fault_file)
    : delay_(delay), fault_file_(std::move(fault_file)) {
  root_.fd = std::move(backing);
}

Faults Mirror::begin() const {
  Faults faults = Faults::read(fault_file_);
  const std::chrono::nanoseconds delay = faults.delay() ? *faults.delay() : delay_;
  const timespec time{delay.count() / 1'000'000'000, delay.count() % 1'000'000'000};
  ::nanosleep(&time, nullptr);
  return faults;
}

void Mirror::take_turn(const Faults& faults, uint64_t bytes) {
  if (faults.rate() == 0) return;
  const std::chrono::nanoseconds takes(bytes * 1'000'000'000 / faults.rate());
  std::chrono::steady_clock::time_point end;
  {
    const std::lock_guard lock(turn_mutex_);
    next_turn_ = std::max(next_turn_, std::chrono::steady_clock::now()) + takes;
    end = next_turn_;
  }
  std::this_thread::sleep_until(end);
}

std::string Mirror::name_of(fuse_ino_t number) const {
  std::vector<char> path(PATH_MAX);
  const ssize_t n = ::readlink(path_of(fd_of(number)).c_str(), path.data(), path.size());
  const std::string_view whole(path.data(), n < 0 ? 0 : static_cast<size_t>(n));
  return std::string(whole.substr(whole.rfind('/') + 1));
}

int Mirror::fd_of(fuse_ino_t number) const {
  return number == FUSE_ROOT_ID ? root_.fd.get() : reinterpret_cast<const Node*>(number)->fd.get();
}

int Mirror::enter(fuse_ino_t parent, const char* name, fuse_entry_param* entry) {
  UniqueFd fd(::openat(fd_of(parent), name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return errno;
  if (::fstatat(fd.get(), "", &entry->attr, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0) return errno;
  const std::pair<uint64_t, uint64_t> key(entry->attr.st_dev, entry->attr.st_ino);
  std::lock_guard lock(mutex_);
  Node*& node = nodes_[key];
  if (node == nullptr) node = new Node{std::move(fd), key, 0};
  ++node->lookups;
  entry->ino = reinterpret_cast<fuse_ino_t>(node);
  return 0;
}

void Mirror::forget(fuse_ino_t number, uint64_t lookups) {
  if (number == FUSE_ROOT_ID) return;
  auto* node = reinterpret_cast<Node*>(number);
  std::lock_guard lock(mutex_);
  node->lookups -= lookups;
  if (node->lookups > 0) return;
  nodes_.erase(node->key);
  delete node;
}

const fuse_lowlevel_ops& operations() {
  static const fuse_lowlevel_ops table = [] {
    fuse_lowlevel_ops ops{};
    ops.init = init;
    ops.lookup = lookup;
    ops.forget = forget;
    ops.forget_multi = forget_multi;
    ops.getattr = getattr;
    ops.setattr = setattr;
    ops.readlink = readlink;
    ops.mknod = mknod;
    ops.mkdir = mkdir;
    ops.symlink = symlink;
    ops.unlink = unlink;
    ops.rmdir = rmdir;
    ops.rename = rename;
    ops.link = link;
    ops.open = open;
    ops.create = create;
    ops.read = read;
    ops.write = write;
    ops.flush = flush;
    ops.release = release;
    ops.fsync = fsync;
    ops.fallocate = fallocate;
    ops.lseek = lseek;
    ops.opendir = opendir;
    ops.readdir = readdir;
    ops.releasedir = releasedir;
    ops.fsyncdir = fsyncdir;
    ops.statfs = statfs;
    ops.setxattr = setxattr;
    ops.getxattr = getxattr;
    ops.listxattr = listxattr;
    ops.removexattr = removexattr;
    return ops;
  }();
  return table;
}

}  // namespace tierhub::slowfs
