// Worker slots: the agent has N of them for all its runs. A runner asks for the slots of one task
// over an inherited socket pair, as make's children ask the job server; the agent grants them, all
// slots of a task or none, to the user who has fewest, and within a user first come, first served.
// When a runner ends, its socket closes and its slots return.
//
// Messages are text, one per packet: "want 2" and "release 0,3" from the runner, "grant 0,3" to it.
// A runner has at most one request open.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "common/unique_fd.h"

namespace tierhub::compute {

// Decides who gets which slot. Pure; one thread. A client stands for one run of a user; its number is
// the caller's choice.
class SlotPool {
 public:
  // All slots together, and those that one user can have; 0: all.
  explicit SlotPool(unsigned workers, unsigned per_user = 0);

  unsigned workers() const { return static_cast<unsigned>(holder_.size()); }
  unsigned per_user() const { return per_user_; }
  // A second wish of the same client replaces the first. `count` is cut to what a user can have.
  void want(int client, unsigned count, uint32_t user = 0);
  // Slots that the client does not hold are ignored.
  void release(int client, const std::vector<unsigned>& slots);
  void leave(int client);

  struct Grant {
    int client = 0;
    std::vector<unsigned> slots;
  };
  // The wishes that can be granted now. Next is the user who holds fewest slots; of several, the one
  // whose last grant was longest ago. That user's first wish waits until it fits, and all others
  // behind it, so that a task that needs many slots gets them; but nobody waits for a user who has
  // all that one can have. At most so many.
  std::vector<Grant> grant(size_t most = SIZE_MAX);
  bool has_wishes() const { return !wishes_.empty(); }

 private:
  struct Wish {
    int client = 0;
    unsigned count = 0;
    uint32_t user = 0;
  };
  // wishes_.end() if nobody's turn it is.
  std::deque<Wish>::iterator next();
  unsigned held_by(uint32_t user) const;

  unsigned per_user_;
  std::vector<std::optional<int>> holder_;   // by slot
  std::deque<Wish> wishes_;                  // in the order in which they came
  std::map<int, uint32_t> user_of_;          // by client
  std::map<uint32_t, uint64_t> last_grant_;  // by user: a number that grows
  uint64_t grants_ = 0;
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
