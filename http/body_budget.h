// How many bytes of requests are held in memory at once: no user can use up what others need, and
// root has a share of its own. Bytes are charged when they have arrived; announcing them is free.
// A party is a user by number, or a machine by a number that no user has.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>

namespace tierhub::http {

// Not for several threads at once.
class BodyBudget {
 public:
  struct Limits {
    uint64_t all_users_bytes = 0;  // without root
    uint64_t user_bytes = 0;
    uint64_t root_bytes = 0;
  };

  explicit BodyBudget(const Limits& limits) : limits_(limits) {}

  // False: it would be too much, and nothing is charged. Where all users together hold too much, it
  // is too much for those who hold more than an equal part.
  bool charge(uint64_t party, uint64_t bytes) {
    uint64_t& mine = held_[party];
    const bool fits = party == 0 ? mine + bytes <= limits_.root_bytes : user_fits(mine, bytes);
    if (fits) mine += bytes;
    if (fits && party != 0) users_held_ += bytes;
    if (mine == 0) held_.erase(party);
    return fits;
  }
  void release(uint64_t party, uint64_t bytes) {
    if (bytes == 0) return;
    if (party != 0) users_held_ -= bytes;
    if ((held_[party] -= bytes) == 0) held_.erase(party);
  }

 private:
  bool user_fits(uint64_t mine, uint64_t bytes) const {
    if (mine + bytes > limits_.user_bytes) return false;
    const uint64_t users = std::max<uint64_t>(1, held_.size() - held_.count(0));
    return users_held_ + bytes <= limits_.all_users_bytes ||
           mine + bytes <= limits_.all_users_bytes / users;
  }

  Limits limits_;
  std::map<uint64_t, uint64_t> held_;  // by party
  uint64_t users_held_ = 0;            // without root
};

}  // namespace tierhub::http
