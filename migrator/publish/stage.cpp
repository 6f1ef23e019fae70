#include "migrator/publish/stage.h"

#include <algorithm>
#include <set>
#include <thread>
#include <utility>
#include <variant>

#include "common/fault_points.h"
#include "common/guarded.h"
#include "common/worker_pool.h"
#include "migrator/publish/groups.h"

namespace tierhub {
namespace {

// Files up to this size are staged in all lanes, and share a sync of scratch if there are so many.
constexpr uint64_t kSmallBytes = 1 << 20;
constexpr size_t kManyObjects = 8;

Result<void> accept_staged(Action& action, Result<StagedContent> outcome) {
  TRY_ASSIGN(StagedContent content, std::move(outcome));
  action.proved_equal = !content.staged;
  if (!content.staged) return {};
  action.staged = std::move(content.staged->version);
  action.checksums = std::move(content.staged->checksums);
  action.written_bytes = content.staged->written_bytes;
  action.cloned_bytes = content.staged->cloned_bytes;
  return {};
}

}  // namespace

Result<ScratchSync> Staging::run(const std::atomic<bool>& stopping) {
  TRY_ASSIGN(const bool stamped, stamp_objects());
  Result<void> scratch_synced;
  {
    std::jthread syncing;
    if (stamped) syncing = std::jthread([&] { scratch_synced = context_.scratch.sync(); });
    stage_all(stopping);
    fault_point(FaultPoint::publish_after_stage);
    sync_objects();
    sync_archive();
  }
  return scratch_synced ? ScratchSync::already_synced : ScratchSync::missing;
}

// A sync of each small object would wait for the device each time: many of them share one sync of
// scratch, which goes on while they are staged. False: there are not many.
Result<bool> Staging::stamp_objects() {
  const uint64_t small_bytes = std::min(kSmallBytes, options_.long_copy_bytes);
  size_t count = 0;
  for (Action& action : actions_) {
    const Plan& plan = action.plan;
    const bool has_content = plan.inode_kind == FileKind::file &&
                             (plan.kind == Plan::Kind::place || plan.kind == Plan::Kind::publish);
    if (!has_content) continue;
    TRY_ASSIGN(const InodeLock lock, context_.inodes.lock(plan.inode));
    auto stamp = stamp_of(context_.scratch, *lock);
    if (!stamp || !*stamp || (*stamp)->size_bytes > small_bytes) continue;
    action.stamp = *stamp;
    ++count;
  }
  if (count >= kManyObjects) return true;
  for (Action& action : actions_) action.stamp.reset();
  return false;
}

void Staging::stage_all(const std::atomic<bool>& stopping) {
  Guarded<std::vector<Action*>> large;
  in_groups(actions_.size(), [&](size_t begin, size_t end) {
    const std::span<Action> group = actions_.subspan(begin, end - begin);
    if (stopping) {
      for (Action& action : group) action.interrupted = true;
      return;
    }
    const auto rest = stage_group(group);
    large.with([&](auto& all) { all.insert(all.end(), rest.begin(), rest.end()); });
  });
  const auto all_large = large.with([](auto& all) { return std::move(all); });
  in_lanes(std::min(options_.lanes, kLanes), all_large.size(), [&](size_t i) {
    if (stopping) {
      all_large[i]->interrupted = true;
    } else {
      stage_large(*all_large[i]);
    }
  });
}

// Returns those that are too large to be staged with the others.
std::vector<Action*> Staging::stage_group(std::span<Action> group) const {
  std::vector<Action*> small;
  std::vector<StageFileRequest> requests;
  std::vector<Action*> large;
  for (Action& action : group) {
    StageFileRequest request;
    const auto way = look_at(action, request);
    if (!way) {
      action.failure = way.error();
    } else if (*way == Way::large) {
      large.push_back(&action);
    } else if (*way == Way::small) {
      small.push_back(&action);
      requests.push_back(std::move(request));
    }
  }
  if (!small.empty()) stage_small(small, requests);
  return large;
}

// `request`: of one that is small.
Result<Staging::Way> Staging::look_at(Action& action, StageFileRequest& request) const {
  const Plan& plan = action.plan;
  if (plan.kind != Plan::Kind::place && plan.kind != Plan::Kind::publish &&
      plan.kind != Plan::Kind::attributes)
    return Way::ready;
  auto taken = take_snapshot(context_, plan.inode, plan.version, action.settle, action.stamp);
  if (!taken) return not_of_archive(taken.error());
  if (const auto* not_ready = std::get_if<NotReady>(&*taken)) {
    action.not_ready = *not_ready;
    return Way::ready;
  }
  action.snapshot = std::get<Snapshot>(*std::move(taken));
  if (action.snapshot->content_differs) return way_of_changed(action, request);
  if (plan.kind != Plan::Kind::place) return Way::ready;
  TRY_ASSIGN(action.staged, stage_without_content(context_, *action.snapshot, action.leaf));
  return Way::ready;
}

Result<Staging::Way> Staging::way_of_changed(Action& action, StageFileRequest& request) const {
  TRY_ASSIGN(const bool copied, take_long_copy(action));
  if (copied) return Way::ready;
  const uint64_t size_bytes = action.snapshot->record.attributes.size_bytes;
  if (size_bytes > options_.long_copy_bytes) {
    // If all lanes are busy, the next round asks again.
    long_copies_.start(std::move(*action.snapshot), action.leaf, action.plan.version);
    action.not_ready = NotReady::moving;
    return Way::ready;
  }
  if (size_bytes > kSmallBytes) return Way::large;
  action.object_unsynced = action.snapshot->object && !action.snapshot->unharvested;
  TRY_ASSIGN(auto wanted,
             request_of_changed(context_, *action.snapshot, action.leaf, action.plan.version));
  const bool has_source = wanted && !wanted->source_path.empty();
  if (wanted && !has_source) {
    request = *std::move(wanted);
    return Way::small;
  }
  auto outcome =
      has_source ? stage_content(context_, *action.snapshot, *std::move(wanted)) : StagedContent();
  action.snapshot->object.reset();
  TRY(accept_staged(action, std::move(outcome)));
  return Way::ready;
}

// True if a copy beside the rounds is under way, or is done and serves.
Result<bool> Staging::take_long_copy(Action& action) const {
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

void Staging::stage_small(std::span<Action* const> actions,
                          const std::vector<StageFileRequest>& requests) const {
  auto answers = context_.archive.stage_files(requests);
  for (size_t i = 0; i < answers.size(); ++i) {
    Action& action = *actions[i];
    action.snapshot->object.reset();
    if (!answers[i] && is_not_begun(answers[i].error())) {
      action.not_ready = NotReady::moving;
    } else if (!answers[i]) {
      action.failure = answers[i].error();
    } else if (auto accepted = accept_staged(action, StagedContent{*std::move(answers[i])});
               !accepted) {
      action.failure = accepted.error();
    }
  }
}

void Staging::stage_large(Action& action) const {
  auto outcome =
      stage_changed_content(context_, *action.snapshot, action.leaf, action.plan.version);
  action.snapshot->object.reset();
  if (auto accepted = accept_staged(action, std::move(outcome)); !accepted)
    action.failure = accepted.error();
}

// One sync of scratch for many small objects: a sync of each would wait for the device each time.
void Staging::sync_objects() {
  std::vector<Action*> unsynced;
  for (Action& action : actions_) {
    if (action.alive() && action.object_unsynced) unsynced.push_back(&action);
  }
  const bool many = unsynced.size() >= kManyObjects;
  const bool all_synced = many && context_.scratch.sync();
  in_lanes(kLanes, unsynced.size(), [&](size_t i) {
    Action& action = *unsynced[i];
    auto synced = sync_object(context_, action.plan.inode,
                              all_synced ? ScratchSync::already_synced : ScratchSync::missing);
    if (synced) return;
    if (synced.error().is(std::errc::no_such_file_or_directory)) {
      action.not_ready = NotReady::moving;  // it was removed while it was being copied
    } else {
      action.failure = synced.error();
    }
  });
}

void Staging::sync_archive() {
  const auto is_staged = [](const Action& action) { return action.alive() && action.staged; };
  std::set<FileSystemId> file_systems;
  for (const Action& action : actions_) {
    if (is_staged(action)) file_systems.insert(action.plan.file_system);
  }
  for (const FileSystemId& file_system : file_systems) {
    const auto synced = context_.archive.sync(file_system);
    if (synced) continue;
    for (Action& action : actions_) {
      if (is_staged(action) && action.plan.file_system == file_system)
        action.failure = synced.error();
    }
  }
}

}  // namespace tierhub
