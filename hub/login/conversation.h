// One attempt to sign in, by PAM, in a process of its own: modules may block, and what they load
// goes with the process.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

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

// Whether the account might sign in now, without a password, and in which groups it is: ends the process
// with one of these, or with 0 if nothing has changed or if that is not known. May ask the network: call it
// in a process that was forked for it, as root.
inline constexpr int kAccountIsClosed = 10;   // PAM refuses it, or it is another account's number
inline constexpr int kAccountIsMissing = 11;  // it is not found
inline constexpr int kAccountHasOtherGroups = 12;
// `groups` are those that it had.
[[noreturn]] void check_account_and_exit(const std::string& user, uint32_t uid,
                                         const std::vector<uint32_t>& groups,
                                         const PamOptions& options);

}  // namespace tierhub::hub
