#include "migrator/prefetch/leases.h"

#include <algorithm>
#include <functional>
#include <utility>

#include <fmt/format.h>

namespace tierhub {
namespace {

std::string mebibytes(uint64_t bytes) {
  return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / (1 << 20));
}

uint64_t minus(uint64_t a, uint64_t b) { return a > b ? a - b : 0; }

}  // namespace

void LeaseQueue::Extent::join(const Extent& other) {
  const uint64_t mine = ranges.size();
  const uint64_t others = other.ranges.size();
  for (const auto& part : other.ranges.intervals()) ranges.add(part.begin, part.end);
  const uint64_t all = ranges.size();
  data_bytes = all == mine || all == others ? std::max(data_bytes, other.data_bytes)
                                            : std::min(all, data_bytes + other.data_bytes);
}

LeaseQueue::Extent LeaseQueue::extent(const LeaseAsk& ask, InodeNumber inode) {
  Extent extent{ask.ranges.at(inode), 0};
  const uint64_t size = extent.ranges.size();
  const auto known = ask.data_bytes.find(inode);
  extent.data_bytes = known == ask.data_bytes.end() ? size : std::min(size, known->second);
  return extent;
}

std::string LeaseQueue::never(const LeaseAsk& ask, const LeaseLimits& limits) {
  uint64_t bytes = 0;
  for (const auto& [inode, ranges] : ask.ranges) bytes += extent(ask, inode).data_bytes;
  if (bytes > limits.room_bytes) {
    return fmt::format(
        "it needs {} in scratch at once, but only {} fit (capacity minus the reserve): ask for "
        "less, or add SSD",
        mebibytes(bytes), mebibytes(limits.room_bytes));
  }
  if (ask.uid != 0 && bytes > limits.user_bytes) {
    return fmt::format(
        "it needs {} in scratch at once, but a user may lease only {} (lease_user_percent): ask "
        "for less, or have the limit raised",
        mebibytes(bytes), mebibytes(limits.user_bytes));
  }
  return "";
}

void LeaseQueue::add(uint64_t id, LeaseAsk ask, Measure measure) {
  size_t parts = 0;
  for (const auto& [inode, ranges] : ask.ranges) parts += ranges.parts();
  waiting_.insert_or_assign(id, Waiting{std::move(ask), measure, parts, ""});
}

std::optional<std::pair<uint64_t, LeaseAsk>> LeaseQueue::unmeasured() const {
  for (const auto& [id, waiting] : waiting_) {
    if (waiting.measure == Measure::unmeasured) return std::pair(id, waiting.ask);
  }
  return std::nullopt;
}

void LeaseQueue::measured(uint64_t id, std::map<InodeNumber, uint64_t> data_bytes) {
  const auto it = waiting_.find(id);
  if (it == waiting_.end()) return;
  it->second.ask.data_bytes = std::move(data_bytes);
  it->second.measure = Measure::known;
}

std::string LeaseQueue::reason(uint64_t id) const {
  const auto it = waiting_.find(id);
  return it == waiting_.end() ? "" : it->second.reason;
}

uint64_t LeaseQueue::bytes_of(const ByOwner& leases, std::optional<uint32_t> uid,
                              const Extent* more) const {
  std::vector<const Extent*> extents;
  for (const auto& [owner, extent] : leases) {
    if (!uid || owners_.at(owner).uid == *uid) extents.push_back(&extent);
  }
  if (more != nullptr) extents.push_back(more);
  // What lies in a larger one adds nothing to it.
  std::ranges::stable_sort(extents, std::greater(),
                           [](const Extent* e) { return e->ranges.size(); });
  Extent all;
  for (const Extent* extent : extents) all.join(*extent);
  return all.data_bytes;
}

// How many bytes the ask adds to what is leased, by anybody or by one user.
uint64_t LeaseQueue::needed(const LeaseAsk& ask, std::optional<uint32_t> uid) const {
  uint64_t total = 0;
  for (const auto& [inode, ranges] : ask.ranges) {
    const Extent asked = extent(ask, inode);
    const auto it = leased_.find(inode);
    total += it == leased_.end()
                 ? asked.data_bytes
                 : minus(bytes_of(it->second, uid, &asked), bytes_of(it->second, uid, nullptr));
  }
  return total;
}

