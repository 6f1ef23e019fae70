#include "common/interval_set.h"

#include <algorithm>

namespace tierhub {

IntervalSet::Change IntervalSet::add(uint64_t begin, uint64_t end) {
  Change change;
  if (begin >= end || contains(begin, end)) return change;
  auto it = intervals_.upper_bound(begin);
  if (it != intervals_.begin() && std::prev(it)->second >= begin) --it;
  while (it != intervals_.end() && it->first <= end) {
    begin = std::min(begin, it->first);
    end = std::max(end, it->second);
    change.erased.push_back(it->first);
    it = intervals_.erase(it);
  }
  intervals_.emplace(begin, end);
  change.added.push_back({begin, end});
  return change;
}

IntervalSet::Change IntervalSet::remove(uint64_t begin, uint64_t end) {
  Change change;
  if (begin >= end) return change;
  auto it = intervals_.upper_bound(begin);
  if (it != intervals_.begin() && std::prev(it)->second > begin) --it;
  while (it != intervals_.end() && it->first < end) {
    const Interval old{it->first, it->second};
    change.erased.push_back(old.begin);
    it = intervals_.erase(it);
    if (old.begin < begin) change.added.push_back({old.begin, begin});
    if (old.end > end) change.added.push_back({end, old.end});
  }
  for (const auto& piece : change.added) intervals_.emplace(piece.begin, piece.end);
  return change;
}

IntervalSet::Change IntervalSet::clear() {
  Change change;
  for (const auto& [begin, end] : intervals_) change.erased.push_back(begin);
  intervals_.clear();
  return change;
}

bool IntervalSet::contains(uint64_t begin, uint64_t end) const {
  if (begin >= end) return true;
  auto it = intervals_.upper_bound(begin);
  return it != intervals_.begin() && std::prev(it)->second >= end;
}

bool IntervalSet::intersects(uint64_t begin, uint64_t end) const {
  return !present(begin, end).empty();
}

uint64_t IntervalSet::size() const {
  uint64_t total = 0;
  for (const auto& [begin, end] : intervals_) total += end - begin;
  return total;
}

std::vector<IntervalSet::Interval> IntervalSet::present(uint64_t begin, uint64_t end) const {
  std::vector<Interval> result;
  if (begin >= end) return result;
  auto it = intervals_.upper_bound(begin);
  if (it != intervals_.begin() && std::prev(it)->second > begin) --it;
  for (; it != intervals_.end() && it->first < end; ++it) {
    result.push_back({std::max(begin, it->first), std::min(end, it->second)});
  }
  return result;
}

std::vector<IntervalSet::Interval> IntervalSet::missing(uint64_t begin, uint64_t end) const {
  std::vector<Interval> result;
  for (const auto& part : present(begin, end)) {
    if (part.begin > begin) result.push_back({begin, part.begin});
    begin = part.end;
  }
  if (begin < end) result.push_back({begin, end});
  return result;
}

std::vector<IntervalSet::Interval> IntervalSet::intervals() const {
  std::vector<Interval> result;
  for (const auto& [begin, end] : intervals_) result.push_back({begin, end});
  return result;
}

}  // namespace tierhub
