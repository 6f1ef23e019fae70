#include "migrator/publish/recovery.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "common/fault_points.h"
#include "common/log.h"
#include "storage/scratch/object_state.h"

namespace tierhub {
namespace {

bool is(const std::optional<ArchiveVersion>& version, const Identity& identity) {
  return version && !identity.empty() && version->identity == identity;
}

std::string staging_path(const std::string& leaf) {
  return fmt::format("{}/{}", kStagingFolder, leaf);
}

}  // namespace

Result<void> PublishRecovery::run() {
  TRY(context_.archive.check_root());
  TRY_ASSIGN(const auto intents, context_.catalog.intents());
  std::set<FileSystemId> file_systems;
  for (const auto& [sequence, intent] : intents)
    file_systems.insert(split_private_name(intent.staged_leaf).file_system);
  TRY(sync_file_systems(file_systems));
  for (const auto& [sequence, intent] : intents) {
    TRY(settle_or_park(sequence, intent));
    fault_point(FaultPoint::recovery_after_intent);
  }
  TRY(discard_leftovers());
  TRY(harvest_writers());
  fault_point(FaultPoint::recovery_after_harvest);
  return {};
}

// What is found done must be on the device before base says so.
Result<void> PublishRecovery::sync_file_systems(const std::set<FileSystemId>& file_systems) {
  for (const FileSystemId& file_system : file_systems) {
    const auto synced = context_.archive.sync(file_system);
    if (!synced && !waits(file_system, synced.error())) return synced.error();
  }
  return {};
}

// One nested file system that does not work keeps the others waiting for nothing.
bool PublishRecovery::waits(const FileSystemId& file_system, const Error& error) {
  if (file_system.empty() || !is_archive_wide(error)) return false;
  unsettled_.try_emplace(file_system, error.text());
  return true;
}

// One path that the archive refuses must not keep tierd from starting.
Result<void> PublishRecovery::settle_or_park(uint64_t sequence, const IntentRecord& intent) {
  const FileSystemId file_system = split_private_name(intent.staged_leaf).file_system;
  if (unsettled_.contains(file_system)) {
    kept_leaves_.insert(intent.staged_leaf);
    return {};
  }
  auto settled = settle(sequence, intent);
  if (settled) return settled;
  if (waits(file_system, settled.error())) {
    kept_leaves_.insert(intent.staged_leaf);
    return {};
  }
  if (is_archive_wide(settled.error())) return settled;
  kept_leaves_.insert(intent.staged_leaf);
  const Case found{sequence, intent, intent.target.name, {}, {}, {}};
  return park(found,
              fmt::format("an interrupted change cannot be settled: {}", settled.error().text()));
}

Result<void> PublishRecovery::settle(uint64_t sequence, const IntentRecord& intent) {
  Case found{sequence, intent, {}, staging_path(intent.staged_leaf), {}, {}};
  TRY_ASSIGN(const auto target, path_of(intent.target));
  if (!target) return drop(sequence);
  found.target = *target;
  // First the leaf: it fails if the file system is not mounted, of which the target tells nothing.
  if (!intent.staged_leaf.empty()) {
    TRY_ASSIGN(found.at_leaf, context_.archive.stat(found.leaf));
  }
  TRY_ASSIGN(found.at_target, context_.archive.stat(found.target));
  switch (intent.kind) {
    case IntentKind::place:
    case IntentKind::link:
      return is(found.at_target, intent.after) ? settle_arrival(found) : settle_undone(found);
    case IntentKind::move:
      return is(found.at_target, intent.after) ? settle_move(found) : drop(sequence);
    case IntentKind::remove:
      return settle_removal(found);
  }
  return drop(sequence);
}

// Our file stands at the target. What it displaced rests in staging, unless it was discarded
// already.
Result<void> PublishRecovery::settle_arrival(const Case& found) {
  const bool foreign = found.at_leaf && !is(found.at_leaf, found.intent.before) &&
                       !is(found.at_leaf, found.intent.after);
  if (foreign) return give_back(found);
  TRY_ASSIGN(const auto displaced, displaced_version(found));
  if (displaced && is(displaced, found.intent.before)) {
    TRY_ASSIGN(const auto going, displaced_by(found, *displaced));
    if (going) {
      const auto kept = keep_displaced(context_.catalog, context_.trash, *going);
      if (!kept) return take_back(found, *going, kept.error());
    }
  }
  TRY(commit_arrival(found, *found.at_target));
  if (!displaced) return {};
  return discard_displaced(context_.archive, found.intent.staged_leaf, *displaced);
}

// None: nothing that the trash could want.
Result<std::optional<Displaced>> PublishRecovery::displaced_by(
    const Case& found, const ArchiveVersion& version) const {
  TRY_ASSIGN(const auto standing, context_.catalog.base(found.intent.target));
  if (!standing) return std::optional<Displaced>();
  const bool overwritten = standing->inode == found.intent.inode;
  // Another name of the same.
  if (overwritten && found.intent.kind == IntentKind::link) return std::optional<Displaced>();
  return std::optional(Displaced{found.intent.staged_leaf, version, standing->inode, found.target,
                                 overwritten ? Farewell::overwritten : Farewell::displaced});
}

// The key waits.
Result<void> PublishRecovery::take_back(const Case& found, const Displaced& displaced,
                                        const Error& why) {
  if (is_archive_wide(why)) return why;
  const bool removal = found.intent.kind == IntentKind::remove;
  TRY(put_back(context_.archive, displaced, removal ? std::nullopt : found.at_target));
  TRY(park(found, why.text()));
  TRY_ASSIGN(const auto standing, context_.catalog.base(found.intent.target));
  if (!standing) return {};
  return renew_version(context_.catalog, context_.archive, standing->inode);
}

// What rests in staging, as it was when it was displaced: it may have been written to since.
Result<std::optional<ArchiveVersion>> PublishRecovery::displaced_version(const Case& found) const {
  if (!found.at_leaf) return found.at_leaf;
  TRY_ASSIGN(const auto standing, context_.catalog.base(found.intent.target));
  if (!standing) return found.at_leaf;
  TRY_ASSIGN(auto on_record, context_.catalog.version(standing->inode));
  return is(on_record, found.at_leaf->identity) ? on_record : found.at_leaf;
}

Result<void> PublishRecovery::settle_move(const Case& found) {
  TRY_ASSIGN(const auto source, path_of(found.intent.source));
  if (!source) return drop(found.sequence);
  TRY_ASSIGN(const auto at_source, context_.archive.stat(*source));
  if (at_source && !found.intent.before.empty() && !is(at_source, found.intent.before)) {
    // The exchange brought out something that is not on record: it keeps its name.
    TRY(context_.archive.move(found.target, *found.at_target, *source, at_source));
    return leave_to_key(found);
  }
  TRY_ASSIGN(const auto occupant, context_.catalog.base(found.intent.target));
  TRY(commit_arrival(found, *found.at_target));
  if (!occupant || found.intent.before.empty()) return {};
  return renew_version(context_.catalog, context_.archive, occupant->inode);
}

Result<void> PublishRecovery::settle_removal(const Case& found) {
  const bool ours = is(found.at_leaf, found.intent.before);
  if (found.at_leaf && !ours) {
    if (found.at_target) {
      kept_leaves_.insert(found.intent.staged_leaf);
      log::error("a file that does not belong to TierHub is in the archive's staging folder",
                 {{"leaf", found.leaf}, {"belongs_at", found.target}});
      return {};
    }
    TRY(context_.archive.place(found.intent.staged_leaf, found.target, std::nullopt));
    return leave_to_key(found);
  }
  if (!ours && is(found.at_target, found.intent.before)) return drop(found.sequence);
  TRY_ASSIGN(const auto displaced, displaced_version(found));
  if (displaced) {
    const Displaced going{found.intent.staged_leaf, *displaced, found.intent.inode, found.target,
                          Farewell::removed};
    const auto kept = keep_displaced(context_.catalog, context_.trash, going);
    if (!kept) return take_back(found, going, kept.error());
  }
  TRY(commit_removal(found));
  if (!displaced) return {};
  TRY(discard_displaced(context_.archive, found.intent.staged_leaf, *displaced));
  return renew_version(context_.catalog, context_.archive, found.intent.inode);
}

Result<void> PublishRecovery::commit_removal(const Case& found) {
  Batch batch;
  BaseEdit base(context_.catalog, batch);
  TRY_ASSIGN(const HeldInodes held,
             HeldInodes::lock(context_.inodes, {found.intent.target.parent}));
  TRY_ASSIGN(const auto standing, context_.catalog.base(found.intent.target));
  if (standing && standing->inode == found.intent.inode)
    TRY(base.set(found.intent.target, std::nullopt));
  TRY(base.finish());
  TRY(settle_entry_key(context_.catalog, batch, base, found.intent.target));
  if (found.intent.target.parent != kAsideInode) {
    TRY(touch_folder(context_.catalog, batch, held.at(found.intent.target.parent)));
  }
  batch.erase_intent(found.sequence);
  return context_.catalog.commit(batch);
}

// Something else than our file stands at the target.
Result<void> PublishRecovery::settle_undone(const Case& found) {
  TRY_ASSIGN(const bool redone, redo_link(found));
  if (redone) return {};
  const bool ours = is(found.at_leaf, found.intent.after) || is(found.at_leaf, found.intent.before);
  if (found.at_leaf && !ours) {
    kept_leaves_.insert(found.intent.staged_leaf);
    log::error("a file that does not belong to TierHub is in the archive's staging folder",
               {{"leaf", found.leaf}, {"belongs_at", found.target}});
    return {};
  }
  TRY(drop(found.sequence));
  if (found.at_leaf) TRY(context_.archive.discard(found.intent.staged_leaf, *found.at_leaf));
  return {};
}

// The new content of a file was placed, and one of its further names still has the old one. Nothing
// but this intent knows which version stands there.
Result<bool> PublishRecovery::redo_link(const Case& found) {
  const IntentRecord& intent = found.intent;
  if (intent.kind != IntentKind::link) return false;
  TRY_ASSIGN(const auto standing, context_.catalog.base(intent.target));
  TRY_ASSIGN(const auto version, context_.catalog.version(intent.inode));
  TRY_ASSIGN(const auto source, path_of(intent.source));
  if (!source || !standing || standing->inode != intent.inode || !is(version, intent.after))
    return false;
  if (is(found.at_target, intent.before)) {
    auto linked =
        context_.archive.link(*source, *version, intent.staged_leaf, found.target, found.at_target);
    if (!linked && is_archive_wide(linked.error())) return linked.error();
    if (linked) {
      TRY(commit_arrival(found, *linked));
      TRY(context_.archive.discard(intent.staged_leaf, *found.at_target));
      return true;
    }
  }
  Batch batch;
  BaseEdit base(context_.catalog, batch);
  TRY(base.set(intent.target, std::nullopt));
  TRY(base.finish());
  TRY(context_.catalog.commit(batch));
  TRY(leave_to_key(found));
  return true;
}

// What our file displaced is not what was on record: it gets its name back.
Result<void> PublishRecovery::give_back(const Case& found) {
  TRY(context_.archive.place(found.intent.staged_leaf, found.target, found.at_target));
  TRY(leave_to_key(found));
  return context_.archive.discard(found.intent.staged_leaf, *found.at_target);
}

Result<void> PublishRecovery::commit_arrival(const Case& found, const ArchiveVersion& version) {
  const IntentRecord& intent = found.intent;
  std::vector<InodeNumber> involved{intent.inode, intent.target.parent};
  if (intent.kind == IntentKind::move) involved.push_back(intent.source.parent);
  TRY_ASSIGN(const HeldInodes held, HeldInodes::lock(context_.inodes, std::move(involved)));
  Batch batch;
  BaseEdit base(context_.catalog, batch);
  TRY_ASSIGN(const auto occupant, base.at(intent.target));
  TRY(base.set(intent.target, BaseRecord{intent.inode, version.attributes.kind}));
  std::vector<Name> names{intent.target};
  if (intent.kind == IntentKind::move) {
    TRY(base.set(intent.source, intent.before.empty() ? std::nullopt : occupant));
    names.push_back(intent.source);
    TRY_ASSIGN(const auto source, path_of(intent.source));
    if (source && intent.target.parent == kAsideInode)
      TRY(note_place(context_.catalog, batch, intent.inode, *source));
    if (occupant && !intent.before.empty())
      TRY(note_place(context_.catalog, batch, occupant->inode, found.target));
  }
  batch.put_version(intent.inode, version);
  TRY(base.finish());
  std::optional<InodeUpdate> update;
  if (intent.kind == IntentKind::place)
    record_content(batch, held.at(intent.inode), found, version, update);
  for (const Name& name : names) {
    TRY(settle_entry_key(context_.catalog, batch, base, name));
    if (name.parent != kAsideInode)
      TRY(touch_folder(context_.catalog, batch, held.at(name.parent)));
  }
  TRY(ensure_key(context_.catalog, batch, JournalKey::of_inode(intent.inode)));
  batch.erase_intent(found.sequence);
  TRY(context_.catalog.commit(batch));
  if (update) std::move(*update).apply(held.at(intent.inode));
  return {};
}

// The file was placed with the content of its generation. The checksums that staging computed are
// lost, and those on record are of the version before.
void PublishRecovery::record_content(Batch& batch, InodeState& inode, const Case& found,
                                     const ArchiveVersion& version,
                                     std::optional<InodeUpdate>& update) const {
  if (!inode.record || !inode.is_file()) return;
  Snapshot placed;
  placed.inode = found.intent.inode;
  placed.record = inode.rec();
  placed.record.generation = found.intent.generation;
  placed.record.attributes.size_bytes = version.attributes.size_bytes;
  uint64_t old_size_bytes = std::max(version.attributes.size_bytes, inode.size_bytes());
  if (const auto old = context_.catalog.version(found.intent.inode); old && *old) {
    old_size_bytes = std::max(old_size_bytes, (*old)->attributes.size_bytes);
  }
  update = record_published(batch, inode, placed);
  record_checksums(batch, found.intent.inode, {}, context_.catalog.chunk_bytes(), old_size_bytes);
}

Result<void> PublishRecovery::drop(uint64_t sequence) {
  Batch batch;
  batch.erase_intent(sequence);
  return context_.catalog.commit(batch);
}

// Somebody else changed it: the key goes on, and finds out.
Result<void> PublishRecovery::leave_to_key(const Case& found) {
  log::warning("the archive's copy was changed behind TierHub's back", {{"path", found.target}});
  return put_key(found, "");
}

Result<void> PublishRecovery::park(const Case& found, const std::string& reason) {
  log::warning(reason, {{"path", found.target}});
  return put_key(found, fmt::format("{}: {}", reason, found.target));
}

Result<void> PublishRecovery::put_key(const Case& found, const std::string& parked_reason) {
  const IntentRecord& intent = found.intent;
  TRY_ASSIGN(const auto standing, context_.catalog.base(intent.target));
  const bool in_place =
      standing && standing->inode == intent.inode && intent.kind != IntentKind::remove;
  Batch batch;
  batch.put_journal(in_place ? JournalKey::of_inode(intent.inode)
                             : JournalKey::of_entry(intent.target.parent, intent.target.name),
                    {Timestamp::now(), parked_reason});
  batch.erase_intent(found.sequence);
  return context_.catalog.commit(batch);
}

// No intent names them: they were staged and never placed, or displaced, compared and not yet
// deleted.
Result<void> PublishRecovery::discard_leftovers() {
  TRY_ASSIGN(const auto leaves, context_.archive.staged());
  for (const std::string& leaf : leaves) {
    const FileSystemId file_system = split_private_name(leaf).file_system;
    if (kept_leaves_.contains(leaf) || unsettled_.contains(file_system)) continue;
    const auto version = context_.archive.stat(staging_path(leaf));
    if (!version && waits(file_system, version.error())) continue;
    if (!version && is_archive_wide(version.error())) return version.error();
    if (!version || !*version) continue;
    const auto discarded = discard_displaced(context_.archive, leaf, **version);
    if (!discarded && !waits(file_system, discarded.error())) return discarded;
  }
  return {};
}

// Writers of the last process may be gone by now.
Result<void> PublishRecovery::harvest_writers() {
  const auto look = [&](const JournalKey& key, const JournalRecord&) -> Result<void> {
    if (key.kind != JournalKeyKind::inode) return {};
    TRY_ASSIGN(const InodeLock lock, context_.inodes.lock(key.inode));
    if (!lock.exists() || !lock->rec().writing) return {};
    if (auto harvested = harvest(context_.catalog, context_.scratch, *lock); !harvested) {
      log::warning("the size of a file that was being written is not known yet",
                   {{"inode", key.inode}, {"error", harvested.error().text()}});
    }
    return {};
  };
  return context_.catalog.for_each_journal_key(look);
}

Result<std::optional<std::string>> PublishRecovery::path_of(const Name& name) const {
  TRY_ASSIGN(auto folder, context_.catalog.base_path(name.parent));
  if (!folder) return std::optional<std::string>();
  return std::optional<std::string>(folder->empty() ? name.name : *folder + "/" + name.name);
}

}  // namespace tierhub
