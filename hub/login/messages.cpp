#include "hub/login/messages.h"

#include <utility>

namespace tierhub::hub {

std::string pack(const Message& message) {
  std::string body;
  for (const std::string& text : message) {
    body += text;
    body += '\0';
  }
  return body;
}

Message unpack(const std::string& body) {
  Message message;
  for (size_t begin = 0; begin < body.size();) {
    const size_t end = std::min(body.find('\0', begin), body.size());
    message.push_back(body.substr(begin, end - begin));
    begin = end + 1;
  }
  return message;
}

Result<void> send_message(int socket_fd, const Message& message, UniqueFd fd) {
  OutgoingFrame frame(pack(message), std::move(fd));
  while (true) {
    TRY_ASSIGN(const bool sent, frame.send(socket_fd));
    if (sent) return {};
  }
}

}  // namespace tierhub::hub
