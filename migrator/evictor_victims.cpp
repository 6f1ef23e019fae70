#include "migrator/evictor_victims.h"

#include <algorithm>
#include <iterator>

namespace tierhub {
namespace {

// Small gaps do little harm when a few inodes behind the one that was hit are passed.
constexpr uint64_t kPassedAtMost = 4;
constexpr uint64_t kSmallGap = 256;
constexpr size_t kGapsRemembered = 256;

}  // namespace

void Victims::note_gap(uint64_t begin, uint64_t end) {
  if (begin >= end || end - begin < kSmallGap) return;
  // What stood between two gaps may be gone by now.
  for (auto it = gaps_.upper_bound(begin); it != gaps_.end() && it->first < end;) {
    begin = std::min(begin, it->second);
    it = gaps_.erase(it);
  }
  const auto known = gaps_.find(end);
  if (known != gaps_.end()) {
    known->second = std::min(known->second, begin);
  } else if (gaps_.size() < kGapsRemembered) {
    gaps_.emplace(end, begin);
  }
}

// Any number below the end that is not in a gap, each as likely.
uint64_t Victims::random_number() {
  uint64_t possible = end_;
  for (const auto& [end, begin] : gaps_) {
    if (end <= end_) possible -= end - begin;
  }
  uint64_t number = random_() % std::max<uint64_t>(1, possible);
  for (const auto& [end, begin] : gaps_) {
    if (number < begin || end > end_) break;
    number += end - begin;
  }
  return number;
}

Result<std::optional<InodeNumber>> Victims::pick() {
  uint64_t at = random_number();
  std::optional<InodeNumber> found;
  for (uint64_t passed = random_() % (kPassedAtMost + 1) + 1; passed > 0; --passed) {
    TRY_ASSIGN(const auto next, next_(InodeNumber{at}));
    if (!next) {
      end_ = std::min(end_, at + 1);
      return found;
    }
    note_gap(at + 1, next->value());
    found = next;
    at = next->value();
  }
  return found;
}

Result<std::vector<InodeNumber>> Victims::draw() {
  for (size_t look = 0; look < kLooks; ++look) {
    TRY_ASSIGN(const auto inode, pick());
    if (!inode || !known_.insert(*inode).second) continue;
    TRY_ASSIGN(const auto heat, heat_(*inode));
    if (!heat) continue;
    coldest_.emplace(*heat, *inode);
    if (coldest_.size() <= kRemembered) continue;
    const auto warmest = std::prev(coldest_.end());
    known_.erase(warmest->second);
    coldest_.erase(warmest);
  }
  std::vector<InodeNumber> victims;
  while (!coldest_.empty() && victims.size() < kPerDraw) {
    victims.push_back(coldest_.begin()->second);
    coldest_.erase(coldest_.begin());
  }
  return victims;
}

}  // namespace tierhub
