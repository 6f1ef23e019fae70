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

// The value of the one of them that has something ready and has had the least; null: there is none.
template <typename Map>
auto least_used(const Map& map) -> const typename Map::mapped_type* {
  const typename Map::mapped_type* least = nullptr;
  for (const auto& [name, candidate] : map) {
    if (candidate.ready > 0 && (least == nullptr || candidate.used < least->used))
      least = &candidate;
  }
  return least;
}

// One that had nothing ready begins where the least of the others is.
template <typename Share>
void catch_up(Share& share, const Share* least) {
  if (least != nullptr && share.ready == 0) share.used = std::max(share.used, least->used);
}

}  // namespace

FairShare::Place FairShare::place_of(const Entry& entry) {
  Level& level = levels_.at(entry.urgency);
  Owner& owner = level.owners.at(entry.owner_uid);
  return {level, owner, owner.queues.at(entry.queue)};
}

void FairShare::add(const PrefetchRecord& record) {
  const bool in_order = !record.lease_owner.empty() && !record.label.empty();
  const QueueName queue = in_order ? QueueName{record.label, 0} : QueueName{"", record.id};
  const auto [it, is_new] =
      entries_.emplace(record.id, Entry{record.owner_uid, record.urgency, queue, Readiness::waits});
  if (!is_new) return;
  Owner& owner = levels_[record.urgency].owners[record.owner_uid];
  owner.queues[queue].entries.emplace(record.id, &it->second);
}

void FairShare::remove(uint64_t id) {
  const auto it = entries_.find(id);
  if (it == entries_.end()) return;
  set(id, Readiness::waits);
  const Entry& entry = it->second;
  const Place place = place_of(entry);
  place.queue.entries.erase(id);
  if (place.queue.entries.empty()) place.owner.queues.erase(entry.queue);
  if (place.owner.queues.empty()) place.level.owners.erase(entry.owner_uid);
  entries_.erase(it);
}

void FairShare::become_ready(const Entry& entry) {
  const Place place = place_of(entry);
  catch_up(place.queue, least_used(place.owner.queues));
  catch_up(place.owner, least_used(place.level.owners));
  catch_up(place.level, least_used(levels_));
  ++place.queue.ready;
  ++place.owner.ready;
  ++place.level.ready;
}

void FairShare::set(uint64_t id, Readiness readiness) {
  const auto it = entries_.find(id);
  if (it == entries_.end() || it->second.readiness == readiness) return;
  Entry& entry = it->second;
  switch (readiness) {
    case Readiness::ready:
      become_ready(entry);
      break;
    case Readiness::waits: {
      const Place place = place_of(entry);
      --place.queue.ready;
      --place.owner.ready;
      --place.level.ready;
      break;
    }
  }
  entry.readiness = readiness;
}

std::optional<uint64_t> FairShare::next() const {
  const Level* level = least_used(levels_);
  if (level == nullptr) return std::nullopt;
  const Queue* queue = least_used(least_used(level->owners)->queues);
  const auto first =
      std::find_if(queue->entries.begin(), queue->entries.end(),
                   [](const auto& entry) { return entry.second->readiness == Readiness::ready; });
  return first->first;
}

void FairShare::charge(uint64_t id, uint64_t bytes) {
  const auto it = entries_.find(id);
  if (it == entries_.end()) return;
  const Place place = place_of(it->second);
  place.queue.used += bytes;
  place.owner.used += bytes;
  place.level.used += counted(it->second.urgency, bytes);
}

void FairShare::refund(uint64_t id, uint64_t bytes) {
  const auto it = entries_.find(id);
  if (it == entries_.end()) return;
  const Place place = place_of(it->second);
  const auto give_back = [](uint64_t& used, uint64_t amount) { used -= std::min(used, amount); };
  give_back(place.queue.used, bytes);
  give_back(place.owner.used, bytes);
  give_back(place.level.used, counted(it->second.urgency, bytes));
}

}  // namespace tierhub
