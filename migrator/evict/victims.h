// Which files to evict first: nearly the coldest ones, found without a global order.
//
// A draw looks at 64 resident inodes and remembers the coldest that it ever saw; the coldest of
// those are the victims. Half of the looks move round all resident inodes like a clock hand,
// visiting each as often as any other, whatever is between them; half are at random numbers, so
// that a long stretch of warm inodes does not hide cold ones elsewhere. The cost of a draw does not
// depend on how many inodes are resident.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <vector>

#include "catalog/catalog.h"
#include "common/clock.h"
#include "common/result.h"
#include "common/types.h"

namespace tierhub {

class Victims {
 public:
  // The next resident inode behind one, however far it is.
  using Next = std::function<Result<std::optional<InodeNumber>>(InodeNumber after)>;
  // The same, given up if it is too far to look.
  using Near = std::function<Result<Catalog::Nearby>(InodeNumber after)>;
  // none: it cannot go now.
  using HeatOf = std::function<Result<std::optional<Timestamp>>(InodeNumber)>;

  static constexpr size_t kLooks = 64;
  static constexpr size_t kPerDraw = 4;
  static constexpr size_t kRemembered = 1024;

  Victims(Next next, Near near, HeatOf heat, uint64_t seed)
      : next_(std::move(next)), near_(std::move(near)), heat_(std::move(heat)), random_(seed) {}

  // `end`: no resident inode has this number or a greater one. Each inode is given once until the
  // next begin().
  void begin(InodeNumber end);
  // Up to kPerDraw inodes, the coldest first. None: nothing was found that can go and was not given
  // already.
  Result<std::vector<InodeNumber>> draw();

 private:
  Result<void> look(InodeNumber inode);
  Result<std::optional<InodeNumber>> pick();
  Result<std::optional<InodeNumber>> advance_hand();
  uint64_t random_number();
  void note_gap(uint64_t begin, uint64_t end);
  InodeNumber behind_gap(InodeNumber after) const;

  Next next_;
  Near near_;
  HeatOf heat_;
  uint64_t end_ = 1;
  InodeNumber hand_;
  // Where no resident number is, as far as this pass found out: end -> begin. Unclean restarts leave
  // gaps of a million, and what is behind one would be picked again and again; and what was evicted
  // leaves traces that are slow to pass.
  std::map<uint64_t, uint64_t> gaps_;
  std::mt19937_64 random_;
  std::set<std::pair<Timestamp, InodeNumber>> coldest_;  // at most kRemembered
  std::map<InodeNumber, Timestamp> remembered_;          // the same, by inode
  std::set<InodeNumber> given_;                          // since begin()
};

}  // namespace tierhub
