#include "migrator/publish/commit.h"

#include <utility>

#include <fcntl.h>

#include <fmt/format.h>

#include "common/log.h"
#include "migrator/base/base_edit.h"
#include "migrator/publish/departure.h"
#include "storage/scratch/object_state.h"

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
        "another name of a file was changed in the archive behind TierHub's back",
        {{"path", action.plan.further[i].path}, {"error", action.further_failures[i]->text()}});
  }
  return {};
}

Result<void> edit_base(const Catalog& catalog, Batch& batch, BaseEdit& base, const Action& action) {
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
      if (plan.target.name.parent == kAsideInode)
        TRY(note_place(catalog, batch, plan.inode, plan.source.path));
      if (plan.occupant) TRY(note_place(catalog, batch, plan.occupant->inode, plan.target.path));
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
  if (action.occupant_now) batch.put_version(plan.occupant->inode, *action.occupant_now);
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
void tag_clean(const Catalog& catalog, const Scratch& scratch, const InodeState& inode,
               KnownFolders& folders) {
  if (!inode.rec().has_object) return;
  auto object = scratch.open_object(inode.number, O_RDONLY);
  if (!object) return;
  if (auto tagged = tag_object(catalog, scratch, object->get(), inode, inode.rec(), folders);
      !tagged) {
    log::warning("could not mark the tag of an object clean",
                 {{"inode", inode.number}, {"error", tagged.error().text()}});
  }
}

std::optional<InodeUpdate> record_content(const PublishContext& context, Batch& batch,
                                          const InodeState& inode, const Action& action) {
  const Plan& plan = action.plan;
  if (plan.inode_kind != FileKind::file) return std::nullopt;
  if (action.staged) {
    const uint64_t old_size_bytes = plan.version ? plan.version->attributes.size_bytes : 0;
    record_checksums(batch, plan.inode, action.checksums, context.catalog.chunk_bytes(),
                     old_size_bytes);
  }
  const bool published = action.snapshot && (action.staged || action.proved_equal);
  if (!published || !inode.record) return std::nullopt;
  return record_published(batch, inode, *action.snapshot);
}

}  // namespace

Result<void> commit_actions(const PublishContext& context,
                            const std::vector<const Action*>& actions) {
  std::vector<InodeNumber> involved;
  for (const Action* action : actions) {
    involved.push_back(action->plan.inode);
    for (const Name& name : names_of(action->plan)) involved.push_back(name.parent);
  }
  TRY_ASSIGN(const HeldInodes held, HeldInodes::lock(context.inodes, std::move(involved)));
  Batch batch;
  BaseEdit base(context.catalog, batch);
  std::vector<std::pair<InodeState*, InodeUpdate>> updates;
  for (const Action* action : actions) {
    InodeState& inode = held.at(action->plan.inode);
    auto update = record_content(context, batch, inode, *action);
    if (update) updates.emplace_back(&inode, *std::move(update));
    TRY(edit_base(context.catalog, batch, base, *action));
  }
  TRY(base.finish());
  for (const Action* action : actions) {
    TRY(settle_keys(context.catalog, batch, base, held, *action));
    for (const uint64_t sequence : action->intents) batch.erase_intent(sequence);
  }
  TRY(context.catalog.commit(batch));
  KnownFolders folders(context.catalog);
  for (auto& [inode, update] : updates) {
    const bool clean = update.record.content == Content::known && update.dirty.empty();
    std::move(update).apply(*inode);
    if (clean && !inode->rec().writing)
      tag_clean(context.catalog, context.scratch, *inode, folders);
  }
  return {};
}

}  // namespace tierhub
