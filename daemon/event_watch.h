// Notices what people want to hear of, once a second, and writes it into an EventBook: so a folder in which
// much happens is one event a second.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "api/messages.h"
#include "catalog/catalog.h"
#include "common/guarded.h"
#include "daemon/event_book.h"

namespace tierhub {

// Owns a thread, from construction to destruction.
class EventWatch {
 public:
  // Called by the thread; any of them may take some milliseconds.
  struct Sources {
    std::function<std::vector<api::Prefetch>()> prefetches;
    std::function<std::vector<std::string>()> health;  // what everybody may know
    std::function<std::string()> archive_state;
  };
  EventWatch(Catalog& catalog, EventBook& book, Sources sources);
  ~EventWatch();
  EventWatch(const EventWatch&) = delete;
  EventWatch& operator=(const EventWatch&) = delete;

 private:
  // Since the last look.
  struct Touched {
    std::set<InodeNumber> files;    // whose bytes were fetched, evicted, written or published
    std::set<InodeNumber> folders;  // in which names came or went
    bool too_many = false;
  };

  void note(const Batch& batch);
  void run(const std::stop_token& stop);
  void look_at_folders();
  void look_at_prefetches();
  void look_at_health();
  void look_at_archive();
  void add(EventBook::Audience audience, api::Event event, uint32_t owner_uid = 0);

  Catalog& catalog_;
  EventBook& book_;
  const Sources sources_;
  Guarded<Touched> touched_;
  // Of the thread alone.
  std::map<uint64_t, api::Prefetch> prefetches_;
  std::set<std::string> health_;
  std::string archive_state_;
  std::jthread thread_;
};

}  // namespace tierhub
