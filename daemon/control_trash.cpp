// The trash, for the control API: everyone sees, restores and deletes what was theirs; root all of
// it.
#include <algorithm>

#include <fmt/format.h>

#include "common/log.h"
#include "daemon/control.h"
#include "daemon/control_messages.h"

namespace tierhub {
namespace {

constexpr size_t kMostItems = 10'000;

bool is_own(const api::Caller& caller, const Trash::Item& item) {
  return caller.uid == 0 || caller.uid == item.version.attributes.uid;
}

std::pair<std::string, std::string> split(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {"/", path};
  return {slash == 0 ? "/" : path.substr(0, slash), path.substr(slash + 1)};
}

}  // namespace

// What is gone cannot be resolved: the path is taken as it is, without the mount in front of it.
std::string Control::trash_path(const std::string& path) const {
  std::string_view rest = path;
  const std::string& mount = parts_.config.mount;
  if (rest == mount || rest.starts_with(mount + "/")) rest.remove_prefix(mount.size());
  while (rest.starts_with('/')) rest.remove_prefix(1);
  while (rest.ends_with('/')) rest.remove_suffix(1);
  return std::string(rest);
}

Result<api::TrashListing> Control::trash(const api::Caller& caller, const std::string& path) {
  api::TrashListing listing;
  TRY(parts_.trash.visit(trash_path(path), [&](const Trash::Item& item) {
    if (!is_own(caller, item)) return true;
    listing.more = listing.items.size() == kMostItems;
    if (listing.more) return false;
    const Attributes& attributes = item.version.attributes;
    listing.items.push_back({"/" + item.path, item.day, to_text(attributes.kind),
                             attributes.size_bytes, attributes.mode, attributes.uid, attributes.gid,
                             attributes.mtime});
    return true;
  }));
  return listing;
}

// All of it was the caller's.
Result<void> Control::require_own(const api::Caller& caller, const std::string& path) const {
  std::optional<std::string> foreign;
  bool any = false;
  TRY(parts_.trash.visit(path, [&](const Trash::Item& item) {
    any = any || is_own(caller, item);
    if (!is_own(caller, item)) foreign = item.path;
    return !foreign;
  }));
  // What was never the caller's is not theirs to know.
  if (!any && caller.uid != 0)
    return Error(std::errc::no_such_file_or_directory, fmt::format("/{}: not in the trash", path));
  if (!foreign) return {};
  return Error(std::errc::permission_denied,
               fmt::format("/{}: not all of it was yours; ask an administrator", path));
}

// Where it goes, as a path of the archive.
Result<std::string> Control::restore_target(const api::Caller& caller, const std::string& path,
                                            const std::string& to) {
  auto [folder, name] = split(to.empty() ? "/" + path : to);
  if (!to.empty()) {
    const auto there = walk_.resolve(caller, to);
    if (there && there->record.attributes.kind == FileKind::directory) {
      folder = to;
      name = split(path).second;
    }
  }
  auto node = walk_.resolve(caller, folder);
  if (!node) {
    return Error(node.error().code(),
                 fmt::format("{}: its folder: {}; restore the folder first, or use --to", folder,
                             node.error().text()));
  }
  for (const Access access : {Access::write, Access::traverse}) {
    TRY_ASSIGN(const bool allowed, walk_.may(caller, *node, access));
    if (!allowed)
      return Error(std::errc::permission_denied, node->path + ": you may not write there");
  }
  TRY_ASSIGN(const auto ours, catalog_.lookup(node->inode, name));
  if (ours && caller.uid != 0) {
    return Error(std::errc::file_exists,
                 fmt::format("{}/{} already exists: restore with --to", node->path, name));
  }
  TRY_ASSIGN(const auto in_archive, catalog_.base_path(node->inode));
  if (!in_archive) {
    return Error(std::errc::resource_unavailable_try_again,
                 node->path + " is not in the archive yet: publish it first");
  }
  return in_archive->empty() ? name : *in_archive + "/" + name;
}

Result<InodeNumber> Control::folder_in_base(const std::string& path) const {
  InodeNumber folder = kRootInode;
  for (size_t begin = 0; begin < path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    TRY_ASSIGN(const auto next, catalog_.base({folder, path.substr(begin, end - begin)}));
    if (!next) return folder;  // new itself: it is found from the one above
    folder = next->inode;
    begin = end + 1;
  }
  return folder;
}

Result<api::TrashResult> Control::restore_trash(const api::Caller& caller,
                                                const api::TrashRequest& request) {
  api::TrashResult result;
  for (const std::string& asked : request.paths) {
    const std::string path = trash_path(asked);
    if (path.empty())
      return Error(std::errc::invalid_argument, "name what to restore: `tierctl trash list`");
    TRY(require_own(caller, path));
    TRY_ASSIGN(const std::string target, restore_target(caller, path, request.to));
    TRY_ASSIGN(const Trash::Restored restored, parts_.trash.restore(path, target));
    result.entries += restored.entries;
    std::vector<InodeNumber> folders;
    for (const std::string& folder : restored.folders) {
      TRY_ASSIGN(const InodeNumber inode, folder_in_base(folder));
      folders.push_back(inode);
    }
    const auto looked = parts_.scanner.look(folders, Scanner::New::restored);
    if (!looked)
      return looked.error().in("it is back in the archive and will appear with the next scan");
    // Files with several names join them there.
    if (looked->wants_whole_scan) parts_.scans.scan_anew();
  }
  return result;
}

Result<api::TrashResult> Control::purge_trash(const api::Caller& caller,
                                              const api::TrashRequest& request) {
  api::TrashResult result;
  for (const std::string& asked : request.paths) {
    const std::string path = trash_path(asked);
    TRY(require_own(caller, path));
    TRY_ASSIGN(const uint64_t entries,
               parts_.trash.purge(path, static_cast<double>(request.older_than_s)));
    result.entries += entries;
  }
  return result;
}

}  // namespace tierhub
