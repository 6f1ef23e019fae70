#include "migrator/publish/departure.h"

#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "common/log.h"
#include "migrator/base/archive_path.h"
#include "storage/archive/file_system_id.h"

namespace tierhub {
namespace {

// What waits for its place in `.tierhub/aside` has the number of its inode as its name.
std::optional<InodeNumber> number_aside(std::string_view leaf) {
  const std::string name = split_private_name(std::string(leaf)).name;
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
  return InodeNumber{number};
}

Result<bool> is_nameless(const Catalog& catalog, InodeNumber inode) {
  TRY_ASSIGN(const auto names, catalog.names(inode));
  return names.empty();
}

Result<std::string> place_of_path(const Catalog& catalog, const std::string& path) {
  const std::string aside = std::string(kAsideFolder) + "/";
  if (!path.starts_with(aside)) return path;
  const size_t slash = path.find('/', aside.size());
  const auto top = number_aside(std::string_view(path).substr(aside.size(), slash - aside.size()));
  if (!top) return path;
  const std::string below = slash == std::string::npos ? "" : path.substr(slash + 1);
  TRY_ASSIGN(const auto named, catalog.path(*top));
  if (named) return join_path(named->substr(1), below);
  TRY_ASSIGN(const auto departure, catalog.departure(*top));
  if (!departure || departure->path.empty()) return path;
  return join_path(departure->path, below);
}

}  // namespace

Result<void> note_place(const Catalog& catalog, Batch& batch, InodeNumber inode,
                        const std::string& path) {
  TRY_ASSIGN(const bool nameless, is_nameless(catalog, inode));
  if (!nameless) return {};
  TRY_ASSIGN(auto departure, catalog.departure(inode));
  if (!departure) departure.emplace();
  if (!departure->path.empty()) return {};
  TRY_ASSIGN(departure->path, place_of_path(catalog, path));
  batch.put_departure(inode, *departure);
  return {};
}

Result<std::string> place_it_had(const Catalog& catalog, InodeNumber inode,
                                 const std::string& path) {
  TRY_ASSIGN(auto departure, catalog.departure(inode));
  if (departure && !departure->path.empty()) return std::move(departure->path);
  return place_of_path(catalog, path);
}

Result<void> keep_displaced(const Catalog& catalog, Trash* trash, const Displaced& displaced) {
  if (trash == nullptr || !trash->takes_removed()) return {};
  bool takes = trash->takes_replaced();
  if (displaced.farewell == Farewell::displaced) {
    TRY_ASSIGN(const auto in_base, catalog.base_names(displaced.inode));
    if (in_base.size() > 1) return {};  // the archive has it under another name
  }
  if (displaced.farewell != Farewell::overwritten) {
    TRY_ASSIGN(const bool nameless, is_nameless(catalog, displaced.inode));
    // With its last name: until then it is there under another one, and the trash would be a
    // further name of it.
    if (!nameless) return {};
    TRY_ASSIGN(const auto departure, catalog.departure(displaced.inode));
    takes = takes || !departure || departure->how == DepartureRecord::How::removed;
  }
  if (!takes) return {};
  TRY_ASSIGN(const std::string had, place_it_had(catalog, displaced.inode, displaced.path));
  auto taken = trash->take(displaced.leaf, displaced.version, had);
  if (!taken) return taken.error().in("move a removed entry to the trash");
  return {};
}

Result<void> put_back(Archive& archive, const Displaced& displaced,
                      const std::optional<ArchiveVersion>& arrived) {
  TRY(archive.place(displaced.leaf, displaced.path, arrived));
  // What stays in staging now is discarded by the recovery.
  if (arrived) static_cast<void>(discard_displaced(archive, displaced.leaf, *arrived));
  return {};
}

Result<void> discard_displaced(Archive& archive, const std::string& leaf,
                               const ArchiveVersion& version) {
  auto discarded = archive.discard(leaf, version);
  if (discarded || is_archive_wide(discarded.error())) return discarded;
  if (is_conflict(discarded.error())) {
    // Someone had it open and went on writing: these bytes are nowhere else.
    const std::string source = fmt::format("{}/{}", kStagingFolder, leaf);
    const std::string target = fmt::format("{}/changed-{}", kAsideFolder, leaf);
    const auto found = archive.stat(source);
    if (found && *found && archive.move(source, **found, target, std::nullopt)) {
      log::error(
          "a program wrote to a file in the archive after TierHub replaced it; what it wrote is "
          "kept",
          {{"path", target}});
      return {};
    }
  }
  log::warning("could not remove an entry from the staging folder",
               {{"leaf", leaf}, {"error", discarded.error().text()}});
  return {};
}

Result<void> renew_version(Catalog& catalog, Archive& archive, InodeNumber inode) {
  TRY_ASSIGN(const auto names, catalog.base_names(inode));
  if (names.empty()) return {};  // most files had one name
  TRY_ASSIGN(const auto on_record, catalog.version(inode));
  TRY_ASSIGN(const auto path, catalog.base_path(inode));
  if (!on_record || !path) return {};
  const auto found = archive.stat(*path);
  if (!found || !*found || !is_on_record(**found, *on_record)) return {};
  Batch batch;
  batch.put_version(inode, **found);
  return catalog.commit(batch);
}

}  // namespace tierhub
