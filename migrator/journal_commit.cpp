#include <utility>

#include <fcntl.h>

#include <fmt/format.h>

#include "common/log.h"
#include "migrator/journal_base.h"
#include "migrator/journal_wave.h"
#include "storage/object_state.h"

namespace tierhub {
namespace {

bool changes_entries(const Action& action) {
  return action.plan.kind != Plan::Kind::attributes &&
         (action.plan.kind != Plan::Kind::publish || action.staged);
}

// A further name where the new content could not be linked: what stands there is no longer ours.
// Its key finds out whose it is.
Result<void> give_up_further_names(Batch& batch, BaseEdit& base, const Action& action) {
  for (size_t i = 0; i < action.further_failures.size(); ++i) {
    if (!action.further_failures[i]) continue;
    const Name& name = action.plan.further[i].name;
    TRY(base.set(name, std::nullopt));
    batch.put_journal(JournalKey::of_entry(name.parent, name.name), {Timestamp::now(), ""});
    log::warning(
        "a further name in the archive was changed behind TierHub",
        {{"path", action.plan.further[i].path}, {"error", action.further_failures[i]->text()}});
  }
  return {};
}

Result<void> edit_base(Batch& batch, BaseEdit& base, const Action& action) {
  const Plan& plan = action.plan;
  const BaseRecord arrived{plan.inode, plan.inode_kind};
  std::optional<BaseRecord> at_source;
  switch (plan.kind) {
    case Plan::Kind::place:
    case Plan::Kind::link:
      TRY(base.set(plan.target.name, arrived));
      break;
    case Plan::Kind::move:
      if (plan.occupant) at_source = BaseRecord{plan.occupant->inode, plan.occupant->kind};
      TRY(base.set(plan.target.name, arrived));
      TRY(base.set(plan.source.name, at_source));
      break;
    case Plan::Kind::remove:
      TRY(base.set(plan.target.name, std::nullopt));
      break;
    case Plan::Kind::publish:
      TRY(give_up_further_names(batch, base, action));
      break;
    case Plan::Kind::attributes:
    case Plan::Kind::drop:
    case Plan::Kind::wait:
      break;
  }
  if (plan.kind != Plan::Kind::remove) batch.put_version(plan.inode, *action.outcome);
  TRY(base.finish());
  return {};
}

Result<void> settle_keys(const Catalog& catalog, Batch& batch, const BaseEdit& base,
                         const HeldInodes& held, const Action& action) {
  const Plan& plan = action.plan;
  if (changes_entries(action)) {
    for (const Name& name : names_of(plan)) {
      if (name.parent != kAsideInode) TRY(touch_folder(catalog, batch, held.at(name.parent)));
      // Names that could not be linked have their keys already.
      if (plan.kind != Plan::Kind::publish) TRY(settle_entry_key(catalog, batch, base, name));
    }
  }
  if (!action.snapshot) return {};
  const JournalKey key = JournalKey::of_inode(plan.inode);
  const InodeState& inode = held.at(plan.inode);
  if (!inode.record || action.snapshot->stands(inode)) {
    batch.erase_journal(key);
    return {};
  }
  TRY(ensure_key(catalog, batch, key));
  return {};
}

// The object's tag says whether its bytes are anywhere else, for a catalog that has to be made
// again.
void tag_clean(const Catalog& catalog, const Scratch& scratch, const InodeState& inode) {
  if (!inode.rec().has_object) return;
  auto object = scratch.open_object(inode.number, O_RDONLY);
  if (!object) return;
  if (auto tagged = tag_object(catalog, scratch, object->get(), inode, inode.rec()); !tagged) {
    log::warning("the tag of an object stays dirty",
                 {{"inode", inode.number}, {"error", tagged.error().text()}});
  }
}

}  // namespace

std::vector<Name> names_of(const Plan& plan) {
  std::vector<Name> names{plan.target.name};
  if (plan.kind == Plan::Kind::move) names.push_back(plan.source.name);
  for (const Place& place : plan.further) names.push_back(place.name);
  return names;
}

Result<void> commit_action(const JournalContext& context, const Action& action) {
  const Plan& plan = action.plan;
  std::vector<InodeNumber> involved{plan.inode};
  for (const Name& name : names_of(plan)) involved.push_back(name.parent);
  TRY_ASSIGN(const HeldInodes held, HeldInodes::lock(context.inodes, std::move(involved)));
  InodeState& inode = held.at(plan.inode);

  Batch batch;
  BaseEdit base(context.catalog, batch);
  const uint64_t old_size_bytes = plan.version ? plan.version->attributes.size_bytes : 0;
  const bool published = action.snapshot && plan.inode_kind == FileKind::file &&
                         (action.staged || action.proved_equal);
  std::optional<InodeUpdate> update;
  if (published && inode.record) update = record_published(batch, inode, *action.snapshot);
  if (action.staged && plan.inode_kind == FileKind::file) {
    record_checksums(batch, plan.inode, action.checksums, context.catalog.chunk_bytes(),
                     old_size_bytes);
  }
  TRY(edit_base(batch, base, action));
  TRY(settle_keys(context.catalog, batch, base, held, action));
  for (const uint64_t sequence : action.intents) batch.erase_intent(sequence);
  TRY(context.catalog.commit(batch));
  if (update) {
    const bool clean = update->record.content == Content::known && update->dirty.empty();
    std::move(*update).apply(inode);
    if (clean && !inode.rec().writing) tag_clean(context.catalog, context.scratch, inode);
  }
  return {};
}

}  // namespace tierhub
