#include "migrator/prefetch/share.h"

#include <algorithm>

namespace tierhub {
namespace {

uint64_t counted(PrefetchUrgency urgency, uint64_t bytes) {
  switch (urgency) {
    case PrefetchUrgency::task:
      return bytes;
    case PrefetchUrgency::later:
      return bytes * FairShare::kLaterCounts;
  }
  return bytes;
}

}  // namespace

FairShare::Level& FairShare::level_of(PrefetchUrgency urgency) {
  return levels_.at(urgency == PrefetchUrgency::task ? 0 : 1);
}

void FairShare::add(uint64_t id, uint32_t owner_uid, PrefetchUrgency urgency) {
  const auto [it, is_new] = entries_.emplace(id, Entry{owner_uid, urgency, Readiness::waits, 0});
  if (is_new) level_of(urgency).owners[owner_uid].entries.emplace(id, &it->second);
}

void FairShare::remove(uint64_t id) {
  const auto it = entries_.find(id);
  if (it == entries_.end()) return;
  set(id, Readiness::waits);
  auto& owners = level_of(it->second.urgency).owners;
  const auto owner = owners.find(it->second.owner_uid);
  owner->second.entries.erase(id);
  if (owner->second.entries.empty()) owners.erase(owner);
  entries_.erase(it);
}

// Each level of it begins where the least of the others is.
void FairShare::become_ready(uint64_t id, Entry& entry) {
  std::optional<uint64_t> least;
  const auto see = [&](uint64_t used) { least = std::min(least.value_or(used), used); };
  Level& level = level_of(entry.urgency);
  Owner& owner = level.owners.at(entry.owner_uid);
  for (const auto& [other_id, other] : owner.entries) {
    if (other_id != id && other->readiness == Readiness::ready) see(other->used);
  }
  if (least) entry.used = std::max(entry.used, *least);
  least.reset();
  for (const auto& [uid, other] : level.owners) {
    if (uid != entry.owner_uid && other.ready > 0) see(other.used);
  }
  if (least && owner.ready == 0) owner.used = std::max(owner.used, *least);
  least.reset();
  for (const Level& other : levels_) {
    if (&other != &level && other.ready > 0) see(other.used);
  }
  if (least && level.ready == 0) level.used = std::max(level.used, *least);
}

void FairShare::set(uint64_t id, Readiness readiness) {
  const auto it = entries_.find(id);
  if (it == entries_.end() || it->second.readiness == readiness) return;
  Entry& entry = it->second;
  Level& level = level_of(entry.urgency);
  Owner& owner = level.owners.at(entry.owner_uid);
  switch (readiness) {
    case Readiness::ready:
      become_ready(id, entry);
      ++owner.ready;
      ++level.ready;
      break;
    case Readiness::waits:
      --owner.ready;
      --level.ready;
      break;
  }
  entry.readiness = readiness;
}

const FairShare::Level* FairShare::next_level() const {
  const Level* result = nullptr;
  for (const Level& level : levels_) {
    if (level.ready > 0 && (result == nullptr || level.used < result->used)) result = &level;
  }
  return result;
}

std::optional<uint64_t> FairShare::next() const {
  const Level* level = next_level();
  if (level == nullptr) return std::nullopt;
  const Owner* owner = nullptr;
  for (const auto& [uid, candidate] : level->owners) {
    if (candidate.ready > 0 && (owner == nullptr || candidate.used < owner->used))
      owner = &candidate;
  }
  std::optional<uint64_t> result;
  uint64_t used = 0;
  for (const auto& [id, entry] : owner->entries) {
    if (entry->readiness != Readiness::ready || (result && entry->used >= used)) continue;
    result = id;
    used = entry->used;
  }
  return result;
}

void FairShare::charge(uint64_t id, uint64_t bytes) {
  const auto it = entries_.find(id);
  if (it == entries_.end()) return;
  Level& level = level_of(it->second.urgency);
  it->second.used += bytes;
  level.owners.at(it->second.owner_uid).used += bytes;
  level.used += counted(it->second.urgency, bytes);
}

void FairShare::refund(uint64_t id, uint64_t bytes) {
  const auto it = entries_.find(id);
  if (it == entries_.end()) return;
  Level& level = level_of(it->second.urgency);
  Owner& owner = level.owners.at(it->second.owner_uid);
  it->second.used -= std::min(it->second.used, bytes);
  owner.used -= std::min(owner.used, bytes);
  level.used -= std::min(level.used, counted(it->second.urgency, bytes));
}

}  // namespace tierhub
