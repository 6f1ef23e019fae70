// One attempt to sign in, by PAM, in a process of its own: modules may block, and what they load
// goes with the process.
#pragma once

#include <optional>
#include <string>

#include "common/result.h"

namespace tierhub::hub {

struct PamOptions {
  std::string service = "tierweb";  // /etc/pam.d/tierweb
  std::string folder;               // not empty: instead of /etc/pam.d
  uint32_t first_uid = 1'000;       // the users below are the system's: they do not sign in
};

// Talks to the parent over `socket_fd` in the words of messages.h, then ends the process. Call it in
// a process that was forked for it, as root.
[[noreturn]] void converse(int socket_fd, const std::string& attempt, const std::string& user,
                           const PamOptions& options);

// Whether the account may sign in now, without a password: ends the process with kAccountIsClosed if PAM
// says that it may not, with 0 if it may or if that is not known. Call it in a process that was forked
// for it, as root.
inline constexpr int kAccountIsClosed = 10;
[[noreturn]] void check_account_and_exit(const std::string& user, const PamOptions& options);

}  // namespace tierhub::hub
