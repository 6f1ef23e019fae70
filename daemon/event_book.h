// What has happened lately, for those who want to hear of it instead of asking again and again.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "api/messages.h"
#include "common/mutex.h"

namespace tierhub {

// The last kKept events, numbered. Any thread.
class EventBook {
 public:
  static constexpr size_t kKept = 4'096;

  // Who may hear of it.
  enum class Audience {
    everyone,
    owner,   // `owner_uid`, and root
    folder,  // whoever may list the folder at the event's path
  };
  struct Item {
    api::Event event;
    Audience audience = Audience::everyone;
    uint32_t owner_uid = 0;
  };

  // The numbers of a later process are greater than those of an earlier one.
  EventBook();

  void add(Item item);
  // The events after `since`, at most `most`. `lost`: there were others that are not kept any more.
  struct Page {
    std::vector<Item> items;
    uint64_t next = 0;  // pass it as `since` to go on
    bool lost = false;
  };
  Page after(uint64_t since, size_t most) const;
  // Until there is one after `since`, at most so long.
  void wait(uint64_t since, std::chrono::milliseconds most);
  // Nobody waits any more.
  void close();

 private:
  mutable Mutex mutex_;
  ConditionVariable changed_;
  std::deque<Item> items_ GUARDED_BY(mutex_);
  uint64_t newest_ GUARDED_BY(mutex_);
  bool is_closed_ GUARDED_BY(mutex_) = false;
};

}  // namespace tierhub
