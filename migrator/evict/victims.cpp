#include "migrator/evict/victims.h"

#include <algorithm>
#include <iterator>

namespace tierhub {
namespace {

// Small gaps do little harm when a few inodes behind the one that was hit are passed.
constexpr uint64_t kPassedAtMost = 4;
constexpr uint64_t kSmallGap = 256;
constexpr size_t kGapsRemembered = 256;

}  // namespace

void Victims::begin(InodeNumber end) {
  end_ = end.value();
  given_.clear();
  gaps_.clear();
}

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
    TRY_ASSIGN(const auto next, near_(behind_gap(InodeNumber{at})));
    if (next.too_far) return found;
    if (!next.inode) {
      end_ = std::min(end_, at + 1);
      return found;
    }
    note_gap(at + 1, next.inode->value());
    found = next.inode;
    at = found->value();
  }
  return found;
}

// The last number of the gap that begins behind `after`; itself if none does.
InodeNumber Victims::behind_gap(InodeNumber after) const {
  const auto gap = gaps_.upper_bound(after.value() + 1);
  const bool begins = gap != gaps_.end() && gap->second <= after.value() + 1;
  return begins ? InodeNumber{gap->first - 1} : after;
}

// Behind the last one comes the first.
Result<std::optional<InodeNumber>> Victims::advance_hand() {
  std::optional<InodeNumber> next;
  for (const InodeNumber from : {hand_, kNoInode}) {
    if (from.value() + 1 < end_) {
      TRY_ASSIGN(next, next_(behind_gap(from)));
      if (!next) end_ = std::min(end_, from.value() + 1);
    }
    if (!next) continue;
    note_gap(from.value() + 1, next->value());
    break;
  }
  hand_ = next.value_or(kNoInode);
  return next;
}

Result<void> Victims::look(InodeNumber inode) {
  if (given_.contains(inode)) return {};
  TRY_ASSIGN(const auto heat, heat_(inode));
  if (const auto it = remembered_.find(inode); it != remembered_.end()) {
    coldest_.erase({it->second, inode});
    remembered_.erase(it);
  }
  if (!heat) return {};
  coldest_.emplace(*heat, inode);
  remembered_.emplace(inode, *heat);
  if (coldest_.size() <= kRemembered) return {};
  const auto warmest = std::prev(coldest_.end());
  remembered_.erase(warmest->second);
  coldest_.erase(warmest);
  return {};
}

Result<std::vector<InodeNumber>> Victims::draw() {
  for (size_t i = 0; i < kLooks; ++i) {
    const bool by_hand = i % 2 == 0;
    TRY_ASSIGN(const auto inode, by_hand ? advance_hand() : pick());
    if (inode) TRY(look(*inode));
  }
  std::vector<InodeNumber> victims;
  while (!coldest_.empty() && victims.size() < kPerDraw) {
    const auto [heat, inode] = *coldest_.begin();
    coldest_.erase(coldest_.begin());
    remembered_.erase(inode);
    // It may have been used, or have gone, since it was looked at.
    TRY_ASSIGN(const auto now, heat_(inode));
    if (now && *now > heat) {
      TRY(look(inode));
    } else if (now) {
      victims.push_back(inode);
      given_.insert(inode);
    }
  }
  return victims;
}

}  // namespace tierhub
