#include "migrator/base/plan.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace tierhub {
namespace {

// How many children of a removed folder are looked at in one go.
constexpr size_t kChildrenAtOnce = 1000;

Plan waiting(Plan plan, std::string reason) {
  plan.kind = Plan::Kind::wait;
  plan.reason = std::move(reason);
  return plan;
}

}  // namespace

bool Plan::moves_a_folder() const {
  if (kind != Kind::move) return false;
  return inode_kind == FileKind::directory || (occupant && occupant->kind == FileKind::directory);
}

Result<std::optional<InodeNumber>> namespace_at(const Catalog& catalog, const Name& name) {
  if (name.parent == kAsideInode) return std::optional<InodeNumber>();
  return catalog.lookup(name.parent, name.name);
}

Result<Plan> Planner::plan(const JournalKey& key) {
  TRY_ASSIGN(Plan plan, key.kind == JournalKeyKind::entry ? plan_entry(key) : plan_inode(key));
  TRY(stay_in_one_file_system(plan));
  return plan;
}

Result<void> Planner::stay_in_one_file_system(Plan& plan) const {
  if (plan.kind == Plan::Kind::drop || plan.kind == Plan::Kind::wait) return {};
  const bool aside = plan.target.name.parent == kAsideInode;
  FileSystemId around;
  if (!aside) {
    TRY_ASSIGN(around, file_system_of(catalog_, plan.target.name.parent));
  }
  plan.file_system = plan.version ? file_system_of(plan.version->identity) : around;
  const bool arrives = plan.kind == Plan::Kind::move || plan.kind == Plan::Kind::link;
  if (!arrives || aside || plan.file_system == around) return {};
  // It was moved here before a file system was mounted in between.
  plan = waiting(std::move(plan),
                 "it and its folder are on different file systems of the archive: copy it, then "
                 "remove this one");
  return {};
}

Result<Plan> Planner::plan_entry(const JournalKey& key) {
  Plan plan;
  plan.key = key;
  const Name name{key.inode, key.name};
  TRY_ASSIGN(const auto wanted, namespace_at(catalog_, name));
  TRY_ASSIGN(const auto standing, catalog_.base(name));
  if (!wanted && !standing) return plan;
  TRY_ASSIGN(auto place, place_of(name));
  if (!place) {
    if (!wanted) return plan;
    TRY_ASSIGN(plan.needed, entry_keys(key.inode));
    return waiting(std::move(plan), "its folder is not in the archive yet");
  }
  plan.target = *std::move(place);
  if (!wanted) return plan_removal(std::move(plan), standing->inode);
  plan.inode = *wanted;
  if (standing && standing->inode == *wanted) return plan;
  TRY_ASSIGN(const auto record, catalog_.inode(*wanted));
  if (!record)
    return Error(std::errc::bad_message, fmt::format("inode {} has a name but no record", *wanted));
  plan.inode_kind = record->attributes.kind;
  return plan_arrival(std::move(plan), standing);
}

// The namespace has nothing at the target, where `standing` is.
Result<Plan> Planner::plan_removal(Plan plan, InodeNumber standing) {
  plan.inode = standing;
  TRY_ASSIGN(const auto names, catalog_.names(standing));
  TRY_ASSIGN(const auto in_base, catalog_.base_names(standing));
  for (const Name& name : names) {
    TRY_ASSIGN(const auto there, catalog_.base(name));
    if (!there || there->inode != standing)
      plan.needed.push_back(JournalKey::of_entry(name.parent, name.name));
  }
  if (!plan.needed.empty())
    return waiting(std::move(plan), "its other name has to be published first");
  TRY_ASSIGN(plan.version, version_on_record(standing));
  plan.inode_kind = plan.version->attributes.kind;
  if (names.empty() && plan.inode_kind == FileKind::directory) {
    TRY_ASSIGN(const auto children, catalog_.base_children(standing));
    for (size_t i = 0; i < std::min(children.size(), kChildrenAtOnce); ++i) {
      plan.needed.push_back(JournalKey::of_entry(standing, children[i].first));
    }
    if (!children.empty())
      return waiting(std::move(plan), "the folder's contents have to be removed first");
  }
  if (in_base.size() == 1) {
    TRY_ASSIGN(const bool needed, still_read(standing));
    if (needed)
      return waiting(std::move(plan),
                     "the removed file is still open, and parts of it are only in the archive");
  }
  plan.kind = Plan::Kind::remove;
  return plan;
}

