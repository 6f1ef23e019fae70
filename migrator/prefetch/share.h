// Whose turn it is to fetch a piece from the archive.
//
// Fair queueing by what was fetched: between the urgencies, within an urgency between the owners,
// and within an owner between the queues, the one that has had the least is next. Prefetches
// with a lease and the same label, as those of a run, are a queue: they are fetched in the order of
// their ids, so that the first task has its data early, instead of all tasks theirs at the end. Each
// other prefetch is a queue by itself: of what people look at, the newest is wanted first.
// `later` counts several times: it gets a small share while tasks wait, and everything while none
// do. Those who had nothing to fetch for a while do not catch up on that.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "catalog/records.h"

namespace tierhub {

// Not for several threads at once.
class FairShare {
 public:
  // Of nine bytes `later` gets one while tasks wait.
  static constexpr uint64_t kLaterCounts = 8;

  enum class Readiness { waits, ready };

  void add(const PrefetchRecord& record);
  void remove(uint64_t id);
  bool contains(uint64_t id) const { return entries_.contains(id); }
  // Only those that are ready get a turn. A new one waits.
  void set(uint64_t id, Readiness readiness);

  // Whose turn it is; none: nobody is ready.
  std::optional<uint64_t> next() const;
  // It has begun to fetch so much.
  void charge(uint64_t id, uint64_t bytes);
  // So much of what was charged did not have to be fetched.
  void refund(uint64_t id, uint64_t bytes);

 private:
  using QueueName = std::pair<std::string, uint64_t>;  // a label, or an id
  struct Entry {
    uint32_t owner_uid = 0;
    PrefetchUrgency urgency = PrefetchUrgency::task;
    QueueName queue;
    Readiness readiness = Readiness::waits;
  };
  // `used` is what it has had, and no less than what others had had when it became ready.
  struct Queue {
    std::map<uint64_t, const Entry*> entries;
    size_t ready = 0;
    uint64_t used = 0;
  };
  struct Owner {
    std::map<QueueName, Queue> queues;
    size_t ready = 0;
    uint64_t used = 0;
  };
  struct Level {
    std::map<uint32_t, Owner> owners;
    size_t ready = 0;
    uint64_t used = 0;
  };
  // Where an entry is.
  struct Place {
    Level& level;
    Owner& owner;
    Queue& queue;
  };
  Place place_of(const Entry& entry);
  void become_ready(const Entry& entry);

  std::map<uint64_t, Entry> entries_;
  std::map<PrefetchUrgency, Level> levels_;
};

}  // namespace tierhub
