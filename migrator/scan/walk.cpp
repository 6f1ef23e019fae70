#include "migrator/scan/walk.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "common/log.h"
#include "migrator/base/base_edit.h"
#include "migrator/scan/removal.h"

namespace tierhub {

Result<void> check_ready(ScanState& scan) {
  TRY(scan.archive.check_root());
  TRY_ASSIGN(const auto intents, scan.catalog.intents());
  const auto file_system_of_intent = [](const IntentRecord& intent) {
    return split_private_name(intent.staged_leaf).file_system;
  };
  scan.unsettled.clear();
  for (const auto& [sequence, intent] : intents)
    scan.unsettled.insert(file_system_of_intent(intent));
  // Those nested below are left alone until then.
  if (!scan.unsettled.contains(FileSystemId())) return {};
  return Error(
      std::errc::resource_unavailable_try_again,
      "an interrupted change to the archive has to be settled first; scan again in a minute");
}

Result<void> ScanWalk::whole(Scanner::Removals removals) {
  scan_.depth = ScanState::Depth::whole;
  scan_.gives_up_file_systems = removals == Scanner::Removals::accepted;
  {
    const auto lock = hold_();
    TRY(check_ready(scan_));
    TRY(import_root(scan_));
    TRY_ASSIGN(const auto known, scan_.catalog.base_children(kRootInode));
    scan_.defers = !known.empty();  // else nothing can have been renamed
  }
  TRY(go({kRootInode}));
  TRY(remove_missing(removals));
  return list_again();
}

Result<void> ScanWalk::look(const std::vector<InodeNumber>& folders) {
  scan_.depth = ScanState::Depth::new_only;
  scan_.defers = true;
  {
    const auto lock = hold_();
    TRY(check_ready(scan_));
  }
  TRY(go(folders));
  TRY(remove_missing(Scanner::Removals::guarded));
  return list_again();
}

Result<void> ScanWalk::go(std::vector<InodeNumber> folders) {
  while (!folders.empty() || !scan_.deferred.empty()) {
    TRY(list(std::exchange(folders, {})));
    TRY_ASSIGN(folders, match_renames());
    if (folders.empty()) {
      TRY_ASSIGN(folders, take_in_deferred());
    }
  }
  return join_links();
}

// Goes into each folder once, the tree mutex held for one folder at a time.
Result<void> ScanWalk::list(std::vector<InodeNumber> folders) {
  while (!folders.empty()) {
    const InodeNumber folder = folders.back();
    folders.pop_back();
    const auto lock = hold_();
    TRY_ASSIGN(const auto path, scan_.catalog.base_path(folder));
    if (!path) continue;  // removed meanwhile
    auto subfolders = FolderScan(scan_, folder, *path).run();
    if (subfolders) {
      folders.insert(folders.end(), subfolders->rbegin(), subfolders->rend());
      continue;
    }
    const Error& error = subfolders.error();
    if (is_archive_wide(error) || error.is(std::errc::operation_canceled)) return error;
    const bool gone =
        error.is(std::errc::no_such_file_or_directory) || error.is(std::errc::not_a_directory);
    if (gone && scan_.depth == ScanState::Depth::new_only) {
      // The folder above tells what became of it.
      TRY_ASSIGN(const auto in_base, scan_.catalog.base_names(folder));
      for (const Name& name : in_base) folders.push_back(name.parent);
      continue;
    }
    // Unknown, never empty: nothing of it counts as missing.
    log::warning("a folder of the archive cannot be listed",
                 {{"path", *path}, {"error", error.text()}});
  }
  return {};
}

// Returns the renamed folders.
Result<std::vector<InodeNumber>> ScanWalk::match_renames() {
  std::vector<InodeNumber> folders;
  if (scan_.deferred.empty() || scan_.missing.empty()) return folders;
  std::unordered_map<std::string, size_t> by_identity;
  for (size_t i = 0; i < scan_.deferred.size(); ++i) {
    by_identity.emplace(scan_.deferred[i].child.version.identity.bytes, i);
  }
  std::vector<Name> still_missing;
  std::set<size_t> matched;
  for (Name& name : scan_.missing) {
    const auto lock = hold_();
    TRY_ASSIGN(const auto known, scan_.catalog.base(name));
    std::optional<ArchiveVersion> version;
    if (known) {
      TRY_ASSIGN(version, scan_.catalog.version(known->inode));
    }
    const auto found = version ? by_identity.find(version->identity.bytes) : by_identity.end();
    bool renamed = false;
    if (found != by_identity.end() && !matched.contains(found->second)) {
      TRY_ASSIGN(renamed, follow(name, scan_.deferred[found->second]));
    }
    if (!renamed) {
      still_missing.push_back(std::move(name));
      continue;
    }
    matched.insert(found->second);
    if (known->kind == FileKind::directory) folders.push_back(known->inode);
  }
  scan_.missing = std::move(still_missing);
  std::vector<ScanState::Deferred> left;
  for (size_t i = 0; i < scan_.deferred.size(); ++i) {
    if (!matched.contains(i)) left.push_back(std::move(scan_.deferred[i]));
  }
  scan_.deferred = std::move(left);
  return folders;
}

// What base has at `from` stands at `to` in the archive now. The namespace follows, if it did not
// rename it itself. Not of what was removed here, or is not quite the same: that is a removal and
// something new.
Result<bool> ScanWalk::rename(const Name& from, const ScanState::Deferred& to) {
  const Name target{to.folder, to.child.name};
  TRY_ASSIGN(const auto known, scan_.catalog.base(from));
  TRY_ASSIGN(const auto in_base, scan_.catalog.base_names(known->inode));
  TRY_ASSIGN(const auto version, scan_.catalog.version(known->inode));
  const bool same = version && version->attributes.kind == to.child.version.attributes.kind &&
                    version->identity == to.child.version.identity &&
                    (known->kind != FileKind::file || version->same_content(to.child.version));
  if (!same || in_base.size() != 1) return false;
  TRY_ASSIGN(const bool at_source, still_there(from, *version));
  TRY_ASSIGN(const bool at_target, still_there(target, to.child.version));
  TRY_ASSIGN(const bool cycle, lies_below(target.parent, known->inode));
  if (at_source || !at_target || cycle) return false;

  TRY_ASSIGN(const HeldInodes held,
             HeldInodes::lock(scan_.inodes, {known->inode, from.parent, target.parent}));
  InodeState& source_folder = held.at(from.parent);
  InodeState& target_folder = held.at(target.parent);
  InodeState& inode = held.at(known->inode);
  TRY_ASSIGN(const auto ours_at_source, scan_.catalog.lookup(from.parent, from.name));
  TRY_ASSIGN(const auto ours_at_target, scan_.catalog.lookup(target.parent, target.name));
  TRY_ASSIGN(const auto base_at_target, scan_.catalog.base(target));
  const bool possible = inode.record && inode.rec().nlink > 0 && source_folder.record &&
                        target_folder.record && !ours_at_target && !base_at_target;
  if (!possible) return false;
  Batch batch;
  BaseEdit base(scan_.catalog, batch);
  TRY(base.set(from, std::nullopt));
  TRY(base.set(target, *known));
  TRY(base.finish());
  InodeRecord source_record = source_folder.rec();
  InodeRecord target_record = target_folder.rec();
  const bool follows = ours_at_source == known->inode;
  if (follows) {
    batch.erase_entry(from.parent, from.name, known->inode);
    batch.put_entry(target.parent, target.name, known->inode);
    batch.erase_journal(JournalKey::of_entry(from.parent, from.name));
    batch.erase_journal(JournalKey::of_entry(target.parent, target.name));
    if (inode.is_directory() && from.parent != target.parent) {
      batch.put_inode(from.parent, (--source_record.nlink, source_record));
      batch.put_inode(target.parent, (++target_record.nlink, target_record));
    }
  } else {
    TRY(ensure_key(scan_.catalog, batch, JournalKey::of_entry(target.parent, target.name)));
  }
  TRY(scan_.catalog.commit(batch));
  source_folder.record = std::move(source_record);
  if (from.parent != target.parent) target_folder.record = std::move(target_record);
  ++scan_.counts.changed;
  scan_.options.forget_entry(from.parent, from.name);
  scan_.options.forget_entry(target.parent, target.name);
  return true;
}

// The same with its attributes as they are there now.
Result<bool> ScanWalk::follow(const Name& from, const ScanState::Deferred& to) {
  TRY_ASSIGN(const auto known, scan_.catalog.base(from));
  TRY_ASSIGN(const bool renamed, rename(from, to));
  if (!renamed) return false;
  TRY_ASSIGN(const auto folder, scan_.catalog.base_path(to.folder));
  TRY(FolderScan(scan_, to.folder, folder.value_or("")).refresh(to.child, *known));
  return true;
}

Result<bool> ScanWalk::still_there(const Name& name, const ArchiveVersion& version) const {
  TRY_ASSIGN(const auto path, path_of(name));
  if (!path) return false;
  TRY_ASSIGN(const auto found, scan_.archive.stat(*path));
  return found && found->identity == version.identity;
}

// In the namespace, `folder` is `ancestor` or somewhere below it.
Result<bool> ScanWalk::lies_below(InodeNumber folder, InodeNumber ancestor) const {
  while (folder != ancestor) {
    TRY_ASSIGN(const auto names, scan_.catalog.names(folder));
    if (names.empty()) return false;
    folder = names.front().parent;
  }
  return true;
}

// Returns the new folders. While there are any, files wait: what was moved out of a folder, or with
// it, shows as missing only when its new place was found.
Result<std::vector<InodeNumber>> ScanWalk::take_in_deferred() {
  std::vector<InodeNumber> folders;
  auto deferred = std::exchange(scan_.deferred, {});
  const auto first_file = std::stable_partition(
      deferred.begin(), deferred.end(),
      [](const auto& one) { return one.child.version.attributes.kind == FileKind::directory; });
  if (first_file != deferred.begin()) {
    scan_.deferred.assign(std::make_move_iterator(first_file),
                          std::make_move_iterator(deferred.end()));
    deferred.erase(first_file, deferred.end());
  }
  for (size_t i = 0; i < deferred.size();) {
    const InodeNumber folder = deferred[i].folder;
    const auto lock = hold_();
    std::vector<ArchiveChild> children;
    for (; i < deferred.size() && deferred[i].folder == folder; ++i) {
      const ArchiveChild& child = deferred[i].child;
      if (!scan_.surely_new(child)) {
        scan_.wants_whole_scan = true;
        continue;
      }
      const Name name{folder, child.name};
      TRY_ASSIGN(const auto known, scan_.catalog.base(name));
      TRY_ASSIGN(const bool there, still_there(name, child.version));
      if (!known && there) children.push_back(child);
    }
    TRY_ASSIGN(const auto path, scan_.catalog.base_path(folder));
    if (!path || children.empty()) continue;
    TRY_ASSIGN(const auto added, FolderScan(scan_, folder, *path).take_in(std::move(children)));
    folders.insert(folders.end(), added.begin(), added.end());
  }
  return folders;
}

Result<void> ScanWalk::join_links() {
  const auto links = std::exchange(scan_.new_links, {});
  for (const Name& name : links) {
    const auto lock = hold_();
    TRY(import_link(scan_, name));
  }
  return {};
}

Result<void> ScanWalk::remove_missing(Scanner::Removals removals) {
  RemovalScan removal(scan_);
  std::vector<Name> missing;
  for (Name& name : std::exchange(scan_.missing, {})) {
    const auto lock = hold_();
    TRY_ASSIGN(const bool offline, removal.is_offline(name));
    if (!offline) missing.push_back(std::move(name));
  }
  if (missing.empty()) return {};
  {
    const auto lock = hold_();
    TRY(check_ready(scan_));
  }
  TRY_ASSIGN(const uint64_t count, removal.count(missing));
  const bool whole = scan_.depth == ScanState::Depth::whole;
  const double share = static_cast<double>(count) / static_cast<double>(count + scan_.entries);
  // A look knows only a part of the whole: it leaves whatever is more than a few to a whole scan.
  const bool many =
      count > scan_.options.removal_limit && (!whole || share > scan_.options.removal_share);
  if (many && !whole) {
    scan_.wants_whole_scan = true;
    return {};
  }
  if (many && removals == Scanner::Removals::guarded) {
    return Error(
        std::errc::operation_not_permitted,
        fmt::format("{} of {} entries are missing in the archive, so none was removed here; check "
                    "that the archive is complete, then run `tierctl scan --accept`",
                    count, count + scan_.entries));
  }
  for (const Name& name : missing) {
    const auto lock = hold_();
    TRY(removal.remove(name));
  }
  return {};
}

Result<void> ScanWalk::list_again() {
  const auto again = std::exchange(scan_.again, {});
  // All has been seen: what is new now is known under no other name.
  if (scan_.depth == ScanState::Depth::whole) scan_.last_whole_scan.reset();
  scan_.depth = ScanState::Depth::new_only;
  TRY(go({again.begin(), again.end()}));
  scan_.missing.clear();
  scan_.again.clear();
  return {};
}

Result<std::optional<std::string>> ScanWalk::path_of(const Name& name) const {
  TRY_ASSIGN(auto folder, scan_.catalog.base_path(name.parent));
  if (!folder) return std::optional<std::string>();
  return std::optional(folder->empty() ? name.name : *folder + "/" + name.name);
}

}  // namespace tierhub
