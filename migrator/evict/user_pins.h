// What persons keep on the SSD by pins of their own, within a limit of the administrator. Root's pins have
// none, and hold whatever persons keep.
//
// A pin counts with the size that its file has now. So a file that grows after it was pinned may bring its
// person over the limit: until they are within it again, their pins hold nothing, and take no room from
// others. If those who are within theirs keep more together than all may, the pins of whoever keeps most
// hold nothing, until the rest fits.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string_view>

#include "catalog/catalog.h"
#include "common/clock.h"
#include "common/mutex.h"
#include "common/result.h"

namespace tierhub {

// Any thread; takes no lock of an inode.
class UserPins {
 public:
  struct Limits {
    uint64_t user_bytes = 0;  // for each person; 0: only root may pin
    uint64_t all_bytes = 0;   // for all persons together
  };
  // Each pin takes room in the catalog, and time at each look.
  static constexpr size_t kMostFilesOfUser = 100'000;

  UserPins(const Catalog& catalog, std::function<Limits()> limits)
      : catalog_(catalog), limits_(std::move(limits)) {}

  // The person whose pin it is, by its owner ("1000:ada", a LeaseOwner); nothing: it is one of root's.
  static std::optional<uint32_t> user_of(std::string_view owner);

  // Whether persons may pin at all; errc::permission_denied if not.
  Result<void> check_allowed() const;
  // Whether the person may pin these files too, by inode with their sizes; errc::permission_denied says
  // why not. What they have pinned before counts once. One at a time: hold admission() until the pins are
  // committed.
  Result<void> admit(uint32_t uid, const std::map<InodeNumber, uint64_t>& files) const;
  Mutex& admission() { return admission_; }

  // False: it is a pin of somebody who keeps more than they may, or most of what is too much together, as
  // of the last look.
  bool holds(const LeaseRecord& lease) const;
  // Looks again, unless it did a little while ago: how often depends on how long that takes.
  void look();

 private:
  // Of each person, the sizes of what they have pinned.
  using Kept = std::map<uint32_t, std::map<InodeNumber, uint64_t>>;
  Result<Kept> kept() const;
  // Who is within their own limit, by how much they keep: the least first.
  using Holders = std::multimap<uint64_t, uint32_t>;
  static Holders within(const Kept& all, uint64_t user_bytes);

  const Catalog& catalog_;
  const std::function<Limits()> limits_;
  Mutex admission_;
  Mutex looking_;
  SteadyClock::time_point next_look_ GUARDED_BY(looking_);
  mutable Mutex mutex_;
  std::set<uint32_t> over_ GUARDED_BY(mutex_);
};

}  // namespace tierhub
