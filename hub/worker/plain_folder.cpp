#include "hub/worker/plain_folder.h"

#include <algorithm>
#include <charconv>
#include <functional>
#include <map>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>

#include <fmt/format.h>

#include "api/json.h"
#include "api/routes.h"
#include "api/service.h"
#include "api/target.h"
#include "common/clock.h"
#include "common/posix.h"

namespace tierhub::hub {
namespace {

constexpr std::chrono::seconds kListingTime{1};
constexpr size_t kMostPlainEntries = 10'000;
constexpr size_t kDeepest = 64;

std::string kind_of(mode_t mode) {
  if (S_ISREG(mode)) return "file";
  if (S_ISDIR(mode)) return "directory";
  if (S_ISLNK(mode)) return "symlink";
  if (S_ISFIFO(mode)) return "fifo";
  if (S_ISSOCK(mode)) return "socket";
  return S_ISBLK(mode) ? "block device" : "character device";
}

api::Entry entry_of(const std::string& path, const struct stat& st) {
  api::Entry entry;
  entry.path = path;
  entry.kind = kind_of(st.st_mode);
  entry.mode = st.st_mode;
  entry.uid = st.st_uid;
  entry.gid = st.st_gid;
  entry.mtime = posix::modification_time(st);
  entry.size = static_cast<uint64_t>(st.st_size);
  if (S_ISREG(st.st_mode)) {
    entry.state = "hot";
    entry.resident = entry.size;
  }
  return entry;
}

class PlainListing {
 public:
  explicit PlainListing(const Root& root) : root_(root) {}

  // The names in a folder, sorted, with what they are. Those that go meanwhile are left out.
  Result<std::map<std::string, struct stat>> children(const std::string& folder) const {
    TRY_ASSIGN(const UniqueFd fd, posix::open_at(AT_FDCWD, root_.absolute(folder),
                                                 O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    TRY_ASSIGN(const auto names, posix::list_directory_fd(fd.get()));
    std::map<std::string, struct stat> all;
    for (const std::string& name : names) {
      const auto st = posix::stat_at(fd.get(), name, AT_SYMLINK_NOFOLLOW);
      if (st) all.emplace(name, *st);
    }
    return all;
  }

  Result<api::Listing> list(const std::string& folder, api::Service::Depth depth,
                            const std::string& after, size_t limit) {
    api::Listing listing;
    TRY(add_children(folder, depth, after, limit, 0, listing));
    return listing;
  }

 private:
  bool is_late() const { return SteadyClock::now() >= end_; }

  Result<void> add_children(const std::string& folder, api::Service::Depth depth,
                            const std::string& after, size_t limit, size_t deep,
                            api::Listing& listing) {
    TRY_ASSIGN(const auto all, children(folder));
    for (const auto& [name, st] : all) {
      if (!listing.next.empty()) return {};
      const std::string path = path_in(folder, name);
      // What comes after a path is also what is below it.
      const bool is_behind = after.empty() || names_of(path) > names_of(after);
      if (is_behind && listing.entries.size() == limit) {
        listing.next = listing.entries.back().path;
        return {};
      }
      const bool is_folder = S_ISDIR(st.st_mode);
      if (is_behind) {
        api::Entry entry = entry_of(path, st);
        if (is_folder && depth == api::Service::Depth::totals) add_totals(path, entry);
        listing.entries.push_back(std::move(entry));
      }
      const bool leads_on = is_behind || after.starts_with(path + "/") || after == path;
      if (is_folder && leads_on && depth == api::Service::Depth::all && deep < kDeepest) {
        // A folder that may not be listed is shown, and no more.
        (void)add_children(path, depth, after, limit, deep + 1, listing);
      }
    }
    return {};
  }

  void add_totals(const std::string& folder, api::Entry& entry) {
    api::Entry sum = entry;
    sum.size = 0;
    if (!add_files(folder, sum, 0)) return;
    sum.resident = sum.size;
    sum.state = "hot";
    entry = std::move(sum);
  }

  // False: there was no time, or a folder could not be listed.
  bool add_files(const std::string& folder, api::Entry& sum, size_t deep) {
    if (is_late() || deep > kDeepest) return false;
    const auto all = children(folder);
    if (!all) return false;
    for (const auto& [name, st] : *all) {
      if (S_ISREG(st.st_mode)) {
        ++sum.files;
        sum.size += static_cast<uint64_t>(st.st_size);
      } else if (S_ISDIR(st.st_mode) && !add_files(path_in(folder, name), sum, deep + 1)) {
        return false;
      }
    }
    return true;
  }

  const Root& root_;
  const SteadyClock::time_point end_ = SteadyClock::now() + kListingTime;
};

Result<api::Listing> list_target(const Root& root, const std::string& text) {
  TRY_ASSIGN(const api::Target target, api::parse_target(text));
  const auto parameter = [&](const std::string& name) {
    const auto found = target.parameters.find(name);
    return found == target.parameters.end() ? std::string() : found->second;
  };
  size_t limit = kMostPlainEntries;
  const std::string wanted = parameter("limit");
  if (!wanted.empty()) {
    const auto [end, failure] =
        std::from_chars(wanted.data(), wanted.data() + wanted.size(), limit);
    if (failure != std::errc() || end != wanted.data() + wanted.size() || limit < 1)
      return Error(std::errc::invalid_argument, fmt::format("limit = \"{}\" is no number", wanted));
  }
  limit = std::min(limit, kMostPlainEntries);
  using Depth = api::Service::Depth;
  const Depth depth = parameter("recursive") == "true" ? Depth::all
                      : parameter("totals") == "true"  ? Depth::totals
                                                       : Depth::children;
  const std::string named = parameter("path");
  TRY_ASSIGN(const std::string path, root.resolve(named.empty() ? "/" : named));
  TRY_ASSIGN(const struct stat st, posix::stat_at(AT_FDCWD, root.absolute(path)));
  if (S_ISDIR(st.st_mode)) return PlainListing(root).list(path, depth, parameter("after"), limit);
  api::Listing listing;
  listing.entries.push_back(entry_of(path, st));
  return listing;
}

}  // namespace

http::Response list_plain_folder(const Root& root, const std::string& target) {
  const auto listing = list_target(root, target);
  if (!listing) return api::to_http(api::refusal(listing.error()));
  http::Response response;
  response.body = api::encode(*listing) + "\n";
  response.headers.emplace_back("Cache-Control", "no-store");
  return response;
}

}  // namespace tierhub::hub
