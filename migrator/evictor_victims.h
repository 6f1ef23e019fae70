// Which files go first: nearly the coldest ones, found without a global order.
//
// A draw looks at 64 resident inodes picked at random and remembers the coldest of them; the
// coldest that it remembers, of this draw and of earlier ones, are the victims. Its cost does not
// depend on how many inodes are resident.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <vector>

#include "common/clock.h"
#include "common/result.h"
#include "common/types.h"

namespace tierhub {

class Victims {
 public:
  // The next resident inode behind one; none: there is none, or it is too far to look.
  using Next = std::function<Result<std::optional<InodeNumber>>(InodeNumber after)>;
  // none: it cannot go now.
  using HeatOf = std::function<Result<std::optional<Timestamp>>(InodeNumber)>;

  static constexpr size_t kLooks = 64;
  static constexpr size_t kPerDraw = 8;
  static constexpr size_t kRemembered = 64;

  // `end`: no resident inode has this number or a greater one.
  Victims(Next next, HeatOf heat, InodeNumber end, uint64_t seed)
      : next_(std::move(next)), heat_(std::move(heat)), end_(end.value()), random_(seed) {}

  // Up to kPerDraw inodes, the coldest first, each given once. None: nothing resident was found
  // that was not given before.
  Result<std::vector<InodeNumber>> draw();

 private:
  Result<std::optional<InodeNumber>> pick();
  uint64_t random_number();
  void note_gap(uint64_t begin, uint64_t end);

  Next next_;
  HeatOf heat_;
  uint64_t end_;
  // Where no resident number is, as far as picks found out: end -> begin. Unclean restarts leave
  // gaps of a million, and what stands behind one would be picked again and again.
  std::map<uint64_t, uint64_t> gaps_;
  std::mt19937_64 random_;
  std::set<std::pair<Timestamp, InodeNumber>> coldest_;  // at most kRemembered
  std::set<InodeNumber> known_;  // given, or in coldest_; bounded by the draws of a pass
};

}  // namespace tierhub
