#include "migrator/housekeeper.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "common/duration.h"
#include "common/fault_points.h"
#include "common/health.h"
#include "common/log.h"
#include "common/metrics.h"

namespace tierhub {
namespace {

// Something to be done again and again, but not more often than this.
class Due {
 public:
  explicit Due(double interval_s) : interval_s_(interval_s) {}
  bool now() {
    if (SteadyClock::now() < next_) return false;
    next_ = SteadyClock::now() + seconds(interval_s_);
    return true;
  }
  void set_interval(double interval_s) { interval_s_ = interval_s; }

 private:
  double interval_s_;
  SteadyClock::time_point next_;
};

void report(std::string_view what, const Result<void>& result) {
  if (!result) log::warning(what, {{"error", result.error().text()}});
}

}  // namespace

Housekeeper::Housekeeper(Catalog& catalog, const Scratch& scratch, Archive& archive,
                         Capacity& capacity, Evictor& evictor, Mover& mover, const Options& options)
    : catalog_(catalog),
      scratch_(scratch),
      archive_(archive),
      capacity_(capacity),
      evictor_(evictor),
      mover_(mover),
      options_(options),
      nested_spaces_(archive, options.space_interval_s) {}

void Housekeeper::start() {
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
  capacity_thread_ = std::jthread([this](const std::stop_token& stop) { look_at_capacity(stop); });
  nested_spaces_.start();
  // A thread of its own: asking a hung archive takes as long as the time limit.
  space_thread_ = std::jthread([this](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      ask_space();
      MutexLock lock(mutex_);
      woken_.wait_for(mutex_, stop, seconds(options_.space_interval_s), [] { return false; });
    }
  });
}

void Housekeeper::stop() {
  thread_.request_stop();
  capacity_thread_.request_stop();
  space_thread_.request_stop();
  woken_.notify_all();
  if (thread_.joinable()) thread_.join();
  if (capacity_thread_.joinable()) capacity_thread_.join();
  if (space_thread_.joinable()) space_thread_.join();
  nested_spaces_.stop();
}

void Housekeeper::wake() {
  MutexLock lock(mutex_);
  room_wanted_ = true;
  woken_.notify_all();
}

Archive::Space Housekeeper::archive_space(const FileSystemId& file_system) {
  if (!file_system.empty()) {
    if (const auto space = nested_spaces_.of(file_system)) return *space;
  }
  MutexLock lock(mutex_);
  return space_;
}

bool Housekeeper::archive_online() const {
  MutexLock lock(mutex_);
  return online_;
}

void Housekeeper::ask_space() {
  const auto space = archive_.space();
  MutexLock lock(mutex_);
  if (online_ != space.has_value()) {
    if (space) {
      log::info("the archive answers again");
    } else {
      log::warning("the archive does not answer", {{"error", space.error().text()}});
    }
  }
  online_ = space.has_value();
  if (space) space_ = *space;
}

void Housekeeper::look_at_capacity(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    report("the use of scratch cannot be determined", capacity_.poll());
    publish_rate_.note(metrics().published_bytes.value());
    if (capacity_.above_high_mark()) wake();
    MutexLock lock(mutex_);
    capacity_woken_.wait_for(mutex_, stop, seconds(options_.tick_s), [] { return false; });
  }
}

void Housekeeper::run(const std::stop_token& stop) {
  Due recount(capacity_.recount_interval_s());
  Due sync(options_.sync_interval_s);
  Due leases(options_.lease_interval_s);
  Due look_at_reaps(1);
  // Where nothing can be evicted, looking for it must not be the only thing that happens.
  Due pass(options_.pass_interval_s);
  bool room_is_wanted = false;
  while (!stop.stop_requested()) {
    bool room_wanted = false;
    {
      MutexLock lock(mutex_);
      woken_.wait_for(mutex_, stop, seconds(options_.tick_s),
                      [this]() REQUIRES(mutex_) { return room_wanted_; });
      room_wanted = std::exchange(room_wanted_, false);
    }
    if (stop.stop_requested()) return;
    if (recount.now()) {
      report("the files in scratch cannot be counted", capacity_.recount());
      recount.set_interval(capacity_.recount_interval_s());
    }
    room_is_wanted = room_is_wanted || room_wanted || capacity_.above_high_mark();
    if (room_is_wanted && pass.now()) {
      make_room();
      room_is_wanted = false;
    }
    if (reap_wanted_.exchange(false) || look_at_reaps.now())
      report("deleted files cannot be removed", evictor_.reap());
    if (sync.now()) sync_scratch();
    if (leases.now()) report("expired leases cannot be dropped", drop_expired_leases());
  }
}

