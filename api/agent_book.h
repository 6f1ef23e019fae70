// What tierd knows about compute agents: what each reported last, and when. Kept only in memory:
// agents report again every few seconds.
//
// An agent is identified by its host and by the user that it runs as, whom the kernel identifies:
// nobody can report for somebody else's agent. One thread at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/messages.h"
#include "common/clock.h"
#include "common/result.h"

namespace tierhub::api {

// One moment on both clocks.
struct Now {
  SteadyClock::time_point steady = SteadyClock::now();
  Timestamp wall = Timestamp::now();
};

class AgentBook {
 public:
  // How often agents are to say that they live, and after which silence one counts as gone.
  static constexpr std::chrono::seconds kHeartbeat{10};
  static constexpr std::chrono::seconds kSilence{35};
  // Bounds: agents of root and of each other user, agents of all together, folders of an agent.
  static constexpr size_t kMostOfRoot = 256;
  static constexpr size_t kMostOfAUser = 4;
  static constexpr size_t kMost = 1'024;
  static constexpr size_t kMostFolders = 64;

  explicit AgentBook(Now now = {}) : started_(now) {}

  // Takes a heartbeat of an agent of the caller's. An error if it is malformed, or one agent too
  // many: gone ones make room first.
  Result<void> put(const Caller& caller, const Agent& agent, Now now = {});
  // Root's agents and the caller's; root sees all. In the order of hosts.
  std::vector<Agent> list(const Caller& caller, Now now = {}) const;
  // Since when no agent is there that could work on the run: not root's on its host, and not that
  // of the run's user. Nothing if one is, if the run has ended or names no host, and while agents
  // had no time to speak since the book began.
  std::optional<Timestamp> gone_since(const Run& run, Now now = {}) const;

 private:
  struct Entry {
    Agent agent;
    SteadyClock::time_point heard;
  };
  using Key = std::pair<std::string, uint32_t>;  // host, user

  static bool is_gone(const Entry& entry, Now now);
  void make_room(const Key& key, Now now);

  Now started_;
  std::map<Key, Entry> entries_;
};

}  // namespace tierhub::api
