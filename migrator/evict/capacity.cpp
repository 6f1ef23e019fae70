#include "migrator/evict/capacity.h"

#include <algorithm>
#include <chrono>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "common/duration.h"
#include "common/log.h"

namespace tierhub {
namespace {

// So many watched objects are looked at in one poll, and so many passed by.
constexpr size_t kLooksPerPoll = 2000;
constexpr size_t kPassedPerPoll = 16'000;
// Cycles that pass by an object that does not grow.
constexpr uint8_t kRestMax = 8;
constexpr uint64_t kBlockBytes = 4096;
// Of refusals that follow one another so closely the first is logged.
constexpr std::chrono::seconds kBetweenRefusals{10};

uint64_t in_blocks(uint64_t bytes) { return (bytes + kBlockBytes - 1) / kBlockBytes * kBlockBytes; }

void subtract(std::atomic<uint64_t>& number, uint64_t bytes) {
  uint64_t now = number.load();
  while (!number.compare_exchange_weak(now, now > bytes ? now - bytes : 0)) {
  }
}

}  // namespace

Capacity::Source Capacity::source_of(const Scratch& scratch, const Catalog& catalog) {
  Source source;
  source.own_file_system = scratch.own_file_system();
  source.space = [&scratch] { return scratch.space(); };
  source.occupied_bytes = [&scratch](InodeNumber inode) { return scratch.occupied_bytes(inode); };
  source.count = [&scratch]() -> Result<uint64_t> {
    uint64_t total = 0;
    TRY(scratch.for_each_object([&](InodeNumber, uint64_t bytes) { total += bytes; }));
    TRY_ASSIGN(const uint64_t aside, scratch.set_aside_bytes());
    return total + aside;
  };
  source.is_writing = [&catalog](InodeNumber inode) -> Result<bool> {
    TRY_ASSIGN(const auto record, catalog.inode(inode));
    return record && record->writing;
  };
  return source;
}

Capacity::Capacity(Source source, const Options& options)
    : source_(std::move(source)),
      options_(options),
      queue_({[this](uint64_t bytes) { return reserve_if_room(bytes); },
              [this](RoomQueue::Refusal why) { return no_room(why); },
              [this] { return nothing_to_come(); }},
             {options.write_wait_s}) {}

Result<void> Capacity::begin() {
  TRY(recount());
  return poll();
}

uint64_t Capacity::used_bytes() const {
  const int64_t counted = std::max<int64_t>(0, counted_.load());
  return static_cast<uint64_t>(counted) + seen_elsewhere_.load() + outstanding_.load() +
         unseen_.load();
}

bool Capacity::passes_high_mark(uint64_t bytes) const {
  return used_bytes() + bytes > share_of_limit(options_.high_share);
}

Capacity::Marks Capacity::marks() const {
  return {capacity_.load(),
          used_bytes(),
          options_.reserve_bytes,
          limit_bytes(),
          share_of_limit(options_.high_share),
          share_of_limit(options_.low_share),
          source_.own_file_system,
          is_full()};
}

bool Capacity::reserve_if_room(uint64_t bytes) {
  outstanding_ += bytes;
  if (used_bytes() <= limit_bytes()) return true;
  subtract(outstanding_, bytes);
  return false;
}

// The next pass makes room for it.
void Capacity::want(uint64_t bytes) {
  uint64_t wanted = wanted_.load();
  while (wanted < bytes && !wanted_.compare_exchange_weak(wanted, bytes)) {
  }
  if (wake_evictor) wake_evictor();
}

bool Capacity::try_reserve(uint64_t bytes) {
  if (reserve_if_room(bytes)) return true;
  want(bytes);
  return false;
}

bool Capacity::try_reserve_in_turn(uint64_t bytes) { return !writers_wait() && try_reserve(bytes); }

void Capacity::settle(InodeNumber inode, uint64_t reserved_bytes, uint64_t written_bytes) {
  const uint64_t occupied = in_blocks(written_bytes);
  if (written_bytes > 0) {
    MutexLock lock(watch_mutex_);
    const auto it = watched_.find(inode);
    // What nobody polls is counted here.
    if (!source_.own_file_system && it == watched_.end()) {
      counted_ += static_cast<int64_t>(occupied);
    } else {
      unseen_ += occupied;
      if (it != watched_.end()) it->second.touched = true;
    }
  }
  subtract(outstanding_, reserved_bytes);
}

void Capacity::watch(InodeNumber inode) {
  if (source_.own_file_system) return;
  {
    MutexLock lock(watch_mutex_);
    if (const auto it = watched_.find(inode); it != watched_.end()) {
      it->second.touched = true;
      return;
    }
  }
  // Nobody else adds it: the caller has the inode's lock.
  const uint64_t bytes = source_.occupied_bytes(inode).value_or(0);
  MutexLock lock(watch_mutex_);
  watched_.insert_or_assign(inode, Watched{bytes, true});
  seen_elsewhere_ += bytes;
  counted_ -= static_cast<int64_t>(bytes);
}

void Capacity::removed(InodeNumber inode, uint64_t bytes) {
  if (source_.own_file_system) {
    // The next poll sees it; until then nobody shall be refused for it.
    subtract(seen_elsewhere_, bytes);
    return;
  }
  MutexLock lock(watch_mutex_);
  if (const auto it = watched_.find(inode); it != watched_.end()) {
    subtract(seen_elsewhere_, it->second.bytes);
    watched_.erase(it);
  } else {
    counted_ -= static_cast<int64_t>(bytes);
  }
}

void Capacity::punched(InodeNumber inode, uint64_t bytes) {
  if (source_.own_file_system) return subtract(seen_elsewhere_, bytes);
  MutexLock lock(watch_mutex_);
  if (const auto it = watched_.find(inode); it != watched_.end()) {
    it->second.touched = true;
  } else {
    counted_ -= static_cast<int64_t>(bytes);
  }
}

// Where others use the file system too, what they leave free counts as well.
void Capacity::set_limit(const Scratch::Space& space) {
  const uint64_t capacity = options_.capacity_bytes == 0
                                ? space.total_bytes
                                : std::min(options_.capacity_bytes, space.total_bytes);
  capacity_ = capacity;
  const int64_t counted = std::max<int64_t>(0, counted_.load());
  const uint64_t seen = static_cast<uint64_t>(counted) + seen_elsewhere_.load();
  const uint64_t limit = std::min(capacity, seen + space.available_bytes);
  limit_ = limit > options_.reserve_bytes ? limit - options_.reserve_bytes : 0;
}

Result<void> Capacity::poll() {
  if (source_.own_file_system) {
    // What was written before this line is in the answer.
    const uint64_t covered = unseen_.load();
    TRY_ASSIGN(const Scratch::Space space, source_.space());
    seen_elsewhere_ = space.total_bytes - std::min(space.free_bytes, space.total_bytes);
    subtract(unseen_, covered);
    set_limit(space);
  } else {
    TRY(look_at_watched());
    TRY_ASSIGN(const Scratch::Space space, source_.space());
    set_limit(space);
  }
  answer_waiters();
  if (!writers_wait() && !above_high_mark()) short_ = false;
  return {};
}

// The next of the watched objects, in the order of their numbers: those that somebody opened or
// wrote to through the daemon, and those that have rested. One whose writers are known to have
// ended goes back to those that are only counted, unless somebody opened it meanwhile.
Result<void> Capacity::look_at_watched() {
  std::vector<InodeNumber> batch;
  bool cycle_ends = false;
  InodeNumber cursor = watch_cursor_;
  {
    MutexLock lock(watch_mutex_);
    if (cursor == kNoInode) unseen_at_cycle_begin_ = unseen_.load();
    auto it = watched_.upper_bound(cursor);
    size_t passed = 0;
    for (; it != watched_.end() && batch.size() < kLooksPerPoll && passed < kPassedPerPoll; ++it) {
      cursor = it->first;
      Watched& watched = it->second;
      if (!watched.touched && watched.rest_left > 0) {
        --watched.rest_left;
        ++passed;
        continue;
      }
      batch.push_back(it->first);
      watched.touched = false;
    }
    cycle_ends = it == watched_.end();
  }
  for (const InodeNumber inode : batch) {
    TRY_ASSIGN(const bool writing, source_.is_writing(inode));
    TRY_ASSIGN(const uint64_t bytes, source_.occupied_bytes(inode));
    MutexLock lock(watch_mutex_);
    const auto it = watched_.find(inode);
    if (it == watched_.end()) continue;
    seen_elsewhere_ += bytes;
    subtract(seen_elsewhere_, it->second.bytes);
    const bool grew = it->second.bytes != bytes;
    it->second.bytes = bytes;
    it->second.rest =
        grew ? 0 : std::min<uint8_t>(kRestMax, static_cast<uint8_t>(it->second.rest * 2 + 1));
    it->second.rest_left = it->second.rest;
    if (writing || it->second.touched) continue;
    subtract(seen_elsewhere_, bytes);
    counted_ += static_cast<int64_t>(bytes);
    watched_.erase(it);
  }
  watch_cursor_ = cycle_ends ? kNoInode : cursor;
  if (cycle_ends) subtract(unseen_, unseen_at_cycle_begin_);
  return {};
}

// Files come and go during the walk: a count that is between what was known before and after tells
// nothing new.
Result<void> Capacity::recount() {
  if (source_.own_file_system) return {};
  const auto known = [this] {
    return counted_.load() + static_cast<int64_t>(seen_elsewhere_.load());
  };
  const auto begin = SteadyClock::now();
  const int64_t before = known();
  TRY_ASSIGN(const uint64_t count, source_.count());
  const int64_t after = known();
  const auto counted = static_cast<int64_t>(count);
  const auto [least, most] = std::minmax(before, after);
  if (counted < least) counted_ -= least - counted;
  if (counted > most) counted_ += counted - most;
  const std::chrono::duration<double> took = SteadyClock::now() - begin;
  recount_interval_s_ = std::max(1.0, 50 * took.count());
  return {};
}

// In the log once in a while: the writer hears no more than ENOSPC.
Error Capacity::no_room(RoomQueue::Refusal why) {
  const auto text = [&]() -> std::string_view {
    switch (why) {
      case RoomQueue::Refusal::nothing_to_come:
        return "nothing more can be published or evicted: close or unpin files, or add SSD";
      case RoomQueue::Refusal::archive_away:
        return "the archive accepts nothing at the moment";
      case RoomQueue::Refusal::too_late:
        return "no room became free in time (write_wait)";
      case RoomQueue::Refusal::too_much:
        return "the write is too large, or too many writers are waiting";
    }
    return "";
  }();
  Error error(std::errc::no_space_on_device,
              fmt::format("scratch is full: {} of {} bytes are used, and {}", used_bytes(),
                          limit_bytes(), text));
  const auto now = SteadyClock::now();
  const auto last = last_refusal_.load();
  if (now - last > kBetweenRefusals)
    log::warning("a writer found no room", {{"why", error.text()}});
  last_refusal_ = now;
  return error;
}

void Capacity::become_short() {
  if (!short_.exchange(true) && wake_publisher) wake_publisher();
}

void Capacity::wait_for_room(uint64_t bytes, uint64_t request,
                             std::function<void(Result<void>)> done) {
  if (bytes > limit_bytes()) return done(no_room(RoomQueue::Refusal::too_much));
  short_ = true;
  if (queue_.wait(bytes, request, std::move(done)) == RoomQueue::Outcome::answered) return;
  if (wake_publisher) wake_publisher();
  want(bytes);
}

void Capacity::answer_waiters() {
  if (const uint64_t wanted = queue_.answer(); wanted > 0) want(wanted);
}

Capacity::Pass Capacity::pass_begins() {
  queue_.pass_begins();
  const uint64_t used = used_bytes();
  const uint64_t asked = used + wanted_.exchange(0);
  const auto beyond = [](uint64_t bytes, uint64_t mark) { return bytes > mark ? bytes - mark : 0; };
  const uint64_t room = beyond(asked, limit_bytes());
  return {std::max(beyond(used, share_of_limit(options_.low_share)), room),
          std::max(beyond(used, share_of_limit(options_.high_share)), room)};
}

void Capacity::pass_ended() {
  queue_.pass_ended();
  if (above_high_mark()) become_short();
  answer_waiters();
}

}  // namespace tierhub
