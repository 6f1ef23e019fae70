// A set of integers kept as disjoint, sorted, never-touching half-open intervals: which chunks of a
// file are resident, which of its bytes are dirty.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

namespace tierhub {

class IntervalSet {
 public:
  struct Interval {
    uint64_t begin = 0;
    uint64_t end = 0;
    bool operator==(const Interval&) const = default;
  };
  // What a change did to the stored intervals, so that the same change can be made to records on
  // disk: first erase the records that begin at `erased`, then put `added`.
  struct Change {
    std::vector<uint64_t> erased;
    std::vector<Interval> added;
    bool empty() const { return erased.empty() && added.empty(); }
  };

  Change add(uint64_t begin, uint64_t end);
  Change remove(uint64_t begin, uint64_t end);
  Change clear();

  bool contains(uint64_t begin, uint64_t end) const;
  bool contains(uint64_t value) const { return contains(value, value + 1); }
  bool intersects(uint64_t begin, uint64_t end) const;
  bool empty() const { return intervals_.empty(); }
  // How many intervals it is kept as.
  size_t parts() const { return intervals_.size(); }
  // How many integers are in the set.
  uint64_t size() const;
  // The parts of [begin, end) that are in the set, and those that are not.
  std::vector<Interval> present(uint64_t begin, uint64_t end) const;
  std::vector<Interval> missing(uint64_t begin, uint64_t end) const;
  std::vector<Interval> intervals() const;
  bool operator==(const IntervalSet&) const = default;

 private:
  std::map<uint64_t, uint64_t> intervals_;  // begin -> end
};

}  // namespace tierhub
