// Becoming a person: what a program started by root needs before it may act for a user. A program
// that is to run as a user is started by spawn() (common/spawn.h), which does all of it in order.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/result.h"

namespace tierhub {

// What a process needs to become a user.
struct Account {
  uint32_t uid = 0;
  uint32_t gid = 0;
  std::vector<uint32_t> groups = {};  // with gid
  std::string name = {};
  std::string home = {};
};

// The user's name in the system's user database; none if there is no such user. Any thread. May
// ask the network (sssd, winbind).
Result<std::optional<std::string>> find_user_name(uint32_t uid);

// The user and all groups, as the system's databases have them. A user without an account has no
// groups; the gid is `file_gid` if that is the same number as `uid` and no group of that number
// exists, else "nogroup". Any thread. May ask the network.
Result<Account> find_account(uint32_t uid, uint32_t file_gid);

// HOME, USER and LOGNAME of the account; PATH and LANG of this process, or Debian's. Nothing else
// of this process's environment, which may hold secrets.
std::vector<std::string> environment_of(const Account& account);

// An error that says what to do if become() could not become this user: only root can become
// another one.
Result<void> may_become(const Account& account);

// Makes the whole process that user, for good, in this order:
//
//   1. the groups, while root may still set them: a process that forgets this keeps root's groups;
//   2. the gid, real, effective and saved, for the same reason before the uid;
//   3. the uid, real, effective and saved, upon which the kernel clears all capabilities: there is
//      no way back;
//   4. no new privileges: no set-uid program, sudo for instance, gives any back.
//
// A process of that user without root's rights keeps its groups and changes nothing. After an
// error the process is neither one nor the other: it must end.
//
// The uid, gid and groups of all threads change (glibc sees to that), no_new_privs only for the
// calling thread: call it in a child process between fork and exec, or before there are other
// threads. Clears the signal that PR_SET_PDEATHSIG has set.
Result<void> become(const Account& account);

}  // namespace tierhub
