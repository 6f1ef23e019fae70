#include "catalog/ballast.h"

#include <fcntl.h>

#include "common/posix.h"

namespace tierhub {

bool Ballast::arm() {
  MutexLock lock(mutex_);
  if (armed_) return true;
  if (size_bytes_ == 0) return false;
  if (!take()) {
    static_cast<void>(posix::unlink_at(AT_FDCWD, path_));
    return false;
  }
  armed_ = true;
  return true;
}

bool Ballast::take() {
  const auto fd = posix::open_at(AT_FDCWD, path_, O_RDWR | O_CREAT, 0600);
  if (!fd.has_value()) return false;
  const auto st = posix::stat_fd(fd->get());
  const auto disk = posix::statvfs_fd(fd->get());
  if (!st.has_value() || !disk.has_value()) return false;
  const uint64_t held_bytes = static_cast<uint64_t>(st->st_blocks) * 512;
  if (held_bytes >= size_bytes_) return true;  // by the last process
  const uint64_t free_bytes = disk->f_bavail * disk->f_frsize;
  if (free_bytes + held_bytes < 2 * size_bytes_) return false;
  return ::fallocate(fd->get(), 0, 0, static_cast<off_t>(size_bytes_)) == 0;
}

bool Ballast::release() {
  MutexLock lock(mutex_);
  if (!armed_) return false;
  armed_ = false;
  return posix::unlink_at(AT_FDCWD, path_).has_value();
}

}  // namespace tierhub
