// Mounts without root, by the set-user-id program fusermount3 of the package fuse3.
#pragma once

#include <string>

#include "common/result.h"
#include "common/unique_fd.h"

namespace tierhub {

// `options` as for fusermount3 -o, separated by commas. Returns /dev/fuse of the new session.
Result<UniqueFd> mount_as_user(const std::string& mount_point, const std::string& options);

enum class UserUnmount {
  now,     // errc::device_or_resource_busy while files are open
  lazily,  // the mount goes at once, what is open stays
};
Result<void> unmount_as_user(const std::string& mount_point, UserUnmount how);

// The administrator lets users open their mounts to others (/etc/fuse.conf).
bool users_may_allow_others();

}  // namespace tierhub
