#include "hub/login/accounts.h"

#include <cerrno>

#include <pwd.h>

namespace tierhub::hub {

// https://www.man7.org/linux/man-pages/man3/getpwnam.3.html, "ERRORS"
bool means_not_found(int error) {
  return error == 0 || error == ENOENT || error == ESRCH || error == EBADF || error == EPERM;
}

AccountState look_up_account(const std::string& name, uint32_t uid) {
  errno = 0;
  const passwd* entry = ::getpwnam(name.c_str());
  if (entry != nullptr) return entry->pw_uid == uid ? AccountState::same : AccountState::another;
  if (!means_not_found(errno)) return AccountState::unknown;
  errno = 0;
  entry = ::getpwuid(uid);
  if (entry != nullptr) return entry->pw_name == name ? AccountState::same : AccountState::another;
  return means_not_found(errno) ? AccountState::not_found : AccountState::unknown;
}

}  // namespace tierhub::hub
