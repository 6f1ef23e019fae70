#include "fusefs/kernel/passthrough.h"

#include <cerrno>

#include "common/log.h"
#include "fusefs/kernel/kernel_layout.h"

namespace tierhub {

using namespace fuse_abi;

Result<int32_t> register_backing(int device_fd, int object_fd) {
  BackingMap map{object_fd, 0, 0};
  const int id = ::ioctl(device_fd, kBackingOpen, &map);
  if (id > 0) return id;
  switch (errno) {
    case EPERM:
      return Error::from_errno(EPERM, "passthrough needs CAP_SYS_ADMIN: run tierd as root");
    case ELOOP:
      return Error::from_errno(
          ELOOP, "passthrough needs scratch on a plain file system, not on overlayfs or FUSE");
    default:
      return Error::from_errno(errno, "register a scratch object for passthrough");
  }
}

void unregister_backing(int device_fd, int32_t backing_id) {
  auto id = static_cast<uint32_t>(backing_id);
  if (::ioctl(device_fd, kBackingClose, &id) < 0 && errno != ENODEV) {
    log::warning("a passthrough registration could not be removed",
                 {{"backing_id", backing_id}, {"error", Error::from_errno(errno, "ioctl").text()}});
  }
}

void close_unused_backing(int device_fd, int32_t backing_id) {
  auto id = static_cast<uint32_t>(backing_id);
  static_cast<void>(::ioctl(device_fd, kBackingClose, &id));
}

}  // namespace tierhub
