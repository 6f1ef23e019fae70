#include "migrator/publish/departure.h"

#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

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

Result<void> keep_in_trash(const Catalog& catalog, Trash* trash, const std::string& leaf,
                           const ArchiveVersion& version, InodeNumber inode,
                           const std::string& path, Farewell farewell) {
  if (trash == nullptr || !trash->takes_removed()) return {};
  bool takes = trash->takes_replaced();
  if (farewell == Farewell::nameless) {
    TRY_ASSIGN(const bool nameless, is_nameless(catalog, inode));
    // With its last name: until then it is there under another one, and the trash would be a
    // further name of it.
    if (!nameless) return {};
    TRY_ASSIGN(const auto departure, catalog.departure(inode));
    takes = takes || !departure || departure->how == DepartureRecord::How::removed;
  }
  if (!takes) return {};
  TRY_ASSIGN(const std::string had, place_it_had(catalog, inode, path));
  auto taken = trash->take(leaf, version, had);
  if (!taken) return taken.error().in("move a removed entry to the trash");
  return {};
}

}  // namespace tierhub