void Housekeeper::make_room() {
  const auto freed = evictor_.make_room();
  if (!freed) {
    log::warning("eviction failed", {{"error", freed.error().text()}});
  } else if (*freed > 0) {
    log::info(
        "evicted",
        {{"bytes", *freed}, {"used", capacity_.used_bytes()}, {"limit", capacity_.limit_bytes()}});
  }
}

// Of inodes that were erased nothing has to reach the device: while nothing else does, a sync would
// only make the kernel write early what may be deleted soon.
bool Housekeeper::can_wait(const std::vector<std::pair<uint64_t, InodeNumber>>& unsynced) const {
  constexpr size_t kMany = 1000;
  if (unsynced.size() > kMany ||
      SteadyClock::now() > last_sync_ + seconds(options_.sync_erased_interval_s))
    return false;
  std::vector<InodeNumber> numbers;
  for (const auto& [epoch, inode] : unsynced) numbers.push_back(inode);
  const auto records = catalog_.inodes(numbers);
  return records && std::none_of(records->begin(), records->end(),
                                 [](const auto& record) { return record.has_value(); });
}

// Chunks committed before the epoch ended were written to scratch before: this sync covers them.
// A failed sync leaves out some of them, nobody knows which, and the next one succeeds: the kernel
// tells of a failure once. So what it should have covered is dropped, and brought again by whoever
// needs it; what is in use stays noted until it can be dropped.
void Housekeeper::sync_scratch() {
  const auto unsynced = catalog_.unsynced();
  if (!unsynced || unsynced->empty() || can_wait(*unsynced)) return;
  last_sync_ = SteadyClock::now();
  const uint64_t epoch = scratch_.end_epoch();
  const auto synced = scratch_.sync();
  report("scratch cannot be synced", synced);
  if (!synced) {
    failed_epoch_ = epoch;
    health().set(HealthPart::scratch,
                 {"scratch is failing, check its disk",
                  synced.error().text() + "; recently fetched data is fetched again"});
  }
  if (failed_epoch_ > 0) report("unwritten chunks cannot be dropped", drop_unwritten());
  if (!synced) return;
  fault_point(FaultPoint::sync_after_scratch);
  report("synced chunks cannot be recorded", mover_.forget_epochs(failed_epoch_, epoch));
  fault_point(FaultPoint::sync_after_commit);
}

Result<void> Housekeeper::drop_unwritten() {
  TRY_ASSIGN(const auto unsynced, catalog_.unsynced());
  bool any_left = false;
  Batch batch;
  for (const auto& [epoch, inode] : unsynced) {
    if (epoch > failed_epoch_) continue;
    const auto eviction = evictor_.evict(inode);
    const bool gone = !eviction && eviction.error().is(std::errc::no_such_file_or_directory);
    if (gone || (eviction && !eviction->skip)) {
      batch.erase_unsynced(epoch, inode);
      // The next sync covers its erasure.
      if (gone) batch.put_unsynced(scratch_.epoch(), inode);
    } else {
      any_left = true;
    }
  }
  if (!batch.empty()) TRY(catalog_.commit(batch));
  if (any_left) return {};
  failed_epoch_ = 0;
  health().clear(HealthPart::scratch);
  return {};
}

Result<void> Housekeeper::drop_expired_leases() {
  const Timestamp now = Timestamp::now();
  Batch batch;
  TRY(catalog_.for_each_lease([&](InodeNumber inode, const LeaseRecord& lease) {
    if (!lease.pin && lease.expires < now) batch.erase_lease(inode, lease.owner);
    return true;
  }));
  if (batch.empty()) return {};
  return catalog_.commit(batch);
}

}  // namespace tierhub
