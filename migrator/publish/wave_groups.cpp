// The steps of a wave in which many files go together: what a message, a waking thread or a commit
// costs is shared.
#include <algorithm>
#include <map>
#include <utility>

#include "common/clock.h"
#include "common/fault_points.h"
#include "common/guarded.h"
#include "common/in_lanes.h"
#include "common/metrics.h"
#include "migrator/publish/wave.h"

namespace tierhub {
namespace {

constexpr size_t kCommittedTogether = 32;

// How the small files of a wave go to the archive. One that answers at once wants few threads, and
// many files in a call; one that is far away wants many threads, which wait side by side.
struct Pace {
  size_t lanes;
  size_t group;
};

Pace pace_of(SteadyClock::duration each, size_t count) {
  constexpr std::chrono::milliseconds kSlow(1);
  if (each <= kSlow) return {kLocalLanes, 32};
  constexpr size_t kMostInLine = 4;
  return {kLanes, std::clamp<size_t>(count / kLanes, 1, kMostInLine)};
}

// Calls use(begin, end) for groups of [0, count): first for a few to see how quick the archive is,
// then for the others at its pace.
template <class Use>
void in_groups(size_t count, Use use) {
  constexpr size_t kMany = 64;
  constexpr size_t kSample = 4;
  if (count == 0) return;
  const size_t sample = count < kMany ? 1 : kSample;
  const auto start = SteadyClock::now();
  use(size_t{0}, sample);
  const Pace pace = pace_of((SteadyClock::now() - start) / sample, count);
  const size_t groups = (count - sample + pace.group - 1) / pace.group;
  in_lanes(pace.lanes, groups, [&](size_t i) {
    const size_t begin = sample + i * pace.group;
    use(begin, std::min(begin + pace.group, count));
  });
}

bool is_placed(const Action& action) {
  const bool may_be =
      action.plan.kind == Plan::Kind::place || action.plan.kind == Plan::Kind::publish;
  return may_be && action.staged.has_value();
}

}  // namespace

void Wave::stage_all(const std::atomic<bool>& stopping) {
  Guarded<std::vector<Action*>> large;
  in_groups(actions_.size(), [&](size_t begin, size_t end) {
    const std::span<Pending> group = std::span(actions_).subspan(begin, end - begin);
    if (stopping) {
      for (Pending& pending : group) pending.action.interrupted = true;
      return;
    }
    const auto rest = stage_group(group);
    large.with([&](auto& all) { all.insert(all.end(), rest.begin(), rest.end()); });
  });
  const auto all_large = large.with([](auto& all) { return std::move(all); });
  in_lanes(kLanes, all_large.size(), [&](size_t i) {
    if (stopping) {
      all_large[i]->interrupted = true;
    } else {
      stage_large(*all_large[i]);
    }
  });
}

// Returns those that are too large to be staged with the others.
std::vector<Action*> Wave::stage_group(std::span<Pending> group) const {
  Staging staging;
  for (Pending& pending : group) {
    if (auto staged = stage_one(pending, staging); !staged) pending.action.failure = staged.error();
  }
  if (!staging.small.empty()) stage_small(staging);
  return std::move(staging.large);
}

void Wave::stage_small(Staging& staging) const {
  auto answers = context_.archive.stage_files(staging.requests);
  for (size_t i = 0; i < answers.size(); ++i) {
    Action& action = *staging.small[i];
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

void Wave::act_all() {
  std::vector<Action*> placed;
  std::map<InodeNumber, std::vector<Action*>> others;
  for (Pending& pending : actions_) {
    Action& action = pending.action;
    if (!action.alive()) continue;
    allow_one_of_several(action);
    (is_placed(action) ? placed : others[action.plan.inode]).push_back(&action);
  }
  std::vector<std::vector<Action*>> by_inode;
  for (auto& [inode, actions] : others) by_inode.push_back(std::move(actions));
  in_groups(placed.size(), [&](size_t begin, size_t end) {
    place_group(std::span(placed).subspan(begin, end - begin));
  });
  in_groups(by_inode.size(), [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) act_in_turn(by_inode[i]);
  });
}

// Acts on one file, which gets several names: each moves the ctime that the next one finds.
void Wave::act_in_turn(const std::vector<Action*>& actions) const {
  std::optional<ArchiveVersion> now;
  for (Action* action : actions) {
    if (now) action->plan.version = now;
    finish_act(*action, act_on_target(*action));
    if (action->outcome) now = action->outcome;
  }
}

// What has further names in the archive is not lost with one of them, whatever others did to it.
void Wave::allow_one_of_several(Action& action) const {
  Plan& plan = action.plan;
  const bool removes = plan.kind == Plan::Kind::remove;
  if (!removes && !plan.occupant) return;
  const auto in_base = context_.catalog.base_names(removes ? plan.inode : plan.occupant->inode);
  if (!in_base || in_base->size() <= 1) return;
  ArchiveVersion& version = removes ? *plan.version : plan.occupant->version;
  const auto found = context_.archive.stat(plan.target.path);
  action.stays_touched = !found || !*found || (*found)->is_touched_since(version);
  version.content_ctime.reset();
}

void Wave::place_group(std::span<Action*> group) const {
  std::vector<PlaceRequest> requests;
  for (const Action* action : group) {
    requests.push_back({action->leaf, action->plan.target.path, displaced_by_place(action->plan)});
  }
  auto answers = context_.archive.place_all(requests);
  for (size_t i = 0; i < answers.size(); ++i) {
    if (!answers[i] && is_not_begun(answers[i].error())) {
      group[i]->not_ready = NotReady::moving;
    } else {
      finish_act(*group[i], std::move(answers[i]));
    }
  }
}

Result<void> Wave::commit_all() {
  std::vector<Action*> group;
  for (Pending& pending : actions_) {
    Action& action = pending.action;
    if (!action.alive() || !action.outcome) {
      TRY(forget_intents(action));
      give_up_leaves(action);
      continue;
    }
    const bool together = action.plan.inode_kind == FileKind::file && is_placed(action);
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

}  // namespace tierhub