// The namespace has `plan.inode` at the target, where base has something else or nothing.
Result<Plan> Planner::plan_arrival(Plan plan, const std::optional<BaseRecord>& standing) {
  if (standing) {
    TRY_ASSIGN(plan.occupant, occupant_of(*standing));
  }
  TRY_ASSIGN(const auto in_base, catalog_.base_names(plan.inode));
  if (!in_base.empty()) return plan_move(std::move(plan), in_base);
  if (plan.occupant) {
    TRY_ASSIGN(const bool may_go, expendable(*plan.occupant));
    if (!may_go) return set_aside(std::move(plan));
  }
  plan.kind = Plan::Kind::place;
  return plan;
}

// `plan.inode` is in base under other names.
Result<Plan> Planner::plan_move(Plan plan, const std::vector<Name>& in_base) {
  TRY_ASSIGN(plan.version, version_on_record(plan.inode));
  const Name* stays = nullptr;
  for (const Name& name : in_base) {
    TRY_ASSIGN(const auto there, namespace_at(catalog_, name));
    if (there == plan.inode) stays = &name;
  }
  const Name& from = stays != nullptr ? *stays : in_base.front();
  TRY_ASSIGN(auto source, place_of(from));
  if (!source)
    return Error(std::errc::bad_message,
                 fmt::format("inode {}: its folder in the archive is unknown", plan.inode));
  plan.source = *std::move(source);
  if (stays != nullptr) {
    if (plan.occupant) {
      TRY_ASSIGN(const bool may_go, expendable(*plan.occupant));
      if (!may_go) return set_aside(std::move(plan));
    }
    plan.kind = Plan::Kind::link;
    return plan;
  }
  if (plan.inode_kind == FileKind::directory) {
    TRY_ASSIGN(const bool into_itself, lies_below(plan.target.name.parent, plan.inode));
    if (into_itself) {
      TRY_ASSIGN(plan.needed, entry_keys(plan.target.name.parent));
      return waiting(std::move(plan), "its destination folder has to be moved first");
    }
  }
  if (plan.occupant) {
    TRY_ASSIGN(const bool around, lies_below(plan.source.name.parent, plan.occupant->inode));
    if (around) return set_aside(std::move(plan));
    TRY_ASSIGN(plan.needed, entry_keys(plan.occupant->inode));
  }
  plan.kind = Plan::Kind::move;
  return plan;
}

// The occupant of the target goes to the folder of those that wait for their place; the key stays
// and is planned again.
Result<Plan> Planner::set_aside(Plan plan) {
  const Occupant occupant = *std::move(plan.occupant);
  Plan aside;
  aside.kind = Plan::Kind::move;
  aside.key = std::move(plan.key);
  aside.inode = occupant.inode;
  aside.inode_kind = occupant.kind;
  aside.version = occupant.version;
  aside.source = std::move(plan.target);
  TRY_ASSIGN(auto target, place_of({kAsideInode, name_on(file_system_of(occupant.version.identity),
                                                         fmt::format("{}", occupant.inode))}));
  aside.target = *std::move(target);
  TRY_ASSIGN(aside.needed, entry_keys(occupant.inode));
  return aside;
}

