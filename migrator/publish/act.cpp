#include "migrator/publish/act.h"

#include <map>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "common/log.h"
#include "migrator/publish/groups.h"

namespace tierhub {
namespace {

// The call may have been carried out all the same.
bool leaves_doubt(const Error& error) {
  return is_archive_wide(error) || error.is(std::errc::operation_canceled);
}

}  // namespace

void Acting::run(std::span<Action> actions) const {
  std::vector<Action*> placed;
  std::map<InodeNumber, std::vector<Action*>> others;
  for (Action& action : actions) {
    if (!action.alive()) continue;
    allow_one_of_several(action);
    (action.is_placed() ? placed : others[action.plan.inode]).push_back(&action);
  }
  std::vector<std::vector<Action*>> by_inode;
  for (auto& [inode, of_inode] : others) by_inode.push_back(std::move(of_inode));
  in_groups(placed.size(), [&](size_t begin, size_t end) {
    place_group(std::span(placed).subspan(begin, end - begin));
  });
  in_groups(by_inode.size(), [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) act_in_turn(by_inode[i]);
  });
}

// What has further names in the archive is not lost with one of them, whatever others did to it.
void Acting::allow_one_of_several(Action& action) const {
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

void Acting::place_group(std::span<Action*> group) const {
  std::vector<PlaceRequest> requests;
  for (const Action* action : group) {
    const auto displaced = action->displaced();
    requests.push_back({action->leaf, action->plan.target.path,
                        displaced ? std::optional(displaced->version) : std::nullopt});
  }
  auto answers = context_.archive.place_all(requests);
  for (size_t i = 0; i < answers.size(); ++i) {
    if (!answers[i] && is_not_begun(answers[i].error())) {
      group[i]->not_ready = NotReady::moving;
    } else {
      finish(*group[i], std::move(answers[i]));
    }
  }
}

// Acts on one file, which gets several names: each moves the ctime that the next one finds.
void Acting::act_in_turn(const std::vector<Action*>& actions) const {
  std::optional<ArchiveVersion> now;
  for (Action* action : actions) {
    if (now) action->plan.version = now;
    finish(*action, act_on_target(*action));
    if (action->outcome) now = action->outcome;
  }
}

// What is staged is placed with others.
Result<ArchiveVersion> Acting::act_on_target(Action& action) const {
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

Result<ArchiveVersion> Acting::move(Action& action) const {
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
Result<ArchiveVersion> Acting::set_attributes(const Action& action) const {
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

void Acting::finish(Action& action, Result<ArchiveVersion> done) const {
  if (!done) {
    action.failure = done.error();
    action.unknown_outcome = leaves_doubt(done.error());
    return;
  }
  action.outcome = *std::move(done);
  if (const auto displaced = action.displaced()) {
    if (auto kept = keep_displaced(context_.catalog, context_.trash, *displaced); !kept)
      return take_back(action, *displaced, kept.error());
  }
  if (action.plan.kind == Plan::Kind::publish && action.staged) link_further(action);
}

// The key waits.
void Acting::take_back(Action& action, const Displaced& displaced, const Error& why) const {
  const bool arrived = action.plan.kind != Plan::Kind::remove;
  const auto back = put_back(context_.archive, displaced, arrived ? action.outcome : std::nullopt);
  action.failure = why;
  if (!back) {
    log::error("a removed entry is neither in the trash nor in its old place",
               {{"path", displaced.path},
                {"rests_in", fmt::format("{}/{}", kStagingFolder, displaced.leaf)},
                {"error", back.error().text()}});
    action.unknown_outcome = true;
    return;
  }
  action.outcome.reset();
  action.taken_back = true;
}

void Acting::link_further(Action& action) const {
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

}  // namespace tierhub
