#include "migrator/evict/user_pins.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "common/log.h"

namespace tierhub {
namespace {

using Sizes = std::map<InodeNumber, uint64_t>;

// Sparse files have sizes that no disk has.
uint64_t add_sizes(uint64_t one, uint64_t other) {
  return one + std::min(other, std::numeric_limits<uint64_t>::max() - one);
}

uint64_t sum_of(const Sizes& files) {
  uint64_t bytes = 0;
  for (const auto& [inode, size_bytes] : files) bytes = add_sizes(bytes, size_bytes);
  return bytes;
}

std::string in_mebibytes(uint64_t bytes) {
  return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / (1 << 20));
}

}  // namespace

std::optional<uint32_t> UserPins::user_of(std::string_view owner) {
  uint32_t uid = 0;
  const char* const end = owner.data() + owner.size();
  const auto [rest, failure] = std::from_chars(owner.data(), end, uid);
  if (failure != std::errc() || rest == end || *rest != ':' || uid == 0) return std::nullopt;
  return uid;
}

Result<UserPins::Kept> UserPins::kept() const {
  Kept kept;
  TRY(catalog_.for_each_lease([&](InodeNumber inode, const LeaseRecord& lease) {
    const auto uid = lease.pin ? user_of(lease.owner) : std::nullopt;
    if (uid) kept[*uid].emplace(inode, 0);
    return true;
  }));
  for (auto& [uid, files] : kept) {
    for (auto& [inode, size_bytes] : files) {
      TRY_ASSIGN(const auto record, catalog_.inode(inode));
      if (record) size_bytes = record->attributes.size_bytes;
    }
  }
  return kept;
}

UserPins::Holders UserPins::within(const Kept& all, uint64_t user_bytes) {
  Holders holders;
  for (const auto& [uid, files] : all) {
    const uint64_t bytes = sum_of(files);
    if (bytes <= user_bytes && files.size() <= kMostFilesOfUser) holders.emplace(bytes, uid);
  }
  return holders;
}

Result<void> UserPins::check_allowed() const {
  if (limits_().user_bytes > 0) return {};
  return Error(std::errc::permission_denied, "only root may pin here (pin_user is 0)");
}

Result<void> UserPins::admit(uint32_t uid, const Sizes& files) const {
  TRY(check_allowed());
  const Limits limits = limits_();
  TRY_ASSIGN(Kept all, kept());
  Sizes& mine = all[uid];
  for (const auto& [inode, size_bytes] : files) mine[inode] = size_bytes;
  if (mine.size() > kMostFilesOfUser) {
    return Error(std::errc::permission_denied,
                 fmt::format("you would keep {} files on the SSD, and {} is the most: unpin some",
                             mine.size(), kMostFilesOfUser));
  }
  if (const uint64_t bytes = sum_of(mine); bytes > limits.user_bytes) {
    return Error(std::errc::permission_denied,
                 fmt::format("you would keep {} on the SSD, and you may keep {} (pin_user): unpin "
                             "something first",
                             in_mebibytes(bytes), in_mebibytes(limits.user_bytes)));
  }
  uint64_t bytes = 0;
  for (const auto& [theirs, user] : within(all, limits.user_bytes))
    bytes = add_sizes(bytes, theirs);
  if (bytes <= limits.all_bytes) return {};
  return Error(std::errc::permission_denied,
               fmt::format("all users together would keep {} on the SSD, and may keep {} "
                           "(pin_users_percent)",
                           in_mebibytes(bytes), in_mebibytes(limits.all_bytes)));
}

bool UserPins::holds(const LeaseRecord& lease) const {
  const auto uid = lease.pin ? user_of(lease.owner) : std::nullopt;
  if (!uid) return true;
  const MutexLock lock(mutex_);
  return !over_.contains(*uid);
}

void UserPins::look() {
  MutexLock looking(looking_);
  const auto begin = SteadyClock::now();
  if (begin < next_look_) return;
  const auto all = kept();
  if (!all) {
    log::warning("pins of users could not be counted", {{"error", all.error().text()}});
  } else {
    const Limits limits = limits_();
    std::set<uint32_t> over;
    for (const auto& [uid, files] : *all) over.insert(uid);
    uint64_t bytes = 0;
    for (const auto& [theirs, uid] : within(*all, limits.user_bytes)) {
      bytes = add_sizes(bytes, theirs);
      if (bytes <= limits.all_bytes) over.erase(uid);
    }
    const MutexLock lock(mutex_);
    over_ = std::move(over);
  }
  const auto end = SteadyClock::now();
  next_look_ =
      end + std::max<SteadyClock::duration>(std::chrono::milliseconds(200), 20 * (end - begin));
}

}  // namespace tierhub
