#include "migrator/scanner.h"

#include <utility>

#include <fmt/format.h>

#include "common/log.h"
#include "migrator/scanner_folder.h"
#include "migrator/scanner_removal.h"

namespace tierhub {
namespace {

// Base is right, and the archive is the one that it describes.
Result<void> check_ready(const ScanState& scan) {
  TRY(scan.archive.check_root());
  TRY_ASSIGN(const auto intents, scan.catalog.intents());
  if (intents.empty()) return {};
  return Error(
      std::errc::resource_unavailable_try_again,
      "an interrupted change of the archive has to be settled first; scan again in a minute");
}

// Goes into each folder once, the tree mutex held for one folder at a time.
Result<void> walk(ScanState& scan, std::mutex& tree_mutex) {
  {
    const std::lock_guard lock(tree_mutex);
    TRY(check_ready(scan));
    TRY(import_root(scan));
  }
  std::vector<InodeNumber> folders{kRootInode};
  while (!folders.empty()) {
    const InodeNumber folder = folders.back();
    folders.pop_back();
    const std::lock_guard lock(tree_mutex);
    TRY_ASSIGN(const auto path, scan.catalog.base_path(folder));
    if (!path) continue;  // removed meanwhile
    auto subfolders = FolderScan(scan, folder, *path).run();
    if (subfolders) {
      folders.insert(folders.end(), subfolders->rbegin(), subfolders->rend());
      continue;
    }
    const Error& error = subfolders.error();
    if (is_archive_wide(error) || error.is(std::errc::operation_canceled)) return error;
    // Unknown, never empty: nothing of it counts as missing.
    log::warning("a folder of the archive cannot be listed",
                 {{"path", *path}, {"error", error.text()}});
  }
  return {};
}

Result<void> import_links(ScanState& scan, std::mutex& tree_mutex) {
  for (const Name& name : scan.new_links) {
    const std::lock_guard lock(tree_mutex);
    TRY(import_link(scan, name));
  }
  return {};
}

Result<void> remove_missing(ScanState& scan, std::mutex& tree_mutex, Scanner::Removals removals) {
  if (scan.missing.empty()) return {};
  {
    const std::lock_guard lock(tree_mutex);
    TRY(check_ready(scan));
  }
  RemovalScan removal(scan);
  TRY_ASSIGN(const uint64_t count, removal.count());
  const double share = static_cast<double>(count) / static_cast<double>(count + scan.entries);
  const bool many = count > scan.options.removal_limit && share > scan.options.removal_share;
  if (many && removals == Scanner::Removals::guarded) {
    return Error(std::errc::operation_not_permitted,
                 fmt::format("{} of {} entries are missing in the archive, so none was removed "
                             "here; look whether the archive "
                             "is complete, then run `tierctl scan --accept`",
                             count, count + scan.entries));
  }
  for (const Name& name : scan.missing) {
    const std::lock_guard lock(tree_mutex);
    TRY(removal.remove(name));
  }
  return {};
}

}  // namespace

Scanner::Scanner(InodeTable& inodes, const Scratch& scratch, Archive& archive,
                 std::mutex& tree_mutex, Options options)
    : inodes_(inodes),
      scratch_(scratch),
      archive_(archive),
      tree_mutex_(tree_mutex),
      options_(std::move(options)) {}

Result<ScanCounts> Scanner::run(const std::function<bool(const ScanCounts&)>& progress,
                                Removals removals) {
  ScanState scan{inodes_, inodes_.catalog(), scratch_, archive_, options_, progress, {}, 0, {}, {},
                 {}};
  TRY(walk(scan, tree_mutex_));
  TRY(import_links(scan, tree_mutex_));
  TRY(remove_missing(scan, tree_mutex_, removals));
  return scan.counts;
}

}  // namespace tierhub
