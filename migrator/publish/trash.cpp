#include "migrator/publish/trash.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <time.h>

#include "common/duration.h"
#include "common/fault_points.h"
#include "common/log.h"
#include "common/mutex.h"
#include "migrator/base/archive_path.h"
#include "migrator/base/marked_name.h"

namespace tierhub {
namespace {

constexpr const char* kOnTheWay = "user.tierhub.on-the-way";
constexpr size_t kMaxKnownFolders = 100'000;
constexpr size_t kPage = 1000;
constexpr double kDaySeconds = 86400;
// So that deleting much leaves the archive to others, too.
constexpr size_t kEntriesAtOnce = 100;
constexpr auto kPause = std::chrono::milliseconds(50);

std::string today() {
  const time_t now = Timestamp::now().to_timespec().tv_sec;
  struct tm utc {};
  ::gmtime_r(&now, &utc);
  return fmt::format("{:04}-{:02}-{:02}", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday);
}

// Seconds since the end of that day; none: it is no name of a day.
std::optional<double> age_of(const std::string& private_name) {
  const std::string day = split_private_name(private_name).name;
  struct tm utc {};
  const char* end = ::strptime(day.c_str(), "%Y-%m-%d", &utc);
  if (end == nullptr || (*end != '\0' && *end != '.')) return std::nullopt;
  const double now = static_cast<double>(Timestamp::now().to_timespec().tv_sec);
  return now - static_cast<double>(::timegm(&utc)) - kDaySeconds;
}

// "2026-11-22.10" comes after "2026-11-22.9".
std::pair<std::string, int> order_of(const std::string& private_name) {
  const std::string day = split_private_name(private_name).name;
  const size_t dot = day.find('.');
  if (dot == std::string::npos) return {day, 1};
  return {day.substr(0, dot), std::atoi(day.c_str() + dot + 1)};
}

std::string in_trash(const std::string& day, const std::string& path) {
  return join_path(join_path(kTrashFolder, day), path);
}

bool is_folder(const ArchiveVersion& version) {
  return version.attributes.kind == FileKind::directory;
}

// The way to it is barred by something that is no folder.
bool is_barred(const Error& error) {
  return error.is(std::errc::not_a_directory) || error.is(std::errc::file_exists) ||
         is_conflict(error);
}

bool is_too_long(const Error& error) { return error.is(std::errc::filename_too_long); }

}  // namespace

Trash::Trash(Catalog& catalog, Archive& archive, const Options& options)
    : catalog_(catalog), archive_(archive), options_(options) {}

void Trash::start() {
  stopping_ = false;
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

void Trash::stop() {
  stopping_ = true;
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

Result<void> Trash::take(const std::string& leaf, const ArchiveVersion& version,
                         const std::string& path) {
  // Of what waited in `.tierhub/aside` it may not be known where it was.
  const bool has_path = !path.starts_with(std::string(kPrivateFolder) + "/");
  const PrivateName split = split_private_name(leaf);
  const std::string day = name_on(split.file_system, today());
  const std::string unique = marked_name(path.substr(path.rfind('/') + 1), version.attributes.kind,
                                         "removed " + split.name);
  TRY_ASSIGN(bool taken, has_path ? try_days(leaf, version, day, path) : Result<bool>(false));
  // Too often on one day, or no path can be so long.
  if (!taken && has_path) {
    TRY_ASSIGN(taken, try_take(leaf, version, day, join_path(parent_path(path), unique)));
  }
  if (!taken) {
    TRY_ASSIGN(taken, try_take(leaf, version, day, join_path("unnamed", unique)));
  }
  if (!taken) return Error(std::errc::file_exists, "its place in the trash is taken");
  fault_point(FaultPoint::trash_after_take);
  return {};
}

Result<bool> Trash::try_days(const std::string& leaf, const ArchiveVersion& version,
                             const std::string& day, const std::string& path) {
  for (int i = 1; i <= options_.most_days_of_a_path; ++i) {
    const std::string one = i == 1 ? day : with_suffix(day, fmt::format(".{}", i));
    TRY_ASSIGN(const bool taken, try_take(leaf, version, one, path));
    if (taken) return true;
  }
  return false;
}

// False: something else has its place on this day, or its place there has too long a path.
Result<bool> Trash::try_take(const std::string& leaf, const ArchiveVersion& version,
                             const std::string& day, const std::string& path) {
  const std::string source = join_path(kStagingFolder, leaf);
  const std::string target = in_trash(day, path);
  const std::string folder = parent_path(target);
  if (const auto made = make_folders(folder); !made) {
    if (is_barred(made.error()) || is_too_long(made.error())) return false;
    return made.error();
  }
  auto standing = archive_.stat(target);
  if (!standing && is_too_long(standing.error())) return false;
  if (!standing) return standing.error();
  if (*standing && is_folder(version) && is_folder(**standing)) {
    TRY_ASSIGN(const Xattrs there, archive_.xattrs(target));
    if (!there.contains(kOnTheWay)) return false;
    TRY_ASSIGN(const Xattrs xattrs, archive_.xattrs(source));
    TRY(archive_.set_attributes(target, **standing, version.attributes, xattrs));
    TRY(archive_.discard(leaf, version));
  } else {
    if (*standing) return false;
    auto moved = archive_.move(source, version, target, std::nullopt);
    if (!moved && is_too_long(moved.error())) return false;
    if (!moved) return moved.error();
  }
  touched_.with([&](auto& folders) { folders.insert(folder); });
  return true;
}

Result<void> Trash::make_folders(const std::string& path) {
  const bool known = made_.with([&](const auto& made) { return made.contains(path); });
  if (known || path == kTrashFolder) return {};
  TRY(make_folders(parent_path(path)));
  TRY(make_folder(path));
  made_.with([&](auto& made) {
    if (made.size() >= kMaxKnownFolders) made.clear();
    made.insert(path);
  });
  return {};
}

Result<void> Trash::make_folder(const std::string& path) {
  TRY_ASSIGN(const auto standing, archive_.stat(path));
  if (standing && is_folder(*standing)) return {};
  if (standing) return Error(std::errc::not_a_directory, path + " is not a folder");
  const auto nested = nested_path(path);
  TRY_ASSIGN(const std::string leaf, new_leaf(nested ? nested->file_system : FileSystemId()));
  Attributes attributes;
  attributes.kind = FileKind::directory;
  attributes.mode = 0700;
  TRY_ASSIGN(const auto staged, archive_.stage_node({leaf, attributes, {{kOnTheWay, "1"}}}));
  auto placed = archive_.place(leaf, path, std::nullopt);
  if (placed) return {};
  TRY(archive_.discard(leaf, staged));
  // Another removal has just made it.
  TRY_ASSIGN(const auto now, archive_.stat(path));
  if (now && is_folder(*now)) return {};
  return placed.error();
}

// A name in the staging folder of that file system.
Result<std::string> Trash::new_leaf(const FileSystemId& file_system) {
  TRY_ASSIGN(const uint64_t sequence, catalog_.allocate_sequence());
  return name_on(file_system, fmt::format("{:x}", sequence));
}

std::vector<std::string> Trash::take_touched() {
  const auto folders = touched_.with([](auto& all) { return std::exchange(all, {}); });
  return {folders.begin(), folders.end()};
}

Result<std::vector<ArchiveChild>> Trash::children(const std::string& path) {
  std::vector<ArchiveChild> all;
  for (uint64_t cookie = 0;;) {
    TRY_ASSIGN(ArchivePage page, archive_.list(path, cookie, kPage));
    std::move(page.children.begin(), page.children.end(), std::back_inserter(all));
    if (page.last) return all;
    cookie = page.next_cookie;
  }
}

Result<std::vector<std::string>> Trash::days() {
  TRY_ASSIGN(const auto folders, children(kTrashFolder));
  std::vector<std::string> names;
  for (const ArchiveChild& folder : folders) {
    if (age_of(folder.name)) names.push_back(folder.name);
  }
  std::sort(names.begin(), names.end(),
            [](const auto& a, const auto& b) { return order_of(a) > order_of(b); });
  return names;
}

Result<void> Trash::visit(const std::string& path, const std::function<bool(const Item&)>& visit) {
  TRY_ASSIGN(const auto all, days());
  bool go_on = true;
  for (const std::string& day : all) {
    TRY_ASSIGN(const auto found, archive_.stat(in_trash(day, path)));
    if (found && go_on) TRY(visit_below(day, path, *found, visit, go_on));
  }
  return {};
}

Result<void> Trash::visit_below(const std::string& day, const std::string& path,
                                const ArchiveVersion& version,
                                const std::function<bool(const Item&)>& visit, bool& go_on) {
  bool shown = !path.empty();
  if (shown && is_folder(version)) {
    TRY_ASSIGN(const Xattrs xattrs, archive_.xattrs(in_trash(day, path)));
    shown = !xattrs.contains(kOnTheWay);
  }
  if (shown) go_on = visit(Item{day, path, version});
  if (!go_on || !is_folder(version)) return {};
  TRY_ASSIGN(const auto below, children(in_trash(day, path)));
  for (const ArchiveChild& child : below) {
    TRY(visit_below(day, join_path(path, child.name), child.version, visit, go_on));
    if (!go_on) return {};
  }
  return {};
}

Result<Trash::Restored> Trash::restore(const std::string& path, const std::string& target) {
  TRY_ASSIGN(const auto all, days());
  Restored restored;
  std::optional<Error> taken;
  bool found = false;
  for (const std::string& day : all) {
    TRY_ASSIGN(const auto there, archive_.stat(in_trash(day, path)));
    if (!there) continue;
    found = true;
    TRY(restore_one(in_trash(day, path), target, restored, taken));
  }
  made_.with([](auto& made) { made.clear(); });
  if (!found) return Error(std::errc::no_such_file_or_directory, "/" + path + ": not in the trash");
  if (restored.entries == 0 && taken) return *taken;
  TRY(archive_.sync_folders({restored.folders.begin(), restored.folders.end()}));
  return restored;
}

// `taken`: what could not be brought back because something has its name.
Result<void> Trash::restore_one(const std::string& source, const std::string& target,
                                Restored& restored, std::optional<Error>& taken) {
  TRY_ASSIGN(auto version, archive_.stat(source));
  if (!version) return {};
  TRY_ASSIGN(const auto standing, archive_.stat(target));
  if (standing && is_folder(*standing) && is_folder(*version)) {
    TRY_ASSIGN(const auto below, children(source));
    for (const ArchiveChild& child : below)
      TRY(restore_one(join_path(source, child.name), join_path(target, child.name), restored,
                      taken));
    return {};
  }
  if (standing) {
    taken = Error(std::errc::file_exists,
                  fmt::format("/{} already exists: rename it, or restore with --to", target));
    return {};
  }
  const std::string folder = parent_path(target);
  TRY_ASSIGN(const auto parent, archive_.stat(folder));
  if (!parent || !is_folder(*parent)) {
    return Error(std::errc::no_such_file_or_directory,
                 fmt::format("the folder /{} is gone: restore it, or restore with --to", folder));
  }
  if (file_system_of(parent->identity) != file_system_of(version->identity)) {
    return Error(std::errc::cross_device_link,
                 fmt::format("the folder /{} is on another file system of the archive: restore it "
                             "where it was, or with --to on the same file system",
                             folder));
  }
  if (is_folder(*version)) {
    TRY_ASSIGN(const Xattrs xattrs, archive_.xattrs(source));
    if (xattrs.contains(kOnTheWay)) {
      // The folder that had this path is not here: it becomes one like the folder around it.
      TRY_ASSIGN(version, archive_.set_attributes(source, *version, parent->attributes, {}));
    }
  }
  TRY(archive_.move(source, *version, target, std::nullopt));
  ++restored.entries;
  restored.folders.insert(folder);
  return {};
}

Result<uint64_t> Trash::purge(const std::string& path, double seconds) {
  TRY_ASSIGN(const auto all, days());
  uint64_t entries = 0;
  for (const std::string& day : all) {
    // Without a limit today goes as well.
    if (seconds > 0 && age_of(day).value_or(0) < seconds) continue;
    TRY_ASSIGN(const auto version, archive_.stat(in_trash(day, path)));
    if (version) TRY(remove_tree(in_trash(day, path), *version, entries));
    if (stopping_) break;
  }
  made_.with([](auto& made) { made.clear(); });
  return entries;
}

Result<void> Trash::remove_tree(const std::string& path, const ArchiveVersion& version,
                                uint64_t& entries) {
  if (is_folder(version)) {
    TRY_ASSIGN(const auto below, children(path));
    for (const ArchiveChild& child : below) {
      TRY(remove_tree(join_path(path, child.name), child.version, entries));
      if (stopping_) return {};
    }
  }
  if (entries % kEntriesAtOnce == kEntriesAtOnce - 1) std::this_thread::sleep_for(kPause);
  TRY(remove_entry(path, version));
  ++entries;
  return {};
}

Result<void> Trash::remove_entry(const std::string& path, const ArchiveVersion& version) {
  TRY_ASSIGN(const std::string leaf, new_leaf(file_system_of(version.identity)));
  TRY(archive_.remove(path, version, leaf));
  return archive_.discard(leaf, version);
}

void Trash::run(const std::stop_token& stop) {
  Mutex mutex;
  StoppableConditionVariable stopped;
  while (!stop.stop_requested()) {
    if (const auto tidied = tidy(); !tidied && !stop.stop_requested())
      log::debug("could not tidy the trash", {{"error", tidied.error().text()}});
    MutexLock lock(mutex);
    stopped.wait_for(mutex, stop, seconds(options_.tick_s), [] { return false; });
  }
}

Result<void> Trash::tidy() {
  TRY(archive_.check_root());
  TRY_ASSIGN(const uint64_t old, purge("", std::max(options_.days * kDaySeconds, 1.0)));
  if (old > 0) log::info("deleted from the trash", {{"entries", old}});
  if (options_.keep_free_bytes == 0) return {};
  TRY_ASSIGN(const auto all, days());
  std::set<FileSystemId> file_systems;
  for (const std::string& day : all) file_systems.insert(split_private_name(day).file_system);
  for (const FileSystemId& file_system : file_systems) TRY(keep_free(file_system));
  return {};
}

// What rests in one file system takes room in that one.
Result<void> Trash::keep_free(const FileSystemId& file_system) {
  while (!stopping_) {
    TRY_ASSIGN(const Archive::Space space, archive_.space(file_system));
    TRY_ASSIGN(auto all, days());
    std::erase_if(all, [&](const std::string& day) {
      return split_private_name(day).file_system != file_system;
    });
    const double part = static_cast<double>(space.total_bytes) * options_.keep_free_percent / 100;
    const uint64_t keep_free_bytes =
        std::min(options_.keep_free_bytes, static_cast<uint64_t>(part));
    if (space.available_bytes >= keep_free_bytes || all.empty()) return {};
    TRY_ASSIGN(const auto version, archive_.stat(in_trash(all.back(), "")));
    if (!version) return {};
    uint64_t entries = 0;
    TRY(remove_tree(in_trash(all.back(), ""), *version, entries));
    made_.with([](auto& made) { made.clear(); });
    log::warning("the archive is almost full: the oldest day of the trash was deleted",
                 {{"day", all.back()}, {"entries", entries}});
  }
  return {};
}

}  // namespace tierhub
