// Worker slots: the agent has N of them for all its runs. A runner asks for the slots of one task
// over an inherited socket pair, as make's children ask the job server; the agent grants them first
// come, first served, all slots of a task or none. When a runner ends, its socket closes and its
// slots return.
//
// Messages are text, one per packet: "want 2" and "release 0,3" from the runner, "grant 0,3" to it.
// A runner has at most one request open.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "common/unique_fd.h"

namespace tierhub::compute {

// Who has which slot. Pure; one thread. A client is any number that the caller chose.
class SlotPool {
 public:
  explicit SlotPool(unsigned workers);

  unsigned workers() const { return static_cast<unsigned>(holder_.size()); }
  // A second wish of the same client replaces the first. `count` is cut to the number of slots.
  void want(int client, unsigned count);
  // Slots that the client does not hold are ignored.
  void release(int client, const std::vector<unsigned>& slots);
  void leave(int client);

  struct Grant {
    int client = 0;
    std::vector<unsigned> slots;
  };
  // The wishes that can be granted now. The first wish waits until it fits, and all others behind
  // it, so that a task that needs many slots gets them.
  std::vector<Grant> grant();

 private:
  struct Wish {
    int client = 0;
    unsigned count = 0;
  };
  std::vector<std::optional<int>> holder_;  // by slot
  std::deque<Wish> wishes_;
};

// The numbers of "0,3"; an error if it is anything else.
Result<std::vector<unsigned>> parse_slots(std::string_view text);
std::string slots_text(const std::vector<unsigned>& slots);

// Two ends of a packet socket; both close on exec.
struct SocketPair {
  UniqueFd agent;
  UniqueFd runner;
};
Result<SocketPair> make_socket_pair();
// Does not block: an error of code operation_would_block if there is no packet, of code
// connection_reset if the other end is closed.
Result<std::string> receive_packet(int fd);
Result<void> send_packet(int fd, std::string_view text);

// The runner's end.
class SlotClient {
 public:
  explicit SlotClient(UniqueFd socket) : socket_(std::move(socket)) {}
  int fd() const { return socket_.get(); }

  bool waiting() const { return waiting_; }
  Result<void> want(unsigned count);
  Result<void> release(const std::vector<unsigned>& slots);
  // The slots of the open wish, or nothing yet. An error if the agent is gone.
  Result<std::optional<std::vector<unsigned>>> receive();

 private:
  UniqueFd socket_;
  bool waiting_ = false;
};

}  // namespace tierhub::compute
