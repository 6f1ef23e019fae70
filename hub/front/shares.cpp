#include "hub/front/shares.h"

#include <algorithm>

#include <fmt/format.h>

#include "hub/front/secret.h"

namespace tierhub::hub {
namespace {

std::string first_half(std::string_view token) {
  return std::string(token.substr(0, token.size() / 2));
}

std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> parts;
  for (;;) {
    const size_t end = text.find('/');
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

bool is_number(std::string_view text) {
  return !text.empty() && text.size() < 20 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool is_label_name(std::string_view text) {
  return !text.empty() && text.front() != '.' && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
  });
}

bool is_metadata(std::string_view name) {
  return name == ".zattrs" || name == ".zgroup" || name == ".zarray" || name == ".zmetadata" ||
         name == "zarr.json";
}

// "zarr.json", "0/.zarray", "0/1/0/3/0/0", "0/c/1/0/3/0/0": of an image with five axes.
bool is_image_key(const std::vector<std::string_view>& parts) {
  constexpr size_t kAxes = 5;
  if (parts.size() == 1) return is_metadata(parts[0]);
  if (!is_number(parts[0])) return false;
  if (parts.size() == 2) return is_metadata(parts[1]);
  const size_t first = parts[1] == "c" ? 2 : 1;
  return parts.size() == first + kAxes &&
         std::all_of(parts.begin() + static_cast<ptrdiff_t>(first), parts.end(), is_number);
}

bool is_key(const std::vector<std::string_view>& parts) {
  if (parts.front() != "labels") return is_image_key(parts);
  if (parts.size() == 2) return is_metadata(parts[1]);
  return parts.size() > 2 && is_label_name(parts[1]) &&
         is_image_key({parts.begin() + 2, parts.end()});
}

}  // namespace

Result<Share> Shares::add(const Person& person, const std::string& path,
                          std::chrono::seconds life) {
  if (!path.starts_with('/') || path == "/" || path.find('\0') != std::string::npos)
    return Error(std::errc::invalid_argument, "name an image by its path, which begins with /");
  if (life <= std::chrono::seconds(0) || life > kLongest)
    return Error(std::errc::invalid_argument, "a share may live from 1 hour to 31 days");
  MutexLock lock(mutex_);
  forget_expired();
  const auto mine = std::count_if(shares_.begin(), shares_.end(), [&](const auto& one) {
    return one.second.person.uid == person.uid;
  });
  if (static_cast<size_t>(mine) >= kMostOfAPerson) {
    return Error(std::errc::too_many_links,
                 fmt::format("you share {} images already: take one back", kMostOfAPerson));
  }
  timespec expires = Timestamp::now().to_timespec();
  expires.tv_sec += life.count();
  Share share{make_secret(), person, path, Timestamp::from(expires)};
  shares_[first_half(share.token)] = share;
  return share;
}

std::optional<Share> Shares::find(std::string_view token) {
  MutexLock lock(mutex_);
  forget_expired();
  const auto found = shares_.find(first_half(token));
  if (found == shares_.end() || !is_equal_in_constant_time(found->second.token, token))
    return std::nullopt;
  return found->second;
}

std::vector<Share> Shares::of(uint32_t uid) {
  MutexLock lock(mutex_);
  forget_expired();
  std::vector<Share> mine;
  for (const auto& [half, share] : shares_)
    if (share.person.uid == uid) mine.push_back(share);
  std::sort(mine.begin(), mine.end(),
            [](const Share& a, const Share& b) { return a.expires < b.expires; });
  return mine;
}

bool Shares::end(uint32_t uid, std::string_view token) {
  MutexLock lock(mutex_);
  const auto found = shares_.find(first_half(token));
  if (found == shares_.end() || found->second.person.uid != uid ||
      !is_equal_in_constant_time(found->second.token, token))
    return false;
  shares_.erase(found);
  return true;
}

void Shares::end_all(uint32_t uid) {
  MutexLock lock(mutex_);
  std::erase_if(shares_, [&](const auto& one) { return one.second.person.uid == uid; });
}

void Shares::forget_expired() {
  const Timestamp now = Timestamp::now();
  std::erase_if(shares_, [&](const auto& one) { return one.second.expires < now; });
}

std::optional<ShareTarget> parse_share_target(std::string_view path) {
  constexpr std::string_view kPrefix = "/share/";
  if (!path.starts_with(kPrefix)) return std::nullopt;
  path.remove_prefix(kPrefix.size());
  const std::vector<std::string_view> parts = split(path);
  if (parts.size() < 4 || parts[1] != "zarr" || (parts[2] != "v2" && parts[2] != "v3") ||
      !is_key({parts.begin() + 3, parts.end()}))
    return std::nullopt;
  const size_t begin = parts[0].size() + parts[1].size() + parts[2].size() + 3;
  return ShareTarget{std::string(parts[0]), std::string(parts[2]), std::string(path.substr(begin))};
}

}  // namespace tierhub::hub
