#include "migrator/publish/wave.h"

#include <algorithm>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "common/fault_points.h"
#include "common/metrics.h"
#include "common/worker_pool.h"
#include "migrator/base/archive_path.h"
#include "migrator/publish/act.h"
#include "migrator/publish/commit.h"

namespace tierhub {
namespace {

constexpr size_t kManyFolders = 16;
constexpr size_t kCommittedTogether = 32;

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

}  // namespace

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
  Action& action = actions_.emplace_back();
  action.plan = std::move(plan);
  action.settle = settle;
  return true;
}

Result<Wave::Outcome> Wave::run(const std::atomic<bool>& stopping) {
  TRY(name_leaves());
  // Steps 1 and 2.
  TRY_ASSIGN(const ScratchSync synced,
             Staging(context_, long_copies_, options_.staging, actions_).run(stopping));
  fault_point(FaultPoint::publish_after_archive_sync);
  // 3.
  TRY(fence(synced));
  TRY(write_intents());
  fault_point(FaultPoint::publish_after_intent);
  // 4.
  Acting(context_).run(actions_);
  fault_point(FaultPoint::publish_after_act);
  // 5.
  sync_acts();
  // 6.
  TRY(commit_all());
  // 7.
  discard_leaves();
  TRY(renew_linked());
  return report();
}

Result<void> Wave::name_leaves() {
  for (Action& action : actions_) {
    TRY_ASSIGN(const uint64_t sequence, context_.catalog.allocate_sequence());
    action.leaf = name_on(action.plan.file_system, fmt::format("{:x}", sequence));
  }
  return {};
}

Result<void> Wave::fence(ScratchSync synced) {
  std::vector<Result<void>> fenced(actions_.size());
  in_lanes(kLocalLanes, actions_.size(),
           [&](size_t i) { fenced[i] = fence_one(actions_[i], synced); });
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

// Whatever the archive is made equal to must be durable here first: the sync covers all that was
// committed so far.
Result<void> Wave::write_intents() {
  Batch batch;
  for (Action& action : actions_) {
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

void Wave::sync_acts() {
  struct Touched {
    bool in_place = false;
    std::set<std::string> folders;
  };
  std::map<FileSystemId, Touched> file_systems;
  for (const Action& action : actions_) {
    if (!action.outcome) continue;
    const Plan& plan = action.plan;
    Touched& touched = file_systems[plan.file_system];
    touched.in_place = touched.in_place || action.sets_attributes();
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
  for (Action& action : actions_) {
    if (!action.outcome || action.failure || action.plan.file_system != file_system) continue;
    action.failure = error;
    action.unknown_outcome = true;
  }
}

Result<void> Wave::commit_all() {
  std::vector<Action*> group;
  for (Action& action : actions_) {
    if (!action.alive() || !action.outcome) {
      TRY(forget_intents(action));
      give_up_leaves(action);
      continue;
    }
    const bool together = action.plan.inode_kind == FileKind::file && action.is_placed();
    if (!together) {
      TRY(commit_group({&action}));
      continue;
    }
    group.push_back(&action);
    if (group.size() == kCommittedTogether) TRY(commit_group(std::exchange(group, {})));
  }
  return group.empty() ? Result<void>() : commit_group(group);
}

Result<void> Wave::commit_group(const std::vector<Action*>& group) {
  fault_point(FaultPoint::publish_before_commit);
  TRY(commit_actions(context_, {group.begin(), group.end()}));
  fault_point(FaultPoint::publish_after_commit);
  for (const Action* action : group) {
    if (action->staged && action->plan.inode_kind == FileKind::file) {
      metrics().published_files.add();
      metrics().published_bytes.add(action->written_bytes);
      metrics().cloned_bytes.add(action->cloned_bytes);
      if (action->cloned_bytes > 0) metrics().patched_files.add();
    }
    give_up_leaves(*action);
  }
  return {};
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
  if (!action.outcome) {
    if (action.staged) given_up_.push_back({action.leaf, *action.staged});
    return;
  }
  if (const auto displaced = action.displaced())
    given_up_.push_back({displaced->leaf, displaced->version});
  for (size_t i = 0; i < action.further_failures.size(); ++i) {
    if (!action.further_failures[i])
      given_up_.push_back({action.further_leaf(i), *action.plan.version});
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
  for (const Action& action : actions_) {
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

Result<Wave::Outcome> Wave::report() {
  Outcome outcome;
  outcome.needs_recovery = leaves_left_;
  for (Action& action : actions_) {
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
