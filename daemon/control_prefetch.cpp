// Prefetches: what a request may ask for, and which files it means.
#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "daemon/control.h"
#include "daemon/control_messages.h"

namespace tierhub {
namespace {

// One of the files that a request names, with all that it asks of it.
struct NamedFile {
  InodeNumber inode;
  std::vector<ByteRange> ranges;
  bool is_whole = false;
};

Result<PrefetchUrgency> urgency_of(const std::string& text) {
  if (text.empty() || text == "task") return PrefetchUrgency::task;
  if (text == "later") return PrefetchUrgency::later;
  return Error(std::errc::invalid_argument, "urgency must be task or later");
}

enum class Keep { as_usual, to_the_last };

Result<Keep> keep_of(const std::string& text) {
  if (text.empty()) return Keep::as_usual;
  if (text == "metadata") return Keep::to_the_last;
  return Error(std::errc::invalid_argument, "keep must be metadata, or empty");
}

std::string label_of(const api::PrefetchRequest& request) {
  if (!request.label.empty()) return request.label;
  std::string label = request.paths.empty() ? request.files.front().path : request.paths.front();
  const size_t more = request.paths.size() + request.files.size() - 1;
  if (more > 0) label += fmt::format(" and {} more", more);
  return label;
}

// Without those that lie below another one.
std::vector<FoundNode> topmost(std::vector<FoundNode> nodes) {
  std::ranges::sort(nodes, {}, &FoundNode::path);
  std::vector<FoundNode> result;
  std::set<std::string_view> kept;
  const auto lies_below = [&](const std::string& path) {
    for (size_t slash = path.rfind('/'); slash != std::string::npos && slash > 0;
         slash = path.rfind('/', slash - 1)) {
      if (kept.contains(std::string_view(path).substr(0, slash))) return true;
    }
    return kept.contains("/");
  };
  result.reserve(nodes.size());  // `kept` looks into it
  for (FoundNode& node : nodes) {
    const bool is_same = !result.empty() && result.back().path == node.path;
    if (is_same || lies_below(node.path)) continue;
    result.push_back(std::move(node));
    kept.insert(result.back().path);
  }
  return result;
}

}  // namespace

Result<void> Control::check_size(const api::PrefetchRequest& request) const {
  const PrefetchLimits& limits = parts_.prefetcher.limits();
  if (request.paths.empty() && request.files.empty())
    return Error(std::errc::invalid_argument, "no path is given");
  const size_t names = request.paths.size() + request.files.size();
  if (names > limits.names) {
    return Error(
        std::errc::argument_list_too_long,
        fmt::format("the request names {} paths and files, at most {} fit in one: split it", names,
                    limits.names));
  }
  size_t ranges = 0;
  for (const api::FileRanges& file : request.files) ranges += file.ranges.size();
  if (ranges > limits.ranges) {
    return Error(std::errc::argument_list_too_long,
                 fmt::format("the request has {} ranges, at most {} fit in one: split it, or join "
                             "ranges that are close together",
                             ranges, limits.ranges));
  }
  return {};
}

// Whole files and folders first. No folder is walked twice, and no file that is named by itself is
// handed over twice.
Result<void> Control::hand_over_items(const api::Caller& caller,
                                      const api::PrefetchRequest& request,
                                      const Prefetcher::TakeItem& take) {
  const auto check_readable = [&](const FoundNode& node) -> Result<void> {
    TRY_ASSIGN(const bool readable, walk_.may(caller, node, Access::read));
    if (readable) return {};
    return Error(std::errc::permission_denied, node.path + ": you may not read it");
  };
  std::vector<FoundNode> starts;
  for (const std::string& path : request.paths) {
    TRY_ASSIGN(FoundNode start, walk_.resolve(caller, path));
    starts.push_back(std::move(start));
  }
  const auto take_file = [&](const FoundNode& node) -> Result<bool> {
    if (node.record.attributes.kind != FileKind::file) return true;
    TRY(check_readable(node));
    TRY(take({node.inode, {}}));
    return true;
  };
  for (const FoundNode& start : topmost(std::move(starts)))
    TRY(walk_.walk(caller, start, "", take_file));
  std::vector<NamedFile> files;
  std::map<InodeNumber, size_t> known;
  NamespaceWalk::Nearby nearby(walk_, caller);
  for (const api::FileRanges& file : request.files) {
    TRY_ASSIGN(const FoundNode node, nearby.resolve(file.path));
    if (node.record.attributes.kind != FileKind::file) {
      return Error(std::errc::invalid_argument,
                   node.path + " is not a file: name folders in `paths`");
    }
    TRY(check_readable(node));
    const auto [it, is_new] = known.emplace(node.inode, files.size());
    if (is_new) files.push_back({node.inode, {}, false});
    NamedFile& named = files[it->second];
    named.is_whole = named.is_whole || file.ranges.empty();
    named.ranges.insert(named.ranges.end(), file.ranges.begin(), file.ranges.end());
  }
  for (NamedFile& file : files) {
    if (file.is_whole) file.ranges.clear();
    TRY(take({file.inode, std::move(file.ranges)}));
  }
  return {};
}

Result<api::Prefetch> Control::start_prefetch(const api::Caller& caller,
                                              const api::PrefetchRequest& request) {
  TRY(check_size(request));
  TRY(check_lease_time(request.lease_ttl_s));
  Prefetcher::Request wanted;
  TRY_ASSIGN(wanted.urgency, urgency_of(request.urgency));
  TRY_ASSIGN(const Keep keep, keep_of(request.keep));
  std::vector<PrefetchItem> kept;
  if (keep == Keep::to_the_last) {
    TRY(hand_over_items(caller, request, [&](PrefetchItem item) -> Result<void> {
      kept.push_back(std::move(item));
      if (kept.size() <= KeptLast::kMostFiles) return {};
      return Error(std::errc::argument_list_too_long,
                   fmt::format("at most {} files can be kept as metadata", KeptLast::kMostFiles));
    }));
    TRY(parts_.evictor.evict_last(kept));
  }
  wanted.items = [&](const Prefetcher::TakeItem& take) -> Result<void> {
    if (keep == Keep::as_usual) return hand_over_items(caller, request, take);
    for (PrefetchItem& item : kept) TRY(take(std::move(item)));
    return {};
  };
  wanted.label = label_of(request);
  wanted.owner_uid = caller.uid;
  wanted.lease_name = request.lease_owner;
  wanted.lease_ttl_s = request.lease_ttl_s;
  TRY_ASSIGN(const auto progress, parts_.prefetcher.add(wanted));
  return to_message(progress);
}

// Labels and errors name files: a prefetch is shown to its owner and to root.
Result<void> Control::require_own(const api::Caller& caller, uint64_t prefetch) const {
  TRY_ASSIGN(const auto progress, parts_.prefetcher.progress(prefetch));
  if (caller.uid == 0 || caller.uid == progress.record.owner_uid) return {};
  return Error(std::errc::permission_denied, "this prefetch is another user's");
}

Result<api::Prefetch> Control::cancel_prefetch(const api::Caller& caller, uint64_t id) {
  TRY(require_own(caller, id));
  TRY_ASSIGN(const auto cancelled, parts_.prefetcher.cancel(id));
  return to_message(cancelled);
}

Result<api::Prefetch> Control::resume_prefetch(const api::Caller& caller, uint64_t id) {
  TRY(require_own(caller, id));
  TRY_ASSIGN(const auto resumed, parts_.prefetcher.resume(id));
  return to_message(resumed);
}

Result<api::Prefetch> Control::prefetch(const api::Caller& caller, uint64_t id) {
  TRY(require_own(caller, id));
  TRY_ASSIGN(const auto progress, parts_.prefetcher.progress(id));
  return to_message(progress);
}

Result<std::vector<api::Prefetch>> Control::prefetches(const api::Caller& caller) {
  std::vector<api::Prefetch> result;
  for (const auto& progress : parts_.prefetcher.all()) {
    if (caller.uid == 0 || caller.uid == progress.record.owner_uid)
      result.push_back(to_message(progress));
  }
  return result;
}

}  // namespace tierhub
