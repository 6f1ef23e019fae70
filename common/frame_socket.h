// Messages over a stream socket, each with some descriptors. On the wire: u32 length of the body,
// u8 number of descriptors that come with it, the body. The descriptors travel with the first byte.
#pragma once

#include <cstddef>
#include <deque>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "common/result.h"
#include "common/unique_fd.h"

namespace tierhub {

inline constexpr size_t kMaxFrameFds = 64;

struct Frame {
  std::string body;
  std::vector<UniqueFd> fds;

  // The only one, or none.
  UniqueFd fd() && { return fds.empty() ? UniqueFd() : std::move(fds.front()); }
};

// One connected socket pair, close-on-exec at both ends.
Result<std::pair<UniqueFd, UniqueFd>> make_socket_pair();

// What one recvmsg(2) brought; nothing if the socket does not block and nothing was there. The
// descriptors are close-on-exec, and those of one frame at most. errc::not_connected when the other
// end has closed.
struct Received {
  size_t bytes = 0;
  std::vector<UniqueFd> fds;
};
Result<Received> receive_some(int socket_fd, std::span<char> buffer);

// A frame on its way out.
class OutgoingFrame {
 public:
  OutgoingFrame(const std::string& body, UniqueFd fd);  // none: no descriptor
  // At most kMaxFrameFds descriptors.
  OutgoingFrame(const std::string& body, std::vector<UniqueFd> fds);
  // Sends as much as the socket takes; true when all is sent. Lets go of the descriptors once they
  // are on their way.
  Result<bool> send(int socket_fd);

 private:
  std::string bytes_;  // with the header
  std::vector<UniqueFd> fds_;
  size_t sent_ = 0;
};

class FrameReader {
 public:
  // Reads what has arrived, and returns the frames that are complete; waits for something if the
  // socket blocks. errc::not_connected when the other end has closed.
  Result<std::vector<Frame>> receive(int socket_fd);

 private:
  Result<void> receive_bytes(int socket_fd);

  std::string bytes_;
  std::deque<UniqueFd> fds_;
};

}  // namespace tierhub
