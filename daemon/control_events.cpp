// What has happened, for whoever may know of it.
#include <algorithm>

#include "common/run_as.h"
#include "daemon/control.h"

namespace tierhub {
namespace {

// What everybody may know.
constexpr uint32_t kNobody = 65534;

}  // namespace

std::unique_ptr<EventWatch> Control::watch_events() {
  const api::Caller root{0, 0, {}}, nobody{kNobody, kNobody, {}};
  EventWatch::Sources sources;
  sources.prefetches = [this, root] {
    auto all = prefetches(root);
    return all ? *std::move(all) : std::vector<api::Prefetch>();
  };
  sources.health = [this, nobody] {
    auto now = status(nobody);
    return now ? std::move(now->health) : std::vector<std::string>();
  };
  sources.archive_state = parts_.archive_state;
  return std::make_unique<EventWatch>(catalog_, events_, std::move(sources));
}

bool Control::may_hear(const api::Caller& caller, const EventBook::Item& item) const {
  if (caller.uid == 0) return true;
  switch (item.audience) {
    case EventBook::Audience::everyone:
      return true;
    case EventBook::Audience::owner:
      return caller.uid == item.owner_uid;
    case EventBook::Audience::folder: {
      const auto folder = walk_.resolve(caller, item.event.path);
      if (!folder) return false;
      const auto listable = walk_.may(caller, *folder, Access::read);
      return listable && *listable;
    }
  }
  return false;
}

Result<api::EventList> Control::events(const api::Caller& caller, std::optional<uint64_t> since,
                                       size_t last, std::chrono::milliseconds wait) {
  api::EventList list;
  if (!since) {
    const EventBook::Page page = events_.after(0, EventBook::kKept);
    list.next = page.next;
    for (auto item = page.items.rbegin(); item != page.items.rend(); ++item) {
      if (list.events.size() >= last) break;
      if (may_hear(caller, *item)) list.events.push_back(item->event);
    }
    std::reverse(list.events.begin(), list.events.end());
    return list;
  }
  if (wait.count() > 0 && event_waits_.try_acquire()) {
    events_.wait(*since, wait);
    event_waits_.release();
  }
  const EventBook::Page page = events_.after(*since, kMostEvents);
  list.next = page.next;
  list.lost = page.lost;
  for (const EventBook::Item& item : page.items)
    if (may_hear(caller, item)) list.events.push_back(item.event);
  return list;
}

}  // namespace tierhub
