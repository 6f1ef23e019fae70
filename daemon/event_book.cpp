#include "daemon/event_book.h"

#include <algorithm>
#include <utility>

#include "common/clock.h"

namespace tierhub {

// There are fewer events than microseconds.
EventBook::EventBook() : newest_(static_cast<uint64_t>(Timestamp::now().ns) / 1'000) {}

void EventBook::add(Item item) {
  const MutexLock lock(mutex_);
  item.event.seq = ++newest_;
  item.event.at = Timestamp::now();
  items_.push_back(std::move(item));
  if (items_.size() > kKept) items_.pop_front();
  changed_.notify_all();
}

EventBook::Page EventBook::after(uint64_t since, size_t most) const {
  const MutexLock lock(mutex_);
  Page page;
  const uint64_t oldest = newest_ - items_.size();
  page.lost = since < oldest || since > newest_;
  if (page.lost) since = oldest;
  const auto first = items_.begin() + static_cast<ptrdiff_t>(since - oldest);
  const size_t count = std::min<size_t>(most, static_cast<size_t>(items_.end() - first));
  page.items.assign(first, first + static_cast<ptrdiff_t>(count));
  page.next = since + count;
  return page;
}

void EventBook::wait(uint64_t since, std::chrono::milliseconds most) {
  const MutexLock lock(mutex_);
  changed_.wait_for(mutex_, most,
                    [&]() REQUIRES(mutex_) { return is_closed_ || newest_ != since; });
}

void EventBook::close() {
  const MutexLock lock(mutex_);
  is_closed_ = true;
  changed_.notify_all();
}

}  // namespace tierhub
