#include "migrator/publish/action.h"

#include <fmt/format.h>

namespace tierhub {

std::string Action::further_leaf(size_t i) const {
  return with_suffix(leaf, fmt::format("-{}", i + 1));
}

bool Action::is_placed() const {
  return staged && (plan.kind == Plan::Kind::place || plan.kind == Plan::Kind::publish);
}

bool Action::sets_attributes() const {
  return plan.kind == Plan::Kind::attributes || (plan.kind == Plan::Kind::publish && !staged);
}

std::optional<Displaced> Action::displaced() const {
  const auto by = [&](const ArchiveVersion& version, InodeNumber inode, Farewell farewell) {
    return std::optional(Displaced{leaf, version, inode, plan.target.path, farewell});
  };
  switch (plan.kind) {
    case Plan::Kind::remove:
      return by(*plan.version, plan.inode, Farewell::removed);
    case Plan::Kind::publish:
      return staged ? by(*plan.version, plan.inode, Farewell::overwritten) : std::nullopt;
    case Plan::Kind::place:
    case Plan::Kind::link:
      if (!plan.occupant) return std::nullopt;
      return by(plan.occupant->version, plan.occupant->inode, Farewell::displaced);
    case Plan::Kind::move:  // its occupant stands at the source
    case Plan::Kind::attributes:
    case Plan::Kind::drop:
    case Plan::Kind::wait:
      return std::nullopt;
  }
  return std::nullopt;
}

std::vector<Name> names_of(const Plan& plan) {
  std::vector<Name> names{plan.target.name};
  if (plan.kind == Plan::Kind::move) names.push_back(plan.source.name);
  for (const Place& place : plan.further) names.push_back(place.name);
  return names;
}

}  // namespace tierhub
