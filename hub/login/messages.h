// What the front and the process that is root say to each other (common/frame_socket.h). A message
// is a list of texts; the texts have no zero bytes.
//
//   front: begin ATTEMPT USER MACHINE  somebody wants to sign in, from there
//          answer ATTEMPT TEXT         to the last prompt of that attempt
//          start CALL UID              start their worker; with its listening socket
//          end CALL UID                nobody of them is signed in any more: end their worker
//   root:  prompt ATTEMPT SECRET TEXT MESSAGES   SECRET is "1" or "0"
//          person ATTEMPT UID NAME     has signed in
//          wrong ATTEMPT WHY           what they gave is
//          busy ATTEMPT WHY            too many are signing in: nothing was looked at
//          trouble ATTEMPT WHY         the system could not judge
//          late ATTEMPT WHY            it has ended before
//          started CALL                with a pidfd of the worker
//          failed CALL WHY
//          later CALL WHY              whether they may have one cannot be found out now
//          refused CALL WHY            they have to sign in again
// ATTEMPT and CALL are texts that the front chooses.
#pragma once

#include <string>
#include <vector>

#include "common/frame_socket.h"
#include "common/result.h"

namespace tierhub::hub {

using Message = std::vector<std::string>;

std::string pack(const Message& message);
Message unpack(const std::string& body);

// Sends all of it; the socket blocks.
Result<void> send_message(int socket_fd, const Message& message, UniqueFd fd = UniqueFd());

}  // namespace tierhub::hub
