// The process that is root: it lets people sign in and starts their workers, and does nothing else.
// It listens to nobody but the front, which has no rights: whoever takes the front over can act for
// people who are signed in, and for nobody else.
//
//   1. begin: a process of its own asks PAM (conversation.h); its prompts go to the front, the
//      answers back. There are few of them: waiting_room.h says who makes room.
//   2. When PAM has agreed, the person may have a worker.
//   3. start: the worker is started as the person, with all groups that they have now.
//   4. When a worker has ended, it is waited for. Once a minute, and when somebody signs in, accounts
//      are looked at: when the groups of a person have changed, their worker is ended (the next request
//      starts another one); when PAM would not let them in any more, or the account is gone, so is
//      their right to have one. It is gone if its number is another account's, or if it is not found
//      for two minutes; until then, or while nobody can be asked, no worker is started for it.
//   5. A worker that is to end has five seconds for it.
#pragma once

#include <string>
#include <vector>

#include "common/result.h"
#include "common/unique_fd.h"
#include "hub/login/conversation.h"

namespace tierhub::hub {

struct LoginOptions {
  UniqueFd front;  // the socket
  PamOptions pam;
  std::string program;                        // of the worker
  std::vector<std::string> worker_arguments;  // with the program's name first
};

// Serves until the front has closed its end, or SIGTERM or SIGINT comes; then ends all workers.
// Needs to be root, in a process with one thread.
Result<void> serve_logins(LoginOptions options);

}  // namespace tierhub::hub
