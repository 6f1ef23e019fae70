#include "migrator/publish/wave.h"

#include <algorithm>
#include <map>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "common/fault_points.h"
#include "common/in_lanes.h"
#include "common/log.h"
#include "common/metrics.h"
#include "migrator/base/archive_path.h"
#include "migrator/publish/departure.h"

namespace tierhub {
namespace {

// The call may have been carried out all the same.
bool leaves_doubt(const Error& error) {
  return is_archive_wide(error) || error.is(std::errc::operation_canceled);
}

// Files up to this size are staged in all lanes, and share a sync of scratch if there are so many.
constexpr uint64_t kSmallBytes = 1 << 20;
constexpr size_t kManyObjects = 8;
constexpr size_t kManyFolders = 16;

class LargeLane {
 public:
  explicit LargeLane(std::counting_semaphore<>& lanes) : lanes_(lanes) { lanes_.acquire(); }
  ~LargeLane() { lanes_.release(); }
  LargeLane(const LargeLane&) = delete;
  LargeLane& operator=(const LargeLane&) = delete;

 private:
  std::counting_semaphore<>& lanes_;
};

bool sets_attributes(const Action& action) {
  return action.plan.kind == Plan::Kind::attributes ||
         (action.plan.kind == Plan::Kind::publish && !action.staged);
}

}  // namespace

std::string Action::further_leaf(size_t i) const {
  return with_suffix(leaf, fmt::format("-{}", i + 1));
}

bool Wave::admit(Plan& plan, const SettleRule& settle) {
  if (closed_ || actions_.size() >= options_.max_actions) return false;
  if (plan.moves_a_folder() && !actions_.empty()) return false;
  std::vector<Name> names{plan.target.name};
  if (plan.kind == Plan::Kind::move || plan.kind == Plan::Kind::link)
    names.push_back(plan.source.name);
  for (const Place& place : plan.further) names.push_back(place.name);
  std::vector<InodeNumber> changed;
  std::vector<InodeNumber> used;
  (plan.kind == Plan::Kind::link ? used : changed).push_back(plan.inode);
  if (plan.occupant) changed.push_back(plan.occupant->inode);
  for (const Name& name : names) {
    if (name.parent != plan.inode)
      used.push_back(name.parent);  // the root's own key names the root
  }
  // Several further names may be linked from one source at a time.
  if (plan.kind == Plan::Kind::link) names.pop_back();

  const auto taken = [](const auto& set) {
    return [&set](const auto& item) { return set.contains(item); };
  };
  if (std::any_of(names.begin(), names.end(), taken(names_))) return false;
  if (std::any_of(changed.begin(), changed.end(), taken(changed_))) return false;
  if (std::any_of(changed.begin(), changed.end(), taken(used_))) return false;
  if (std::any_of(used.begin(), used.end(), taken(changed_))) return false;
  names_.insert(names.begin(), names.end());
  changed_.insert(changed.begin(), changed.end());
  used_.insert(used.begin(), used.end());
  closed_ = plan.moves_a_folder();
  Pending pending{{}, settle, {}};
  pending.action.plan = std::move(plan);
  actions_.push_back(std::move(pending));
  return true;
}

Result<Wave::Outcome> Wave::run(const std::atomic<bool>& stopping) {
  for (Pending& pending : actions_) {
    TRY_ASSIGN(const uint64_t sequence, context_.catalog.allocate_sequence());
    pending.action.leaf = name_on(pending.action.plan.file_system, fmt::format("{:x}", sequence));
  }
  TRY_ASSIGN(const bool stamped, stamp_objects());
  Result<void> scratch_synced;
  {
    std::jthread syncing;
    if (stamped) syncing = std::jthread([&] { scratch_synced = context_.scratch.sync(); });
    stage_all(stopping);
    fault_point(FaultPoint::publish_after_stage);
    sync_objects();
    sync_staged();
  }
  fault_point(FaultPoint::publish_after_archive_sync);
  TRY(fence(scratch_synced ? ScratchSync::already_synced : ScratchSync::missing));
  TRY(write_intents());
  fault_point(FaultPoint::publish_after_intent);
  act_all();
  fault_point(FaultPoint::publish_after_act);
  sync_acts();
  TRY(commit_all());
  discard_leaves();
  TRY(renew_linked());
  return report();
}

// A sync of each small object would wait for the device each time: many of them share one sync of
// scratch, which goes on while they are staged. False: there are not many.
Result<bool> Wave::stamp_objects() {
  const uint64_t small_bytes = std::min(kSmallBytes, options_.long_copy_bytes);
  size_t count = 0;
  for (Pending& pending : actions_) {
    const Plan& plan = pending.action.plan;
    const bool has_content = plan.inode_kind == FileKind::file &&
                             (plan.kind == Plan::Kind::place || plan.kind == Plan::Kind::publish);
    if (!has_content) continue;
    TRY_ASSIGN(const InodeLock lock, context_.inodes.lock(plan.inode));
    auto stamp = stamp_of(context_.scratch, *lock);
    if (!stamp || !*stamp || (*stamp)->size_bytes > small_bytes) continue;
    pending.stamp = *stamp;
    ++count;
  }
  if (count >= kManyObjects) return true;
  for (Pending& pending : actions_) pending.stamp.reset();
  return false;
}

Result<void> Wave::stage_one(Pending& pending, Staging& staging) const {
  Action& action = pending.action;
  const Plan& plan = action.plan;
  if (plan.kind != Plan::Kind::place && plan.kind != Plan::Kind::publish &&
      plan.kind != Plan::Kind::attributes)
    return {};
  auto taken = take_snapshot(context_, plan.inode, plan.version, pending.settle, pending.stamp);
  if (!taken) return not_of_archive(taken.error());
  if (const auto* not_ready = std::get_if<NotReady>(&*taken)) {
    action.not_ready = *not_ready;
    return {};
  }
  action.snapshot = std::get<Snapshot>(*std::move(taken));
  if (action.snapshot->content_differs) return stage_changed(action, staging);
  if (plan.kind != Plan::Kind::place) return {};
  TRY_ASSIGN(action.staged, stage_without_content(context_, *action.snapshot, action.leaf));
  return {};
}

Result<void> Wave::stage_changed(Action& action, Staging& staging) const {
  TRY_ASSIGN(const bool copied, take_long_copy(action));
  if (copied) return {};
  const bool is_long = action.snapshot->record.attributes.size_bytes > options_.long_copy_bytes;
  if (is_long) {
    // If all lanes are busy, the next round asks again.
    long_copies_.start(std::move(*action.snapshot), action.leaf, action.plan.version);
    action.not_ready = NotReady::moving;
    return {};
  }
  const bool is_small = action.snapshot->record.attributes.size_bytes <= kSmallBytes;
  if (!is_small) {
    staging.large.push_back(&action);
    return {};
  }
  action.object_unsynced = action.snapshot->object && !action.snapshot->unharvested;
  TRY_ASSIGN(auto request,
             request_of_changed(context_, *action.snapshot, action.leaf, action.plan.version));
  const bool has_source = request && !request->source_path.empty();
  if (!request || has_source) {
    auto outcome = has_source ? stage_content(context_, *action.snapshot, *std::move(request))
                              : StagedContent();
    action.snapshot->object.reset();
    return accept_staged(action, std::move(outcome));
  }
  staging.small.push_back(&action);
  staging.requests.push_back(*std::move(request));
  return {};
}

void Wave::stage_large(Action& action) const {
  const LargeLane lane(large_lanes_);
  auto outcome =
      stage_changed_content(context_, *action.snapshot, action.leaf, action.plan.version);
  action.snapshot->object.reset();
  if (auto accepted = accept_staged(action, std::move(outcome)); !accepted)
    action.failure = accepted.error();
}

// True if a copy beside the rounds is under way, or is done and serves.
Result<bool> Wave::take_long_copy(Action& action) const {
  if (long_copies_.progress(action.plan.inode) == LongCopies::Progress::copying) {
    action.not_ready = NotReady::moving;
    return true;
  }
  auto copy = long_copies_.take(action.plan.inode);
  if (!copy) return false;
  const bool serves =
      copy->snapshot.record.generation == action.snapshot->record.generation &&
      copy->snapshot.record.attributes.size_bytes == action.snapshot->record.attributes.size_bytes;
  if (!serves) {
    if (copy->outcome && copy->outcome->staged) {
      TRY(discard_displaced(context_.archive, copy->leaf, copy->outcome->staged->version));
    }
    return false;
  }
  action.snapshot = std::move(copy->snapshot);
  action.leaf = std::move(copy->leaf);
  TRY(accept_staged(action, std::move(copy->outcome)));
  return true;
}

Result<void> Wave::accept_staged(Action& action, Result<StagedContent> outcome) {
  TRY_ASSIGN(StagedContent content, std::move(outcome));
  action.proved_equal = !content.staged;
  if (!content.staged) return {};
  action.staged = std::move(content.staged->version);
  action.checksums = std::move(content.staged->checksums);
  action.written_bytes = content.staged->written_bytes;
  action.cloned_bytes = content.staged->cloned_bytes;
  return {};
}

// One sync of scratch for many small objects: a sync of each would wait for the device each time.
void Wave::sync_objects() {
  std::vector<Action*> unsynced;
  for (Pending& pending : actions_) {
    if (pending.action.alive() && pending.action.object_unsynced)
      unsynced.push_back(&pending.action);
  }
  const bool many = unsynced.size() >= kManyObjects;
  const bool all_synced = many && context_.scratch.sync();
  in_lanes(kLanes, unsynced.size(), [&](size_t i) {
    Action& action = *unsynced[i];
    auto synced = sync_object(context_, action.plan.inode,
                              all_synced ? ScratchSync::already_synced : ScratchSync::missing);
    if (synced) return;
    if (synced.error().is(std::errc::no_such_file_or_directory)) {
      action.not_ready = NotReady::moving;
    } else {
      action.failure = synced.error();
    }
  });
}

void Wave::sync_staged() {
  const auto is_staged = [](const Pending& pending) {
    return pending.action.alive() && pending.action.staged;
  };
  std::set<FileSystemId> file_systems;
  for (const Pending& pending : actions_) {
    if (is_staged(pending)) file_systems.insert(pending.action.plan.file_system);
  }
  for (const FileSystemId& file_system : file_systems) {
    const auto synced = context_.archive.sync(file_system);
    if (synced) continue;
    for (Pending& pending : actions_) {
      if (is_staged(pending) && pending.action.plan.file_system == file_system)
        pending.action.failure = synced.error();
    }
  }
}

Result<void> Wave::fence(ScratchSync synced) {
  std::vector<Result<void>> fenced(actions_.size());
  in_lanes(kLocalLanes, actions_.size(),
           [&](size_t i) { fenced[i] = fence_one(actions_[i].action, synced); });
  for (const auto& one : fenced) TRY(one);
  return {};
}

// A writer who came while the file was staged may have been copied in the middle of a write.
Result<void> Wave::fence_one(Action& action, ScratchSync synced) const {
  if (!action.alive() || !action.snapshot || !action.snapshot->content_differs) return {};
  const Snapshot& snapshot = *action.snapshot;
  TRY_ASSIGN(const InodeLock lock, context_.inodes.lock(action.plan.inode));
  if (snapshot.unharvested) {
    const auto harvested =
        harvest_unchanged(context_.catalog, context_.scratch, *lock, *snapshot.unharvested, synced);
    if (!harvested) action.failure = not_of_archive(harvested.error());
  }
  if (!action.failure && !snapshot.content_stands(*lock)) action.not_ready = NotReady::moving;
  return {};
}

std::vector<IntentRecord> intents_of(const Action& action) {
  const Plan& plan = action.plan;
  IntentRecord intent;
  intent.inode = plan.inode;
  intent.target = plan.target.name;
  if (action.snapshot) intent.generation = action.snapshot->record.generation;
  if (plan.occupant) intent.before = plan.occupant->version.identity;
  switch (plan.kind) {
    case Plan::Kind::drop:
    case Plan::Kind::wait:
    case Plan::Kind::attributes:
      return {};
    case Plan::Kind::place:
    case Plan::Kind::publish:
      if (!action.staged) return {};
      intent.kind = IntentKind::place;
      intent.staged_leaf = action.leaf;
      intent.after = action.staged->identity;
      if (plan.version) intent.before = plan.version->identity;
      break;
    case Plan::Kind::link:
    case Plan::Kind::move:
      intent.kind = plan.kind == Plan::Kind::link ? IntentKind::link : IntentKind::move;
      intent.source = plan.source.name;
      intent.staged_leaf = action.leaf;
      intent.after = plan.version->identity;
      break;
    case Plan::Kind::remove:
      intent.kind = IntentKind::remove;
      intent.staged_leaf = action.leaf;
      intent.before = plan.version->identity;
      break;
  }
  std::vector<IntentRecord> intents{intent};
  for (size_t i = 0; i < plan.further.size(); ++i) {
    IntentRecord further = intent;
    further.kind = IntentKind::link;
    further.source = plan.target.name;
    further.target = plan.further[i].name;
    further.staged_leaf = action.further_leaf(i);
    intents.push_back(std::move(further));
  }
  return intents;
}

// Whatever the archive is made equal to must be durable here first: the sync covers all that was
// committed so far.
Result<void> Wave::write_intents() {
  Batch batch;
  for (Pending& pending : actions_) {
    Action& action = pending.action;
    if (!action.alive()) continue;
    for (const IntentRecord& intent : intents_of(action)) {
      TRY_ASSIGN(const uint64_t sequence, context_.catalog.allocate_sequence());
      action.intents.push_back(sequence);
      batch.put_intent(sequence, intent);
    }
  }
  return batch.empty() ? context_.catalog.sync()
                       : context_.catalog.commit(batch, Durability::synced);
}

void Wave::finish_act(Action& action, Result<ArchiveVersion> done) const {
  if (!done) {
    action.failure = done.error();
    action.unknown_outcome = leaves_doubt(done.error());
    return;
  }
  action.outcome = *std::move(done);
  if (auto kept = keep_displaced(action); !kept) {
    take_back(action, kept.error());
    return;
  }
  if (action.plan.kind == Plan::Kind::publish && action.staged) link_further(action);
}

// What rests in staging and nobody has a name for goes to the trash.
Result<void> Wave::keep_displaced(const Action& action) const {
  const Plan& plan = action.plan;
  const auto keep = [&](const ArchiveVersion& version, InodeNumber inode, Farewell farewell) {
    return keep_in_trash(context_.catalog, context_.trash, action.leaf, version, inode,
                         plan.target.path, farewell);
  };
  switch (plan.kind) {
    case Plan::Kind::remove:
      return keep(*plan.version, plan.inode, Farewell::nameless);
    case Plan::Kind::publish:
      return action.staged ? keep(*plan.version, plan.inode, Farewell::overwritten)
                           : Result<void>();
    case Plan::Kind::place:
    case Plan::Kind::link: {
      if (!plan.occupant) return {};
      TRY_ASSIGN(const auto in_base, context_.catalog.base_names(plan.occupant->inode));
      if (in_base.size() > 1) return {};  // the archive has it under another name
      return keep(plan.occupant->version, plan.occupant->inode, Farewell::nameless);
    }
    case Plan::Kind::move:  // its occupant stands at the source
    case Plan::Kind::attributes:
    case Plan::Kind::drop:
    case Plan::Kind::wait:
      return {};
  }
  return {};
}

// The trash did not take what was displaced: it stands where it stood, and the key waits.
void Wave::take_back(Action& action, const Error& why) const {
  const Plan& plan = action.plan;
  std::optional<ArchiveVersion> ours;
  if (plan.kind != Plan::Kind::remove) ours = action.outcome;
  const auto back = context_.archive.place(action.leaf, plan.target.path, ours);
  action.failure = why;
  if (!back) {
    log::error("a removed entry is neither in the trash nor in its old place",
               {{"path", plan.target.path},
                {"rests_in", fmt::format("{}/{}", kStagingFolder, action.leaf)},
                {"error", back.error().text()}});
    action.unknown_outcome = true;
    return;
  }
  if (plan.kind == Plan::Kind::link)
    static_cast<void>(discard_displaced(context_.archive, action.leaf, *plan.version));
  action.outcome.reset();
  action.taken_back = true;
}

// What is staged is placed with others.
Result<ArchiveVersion> Wave::act_on_target(Action& action) const {
  const Plan& plan = action.plan;
  std::optional<ArchiveVersion> before;
  if (plan.occupant) before = plan.occupant->version;
  switch (plan.kind) {
    case Plan::Kind::publish:
    case Plan::Kind::attributes:
      return set_attributes(action);
    case Plan::Kind::link:
      return context_.archive.link(plan.source.path, *plan.version, action.leaf, plan.target.path,
                                   before);
    case Plan::Kind::move:
      return move(action);
    case Plan::Kind::remove:
      TRY(context_.archive.remove(plan.target.path, *plan.version, action.leaf));
      return *plan.version;
    case Plan::Kind::place:
    case Plan::Kind::drop:
    case Plan::Kind::wait:
      break;
  }
  return Error(std::errc::invalid_argument, "nothing to do");
}

Result<ArchiveVersion> Wave::move(Action& action) const {
  const Plan& plan = action.plan;
  std::optional<ArchiveVersion> before;
  if (plan.occupant) before = plan.occupant->version;
  TRY_ASSIGN(ArchiveVersion moved,
             context_.archive.move(plan.source.path, *plan.version, plan.target.path, before));
  if (!before || action.stays_touched) return moved;
  const auto rests = context_.archive.stat(plan.source.path);
  if (rests && *rests && is_on_record(**rests, *before)) action.occupant_now = **rests;
  return moved;
}

// A crash between this act and its commit leaves a version that is not on record; then its mtime is
// the one wanted here.
Result<ArchiveVersion> Wave::set_attributes(const Action& action) const {
  const Plan& plan = action.plan;
  const Snapshot& snapshot = *action.snapshot;
  const Attributes& wanted = snapshot.record.attributes;
  if (plan.version) {
    auto set =
        context_.archive.set_attributes(plan.target.path, *plan.version, wanted, snapshot.xattrs);
    if (set || !is_conflict(set.error())) return set;
  }
  TRY_ASSIGN(const auto found, context_.archive.stat(plan.target.path));
  const bool ours =
      found &&
      (!plan.version || (found->identity == plan.version->identity &&
                         found->attributes.size_bytes == plan.version->attributes.size_bytes &&
                         found->attributes.mtime == wanted.mtime));
  if (!ours) return Error(conflict_code(), "it is not the version that TierHub left there");
  TRY_ASSIGN(ArchiveVersion set,
             context_.archive.set_attributes(plan.target.path, *found, wanted, snapshot.xattrs));
  return plan.version ? version_after_act(std::move(set), *found, *plan.version) : set;
}

void Wave::link_further(Action& action) const {
  const Plan& plan = action.plan;
  for (size_t i = 0; i < plan.further.size(); ++i) {
    // It was found untouched at its first name; what was done there moved its ctime.
    ArchiveVersion displaced = *plan.version;
    displaced.content_ctime.reset();
    auto linked = context_.archive.link(plan.target.path, *action.outcome, action.further_leaf(i),
                                        plan.further[i].path, displaced);
    if (linked) action.outcome = *linked;
    action.further_failures.push_back(linked ? std::nullopt : std::optional<Error>(linked.error()));
    if (linked || !leaves_doubt(linked.error())) continue;
    action.failure = linked.error();
    action.unknown_outcome = true;
    return;
  }
}

void Wave::sync_acts() {
  struct Touched {
    bool in_place = false;
    std::set<std::string> folders;
  };
  std::map<FileSystemId, Touched> file_systems;
  for (const Pending& pending : actions_) {
    const Action& action = pending.action;
    if (!action.outcome) continue;
    const Plan& plan = action.plan;
    Touched& touched = file_systems[plan.file_system];
    touched.in_place = touched.in_place || sets_attributes(action);
    touched.folders.insert(parent_path(plan.target.path));
    if (plan.kind == Plan::Kind::move) touched.folders.insert(parent_path(plan.source.path));
    for (const Place& place : plan.further) touched.folders.insert(parent_path(place.path));
  }
  if (context_.trash != nullptr) {
    for (const std::string& folder : context_.trash->take_touched()) {
      const auto nested = nested_path(folder);
      file_systems[nested ? nested->file_system : FileSystemId()].folders.insert(folder);
    }
  }
  for (const auto& [file_system, touched] : file_systems) {
    // Few folders are synced one by one: a sync of everything waits for what others write there
    // too.
    const bool many = touched.folders.size() > kManyFolders;
    const auto synced =
        touched.in_place || many
            ? context_.archive.sync(file_system)
            : context_.archive.sync_folders({touched.folders.begin(), touched.folders.end()});
    if (!synced) fail_acts(file_system, synced.error());
  }
}

void Wave::fail_acts(const FileSystemId& file_system, const Error& error) {
  for (Pending& pending : actions_) {
    Action& action = pending.action;
    if (!action.outcome || action.failure || action.plan.file_system != file_system) continue;
    action.failure = error;
    action.unknown_outcome = true;
  }
}

// The archive refused and touched nothing.
Result<void> Wave::forget_intents(const Action& action) const {
  if (action.intents.empty() || action.unknown_outcome) return {};
  Batch batch;
  for (const uint64_t sequence : action.intents) batch.erase_intent(sequence);
  return context_.catalog.commit(batch);
}

// What rests in staging after the act and is not needed any more.
void Wave::give_up_leaves(const Action& action) {
  if (action.unknown_outcome) return;
  const Plan& plan = action.plan;
  const auto away = [&](const std::string& leaf, const ArchiveVersion& version) {
    given_up_.push_back({leaf, version});
  };
  if (!action.outcome) {
    if (action.staged) away(action.leaf, *action.staged);
    return;
  }
  if (plan.kind == Plan::Kind::remove || (plan.kind == Plan::Kind::publish && action.staged)) {
    away(action.leaf, *plan.version);
  } else if (plan.occupant && plan.kind != Plan::Kind::move) {
    away(action.leaf, plan.occupant->version);
  }
  for (size_t i = 0; i < action.further_failures.size(); ++i) {
    if (!action.further_failures[i]) away(action.further_leaf(i), *plan.version);
  }
}

// What is left in staging after this is discarded by the recovery.
void Wave::discard_leaves() {
  in_lanes(kLanes, given_up_.size(), [&](size_t i) {
    // One time limit is enough.
    if (leaves_left_) return;
    if (!discard_displaced(context_.archive, given_up_[i].leaf, given_up_[i].version))
      leaves_left_ = true;
  });
}

// Files that lost a name in the archive and have others there.
Result<void> Wave::renew_linked() {
  for (const Pending& pending : actions_) {
    const Action& action = pending.action;
    const Plan& plan = action.plan;
    if (action.taken_back) {
      const InodeNumber back = plan.occupant ? plan.occupant->inode : plan.inode;
      TRY(renew_version(context_.catalog, context_.archive, back));
    }
    if (!action.outcome || action.unknown_outcome || action.stays_touched) continue;
    if (plan.kind == Plan::Kind::remove && plan.inode_kind != FileKind::directory)
      TRY(renew_version(context_.catalog, context_.archive, plan.inode));
    if (plan.occupant && plan.kind != Plan::Kind::move)
      TRY(renew_version(context_.catalog, context_.archive, plan.occupant->inode));
  }
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

Result<Wave::Outcome> Wave::report() {
  Outcome outcome;
  outcome.needs_recovery = leaves_left_;
  for (Pending& pending : actions_) {
    Action& action = pending.action;
    if (action.unknown_outcome || (action.failure && is_archive_wide(*action.failure))) {
      const FileSystemId& file_system = action.plan.file_system;
      if (!file_system.empty()) {
        outcome.failed_file_systems.try_emplace(file_system, *action.failure);
      } else if (!outcome.archive_failure) {
        outcome.archive_failure = action.failure;
      }
      outcome.needs_recovery = outcome.needs_recovery || !action.intents.empty();
    } else if (action.failure || action.not_ready) {
      std::vector<InodeNumber> folders;
      for (const Name& name : names_of(action.plan)) folders.push_back(name.parent);
      if (action.plan.kind == Plan::Kind::link) folders.push_back(action.plan.source.name.parent);
      // A folder that cannot be removed holds something that is not known yet.
      if (action.plan.inode_kind == FileKind::directory) folders.push_back(action.plan.inode);
      outcome.unfinished.push_back(
          {action.plan.key, action.not_ready, std::move(action.failure), std::move(folders)});
    } else if (action.outcome) {
      ++outcome.done;
      outcome.working_file_systems.insert(action.plan.file_system);
    }
  }
  return outcome;
}

}  // namespace tierhub