Result<Plan> Planner::plan_inode(const JournalKey& key) {
  Plan plan;
  plan.key = key;
  plan.inode = key.inode;
  TRY_ASSIGN(const auto record, catalog_.inode(key.inode));
  TRY_ASSIGN(const auto names, catalog_.names(key.inode));
  TRY_ASSIGN(const auto in_base, catalog_.base_names(key.inode));
  if (key.inode == kRootInode && record) {
    plan.kind = Plan::Kind::attributes;
    plan.inode_kind = FileKind::directory;
    plan.target.name = {kRootInode, ""};
    TRY_ASSIGN(plan.version, catalog_.version(kRootInode));
    return plan;
  }
  if (!record || names.empty()) {
    for (const Name& name : in_base)
      plan.needed.push_back(JournalKey::of_entry(name.parent, name.name));
    return plan;
  }
  plan.inode_kind = record->attributes.kind;
  if (in_base.empty()) {
    TRY_ASSIGN(plan.needed, entry_keys(key.inode));
    return waiting(std::move(plan), "it has no name in the archive yet");
  }
  TRY_ASSIGN(plan.version, version_on_record(key.inode));
  for (const Name& name : in_base) {
    TRY_ASSIGN(auto place, place_of(name));
    if (!place)
      return Error(std::errc::bad_message,
                   fmt::format("inode {}: its folder in the archive is unknown", key.inode));
    plan.further.push_back(*std::move(place));
  }
  plan.target = std::move(plan.further.front());
  plan.further.erase(plan.further.begin());
  plan.kind = plan.inode_kind == FileKind::file ? Plan::Kind::publish : Plan::Kind::attributes;
  return plan;
}

// What stands in the way may be deleted: nobody has a name for it, or the archive has it under
// another name as well.
Result<bool> Planner::expendable(const Occupant& occupant) {
  if (occupant.kind == FileKind::directory) return false;
  TRY_ASSIGN(const auto in_base, catalog_.base_names(occupant.inode));
  if (in_base.size() > 1) return true;
  TRY_ASSIGN(const auto names, catalog_.names(occupant.inode));
  if (!names.empty()) return false;
  TRY_ASSIGN(const bool needed, still_read(occupant.inode));
  return !needed;
}

// Someone has the file open, and only the archive has all of it.
Result<bool> Planner::still_read(InodeNumber inode) {
  TRY_ASSIGN(const InodeLock lock, inodes_.lock(inode));
  return lock.exists() && lock->is_file() && lock->handles > 0 && !lock->all_present();
}

// In base, `folder` is `ancestor` or somewhere below it.
Result<bool> Planner::lies_below(InodeNumber folder, InodeNumber ancestor) const {
  while (folder != ancestor) {
    TRY_ASSIGN(const auto names, catalog_.base_names(folder));
    if (names.empty()) return false;
    folder = names.front().parent;
  }
  return true;
}

Result<Occupant> Planner::occupant_of(const BaseRecord& standing) const {
  TRY_ASSIGN(auto version, version_on_record(standing.inode));
  return Occupant{standing.inode, standing.kind, std::move(version)};
}

Result<ArchiveVersion> Planner::version_on_record(InodeNumber inode) const {
  TRY_ASSIGN(auto version, catalog_.version(inode));
  if (!version)
    return Error(std::errc::bad_message,
                 fmt::format("inode {} has a base entry but no version", inode));
  return *std::move(version);
}

Result<std::vector<JournalKey>> Planner::entry_keys(InodeNumber inode) const {
  TRY_ASSIGN(const auto names, catalog_.names(inode));
  std::vector<JournalKey> keys;
  for (const Name& name : names) keys.push_back(JournalKey::of_entry(name.parent, name.name));
  return keys;
}

Result<std::optional<Place>> Planner::place_of(const Name& name) {
  auto found = folder_paths_.find(name.parent);
  if (found == folder_paths_.end()) {
    TRY_ASSIGN(auto path, catalog_.base_path(name.parent));
    found = folder_paths_.emplace(name.parent, std::move(path)).first;
  }
  const auto& folder = found->second;
  if (!folder) return std::optional<Place>();
  return std::optional<Place>(Place{name, folder->empty() ? name.name : *folder + "/" + name.name});
}

}  // namespace tierhub
