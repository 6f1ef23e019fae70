#include "migrator/capacity.h"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "common/clock.h"

namespace tierhub {

Capacity::Capacity(const Scratch& scratch, const Options& options)
    : scratch_(scratch), options_(options) {}

uint64_t Capacity::capacity_bytes() const {
  const auto space = scratch_.space();
  const uint64_t total = space ? space->total_bytes : options_.capacity_bytes;
  return options_.capacity_bytes == 0 ? total : std::min(options_.capacity_bytes, total);
}

// The file system may be shared: what others leave free counts too.
uint64_t Capacity::limit_bytes() const {
  const auto space = scratch_.space();
  uint64_t limit = capacity_bytes();
  if (space) limit = std::min(limit, used_bytes() + space->available_bytes);
  return limit > options_.reserve_bytes ? limit - options_.reserve_bytes : 0;
}

uint64_t Capacity::excess_bytes() const {
  const auto low = static_cast<uint64_t>(static_cast<double>(limit_bytes()) * options_.low_share);
  const uint64_t used = used_bytes();
  return used > low ? used - low : 0;
}

void Capacity::subtract(uint64_t bytes) {
  uint64_t used = used_.load();
  while (!used_.compare_exchange_weak(used, used > bytes ? used - bytes : 0)) {
  }
}

Result<void> Capacity::reserve(uint64_t bytes) {
  if (!has_room(bytes)) {
    std::unique_lock lock(mutex_);
    // A pass that is under way may have looked away already: the next one counts.
    const uint64_t awaited = passes_begun_ + 1;
    lock.unlock();
    if (wake_evictor) wake_evictor();
    lock.lock();
    passed_.wait_for(lock, std::chrono::duration<double>(options_.write_wait_s),
                     [&] { return passes_ended_ >= awaited || has_room(bytes); });
  }
  if (!has_room(bytes)) {
    return Error(
        std::errc::no_space_on_device,
        fmt::format("scratch is full: {} of {} bytes are used and nothing more can be evicted",
                    used_bytes(), limit_bytes()));
  }
  add(bytes);
  return {};
}

Result<void> Capacity::recount() {
  const auto begin = SteadyClock::now();
  const uint64_t before = used_bytes();
  uint64_t counted = 0;
  TRY(scratch_.for_each_object([&](InodeNumber, uint64_t bytes) { counted += bytes; }));
  TRY_ASSIGN(const uint64_t aside, scratch_.set_aside_bytes());
  counted += aside;
  // What was added or freed during the walk stays added or freed.
  const uint64_t after = used_bytes();
  used_ = counted + (after > before ? after - before : 0);
  const std::chrono::duration<double> took = SteadyClock::now() - begin;
  recount_interval_s_ = std::max(1.0, 20 * took.count());
  return {};
}

void Capacity::pass_begins() {
  std::lock_guard lock(mutex_);
  ++passes_begun_;
}

void Capacity::pass_ended() {
  std::lock_guard lock(mutex_);
  passes_ended_ = passes_begun_;
  passed_.notify_all();
}

}  // namespace tierhub