std::map<uint64_t, LeaseAsk> LeaseQueue::grant(const LeaseLimits& limits) {
  std::map<uint64_t, LeaseAsk> granted;
  std::optional<uint64_t> blocking;
  for (auto it = waiting_.begin(); it != waiting_.end();) {
    auto& [id, waiting] = *it;
    const LeaseAsk& ask = waiting.ask;
    const uint64_t bytes = needed(ask, std::nullopt);
    const uint64_t taken = leased_bytes_ + limits.held_bytes;
    const uint64_t users = leased_bytes(ask.uid);
    if (waiting.measure == Measure::unmeasured) {
      if (!blocking) blocking = id;
      waiting.reason = "asking the archive how much of it is data";
      ++it;
    } else if (ask.uid != 0 && users + needed(ask, ask.uid) > limits.user_bytes) {
      waiting.reason = fmt::format(
          "waits for leases of the same user to end: they cover {}, and a user may lease {}; it "
          "needs {} more",
          mebibytes(users), mebibytes(limits.user_bytes), mebibytes(needed(ask, ask.uid)));
      ++it;
    } else if (bytes > 0 && blocking) {
      waiting.reason = fmt::format("waits for prefetch {}, which was requested earlier", *blocking);
      ++it;
    } else if (bytes > 0 && taken + bytes > limits.room_bytes) {
      blocking = id;
      waiting.reason = fmt::format(
          "waits for room: it needs {}, and {} of {} are not taken by leases ({}) or by "
          "unpublished changes and pins ({})",
          mebibytes(bytes), mebibytes(minus(limits.room_bytes, taken)),
          mebibytes(limits.room_bytes), mebibytes(leased_bytes_), mebibytes(limits.held_bytes));
      ++it;
    } else {
      lease(ask);
      granted.emplace(id, std::move(waiting.ask));
      it = waiting_.erase(it);
    }
  }
  return granted;
}

void LeaseQueue::restore(const LeaseAsk& ask) { lease(ask); }

// Takes the inode out of the sums, or puts it in.
void LeaseQueue::count(uint32_t uid, const ByOwner& leases, int sign) {
  const uint64_t all = bytes_of(leases, std::nullopt, nullptr);
  const uint64_t users = bytes_of(leases, uid, nullptr);
  if (sign > 0) {
    leased_bytes_ += all;
    user_bytes_[uid] += users;
  } else {
    leased_bytes_ -= all;
    user_bytes_[uid] -= users;
  }
}

void LeaseQueue::lease(const LeaseAsk& ask) {
  Owner& owner = owners_[ask.owner];
  owner.uid = ask.uid;
  for (const auto& [inode, ranges] : ask.ranges) {
    ByOwner& leases = leased_[inode];
    count(ask.uid, leases, -1);
    Extent& mine = leases[ask.owner];
    owner.parts -= mine.ranges.parts();
    mine.join(extent(ask, inode));
    owner.parts += mine.ranges.parts();
    owner.inodes.insert(inode);
    count(ask.uid, leases, +1);
  }
}

std::vector<InodeNumber> LeaseQueue::with_holes() const {
  std::vector<InodeNumber> result;
  for (const auto& [inode, leases] : leased_) {
    const auto has_holes = [](const auto& lease) {
      return lease.second.data_bytes < lease.second.ranges.size();
    };
    if (std::ranges::any_of(leases, has_holes)) result.push_back(inode);
  }
  return result;
}

void LeaseQueue::occupies(InodeNumber inode, uint64_t bytes) {
  const auto it = leased_.find(inode);
  if (it == leased_.end()) return;
  std::set<uint32_t> uids;
  for (const auto& [owner, extent] : it->second) uids.insert(owners_.at(owner).uid);
  leased_bytes_ -= bytes_of(it->second, std::nullopt, nullptr);
  for (const uint32_t uid : uids) user_bytes_[uid] -= bytes_of(it->second, uid, nullptr);
  for (auto& [owner, extent] : it->second)
    extent.data_bytes = std::max(extent.data_bytes, std::min(bytes, extent.ranges.size()));
  leased_bytes_ += bytes_of(it->second, std::nullopt, nullptr);
  for (const uint32_t uid : uids) user_bytes_[uid] += bytes_of(it->second, uid, nullptr);
}

void LeaseQueue::release(const std::string& name) {
  const auto it = owners_.find(name);
  if (it == owners_.end()) return;
  const uint32_t uid = it->second.uid;
  for (const InodeNumber inode : it->second.inodes) {
    ByOwner& leases = leased_.at(inode);
    count(uid, leases, -1);
    leases.erase(name);
    count(uid, leases, +1);
    if (leases.empty()) leased_.erase(inode);
  }
  owners_.erase(it);
}

std::vector<InodeNumber> LeaseQueue::inodes_of(const std::string& owner) const {
  const auto it = owners_.find(owner);
  if (it == owners_.end()) return {};
  return {it->second.inodes.begin(), it->second.inodes.end()};
}

std::vector<std::string> LeaseQueue::owners_of(InodeNumber inode) const {
  std::vector<std::string> result;
  const auto it = leased_.find(inode);
  if (it == leased_.end()) return result;
  for (const auto& [owner, ranges] : it->second) result.push_back(owner);
  return result;
}

std::vector<std::string> LeaseQueue::owners() const {
  std::vector<std::string> result;
  for (const auto& [name, owner] : owners_) result.push_back(name);
  return result;
}

size_t LeaseQueue::parts(uint32_t uid) const {
  size_t parts = 0;
  for (const auto& [id, waiting] : waiting_) {
    if (waiting.ask.uid == uid) parts += waiting.parts;
  }
  for (const auto& [name, owner] : owners_) {
    if (owner.uid == uid) parts += owner.parts;
  }
  return parts;
}

uint64_t LeaseQueue::leased_bytes(uint32_t uid) const {
  const auto it = user_bytes_.find(uid);
  return it == user_bytes_.end() ? 0 : it->second;
}

}  // namespace tierhub
