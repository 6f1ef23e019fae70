// Who may keep what in scratch, and who is next.
//
// A grant covers all ranges of one prefetch or none, so no two jobs can each hold half of what they
// need and wait for the other half. First come, first served: a prefetch that waits for room holds
// up all later ones that also need room, otherwise small ones would starve it. One that waits for
// its own user's limit holds up nobody. Each byte counts once, however many leases cover it; the
// holes of a file count nothing, as far as they are known. The size that a lease was charged stays
// the same until it ends, whatever becomes of the archive's file.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/clock.h"
#include "common/interval_set.h"
#include "common/result.h"
#include "common/types.h"

namespace tierhub {

struct LeaseAsk {
  std::string owner;
  uint32_t uid = 0;
  std::map<InodeNumber, IntervalSet> ranges;  // bytes
  // How much of its ranges is data, of those files that may have holes. Of others all is.
  std::map<InodeNumber, uint64_t> data_bytes = {};
};

struct LeaseLimits {
  uint64_t room_bytes = UINT64_MAX;  // for leased and held bytes together: capacity - reserve
  uint64_t held_bytes = 0;           // by unpublished changes and pins
  uint64_t user_bytes = UINT64_MAX;  // for one user; root has no limit
};

// Not for several threads at once.
class LeaseQueue {
 public:
  // Why an ask could never be granted; empty if it could.
  static std::string never(const LeaseAsk& ask, const LeaseLimits& limits);

  // Ids grow: an earlier one is served first. `unmeasured`: it is not granted before measured().
  enum class Measure { known, unmeasured };
  void add(uint64_t id, LeaseAsk ask, Measure measure = Measure::known);
  // The first that is unmeasured.
  std::optional<std::pair<uint64_t, LeaseAsk>> unmeasured() const;
  void measured(uint64_t id, std::map<InodeNumber, uint64_t> data_bytes);
  // It no longer waits. What was granted stays.
  void cancel(uint64_t id) { waiting_.erase(id); }
  bool waits(uint64_t id) const { return waiting_.contains(id); }
  bool anybody_waits() const { return !waiting_.empty(); }
  // Why it still waits, as of the last grant().
  std::string reason(uint64_t id) const;

  // Grants what can be granted now; returns it by id.
  std::map<uint64_t, LeaseAsk> grant(const LeaseLimits& limits);
  // Leased bytes that an earlier process granted.
  void restore(const LeaseAsk& ask);
  // Leased files of which less than their ranges is counted.
  std::vector<InodeNumber> with_holes() const;
  // So much of the file is in scratch: of its holes some may have been written to since.
  void occupies(InodeNumber inode, uint64_t bytes);
  // All leases of the owner end.
  void release(const std::string& owner);

  std::vector<InodeNumber> inodes_of(const std::string& owner) const;
  std::vector<std::string> owners_of(InodeNumber inode) const;
  std::vector<std::string> owners() const;
  uint64_t leased_bytes() const { return leased_bytes_; }
  uint64_t leased_bytes(uint32_t uid) const;
  // How many separate parts of files the user has leased or waits for: memory grows with them.
  size_t parts(uint32_t uid) const;

 private:
  struct Owner {
    uint32_t uid = 0;
    size_t parts = 0;
    std::set<InodeNumber> inodes;
  };
  struct Waiting {
    LeaseAsk ask;
    Measure measure = Measure::known;
    size_t parts = 0;
    std::string reason;
  };
  // Ranges of a file, and how much of them is data.
  struct Extent {
    IntervalSet ranges;
    uint64_t data_bytes = 0;
    // What is in both is counted once if one is in the other; else the holes of one may count.
    void join(const Extent& other);
  };
  using ByOwner = std::map<std::string, Extent>;

  static Extent extent(const LeaseAsk& ask, InodeNumber inode);
  // Bytes of the inode that are leased, by anybody or by one user, with `more` added.
  uint64_t bytes_of(const ByOwner& leases, std::optional<uint32_t> uid, const Extent* more) const;
  uint64_t needed(const LeaseAsk& ask, std::optional<uint32_t> uid) const;
  void lease(const LeaseAsk& ask);
  void count(uint32_t uid, const ByOwner& leases, int sign);

  std::map<uint64_t, Waiting> waiting_;
  std::map<InodeNumber, ByOwner> leased_;
  std::map<std::string, Owner> owners_;
  std::map<uint32_t, uint64_t> user_bytes_;
  uint64_t leased_bytes_ = 0;
};

}  // namespace tierhub
