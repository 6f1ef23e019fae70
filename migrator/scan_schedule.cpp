#include "migrator/scan_schedule.h"

#include <utility>

#include "common/duration.h"
#include "common/log.h"

namespace tierhub {

ScanSchedule::ScanSchedule(const Catalog& catalog, Scanner& scanner, Publisher& publisher,
                           Archive& archive, const Options& options)
    : catalog_(catalog),
      scanner_(scanner),
      publisher_(publisher),
      archive_(archive),
      options_(options) {}

void ScanSchedule::start() {
  scans_ = std::jthread([this](const std::stop_token& stop) { run_scans(stop); });
  looks_ = std::jthread([this](const std::stop_token& stop) { run_looks(stop); });
}

void ScanSchedule::stop() {
  scans_.request_stop();
  looks_.request_stop();
  if (scans_.joinable()) scans_.join();
  if (looks_.joinable()) looks_.join();
}

ScanSchedule::Progress ScanSchedule::scan(Scanner::Removals removals) {
  const MutexLock lock(mutex_);
  if (!progress_.running) ask_for_scan(removals);
  return progress_;
}

void ScanSchedule::scan_anew() {
  const MutexLock lock(mutex_);
  // The one that runs may have passed already where something is to be seen.
  if (!progress_.running) return ask_for_scan(Scanner::Removals::guarded);
  another_ = !asked_;
}

void ScanSchedule::ask_for_scan(Scanner::Removals removals) {
  progress_ = Progress{true, {}, {}};
  asked_ = removals;
  changed_.notify_all();
}

ScanSchedule::Progress ScanSchedule::progress() const {
  const MutexLock lock(mutex_);
  return progress_;
}

void ScanSchedule::listed(InodeNumber folder) { look_again(folder, 0); }

void ScanSchedule::changed(InodeNumber file) {
  const auto in_base = catalog_.base_names(file);
  if (!in_base) return;
  for (const Name& name : *in_base) {
    {
      const MutexLock lock(mutex_);
      stale_.insert(name.parent);
    }
    look_again(name.parent, 0);
  }
}

// The earlier time holds. When too many wait, the next whole scan sees to it.
void ScanSchedule::look_again(InodeNumber folder, double after_s) {
  const auto due = SteadyClock::now() + seconds(after_s);
  const MutexLock lock(mutex_);
  const auto found = waiting_.find(folder);
  if (found != waiting_.end()) {
    found->second = std::min(found->second, due);
  } else if (waiting_.size() < kMaxWaiting) {
    waiting_.emplace(folder, due);
    changed_.notify_all();
  }
}

void ScanSchedule::run_scans(const std::stop_token& stop) {
  const bool by_itself = options_.every_s > 0;
  auto next = SteadyClock::now() + seconds(options_.at_start ? 0 : options_.every_s);
  while (!stop.stop_requested()) {
    std::optional<Scanner::Removals> removals;
    {
      MutexLock lock(mutex_);
      const auto asked = [this]() REQUIRES(mutex_) { return asked_.has_value(); };
      if (by_itself) {
        changed_.wait_until(mutex_, stop, next, asked);
      } else {
        changed_.wait(mutex_, stop, asked);
      }
      if (stop.stop_requested()) return;
      removals = std::exchange(asked_, std::nullopt);
      if (!removals) progress_ = Progress{true, {}, {}};
    }
    whole_scan(stop, removals.value_or(Scanner::Removals::guarded));
    next = SteadyClock::now() + seconds(options_.every_s);
  }
}

void ScanSchedule::whole_scan(const std::stop_token& stop, Scanner::Removals removals) {
  const auto result = scanner_.run(
      [&](const ScanCounts& counts) {
        const MutexLock lock(mutex_);
        progress_.counts = counts;
        return !stop.stop_requested();
      },
      removals);
  if (!result && !stop.stop_requested())
    log::warning("scan failed", {{"error", result.error().text()}});
  watch_growing();
  if (options_.wait_until_seen) options_.wait_until_seen();
  publisher_.retry_parked();
  publisher_.wake();
  const MutexLock lock(mutex_);
  progress_.running = false;
  if (result) progress_.counts = *result;
  if (!result) progress_.error = result.error().text();
  if (std::exchange(another_, false)) ask_for_scan(Scanner::Removals::guarded);
}

void ScanSchedule::run_looks(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    std::vector<InodeNumber> folders;
    {
      MutexLock lock(mutex_);
      changed_.wait(mutex_, stop, [this]() REQUIRES(mutex_) { return !waiting_.empty(); });
      if (stop.stop_requested()) return;
      const auto now = SteadyClock::now();
      for (auto at = waiting_.begin(); at != waiting_.end();) {
        if (at->second > now) {
          ++at;
          continue;
        }
        folders.push_back(at->first);
        at = waiting_.erase(at);
      }
    }
    std::erase_if(folders, [&](InodeNumber folder) { return !needs_look(folder); });
    if (!folders.empty()) look(folders);
    MutexLock lock(mutex_);
    changed_.wait_for(mutex_, stop, seconds(options_.look_interval_s), [] { return false; });
  }
}

// Notes what is seen of the folder, so that a look that follows need not be repeated.
bool ScanSchedule::needs_look(InodeNumber folder) {
  const auto path = catalog_.base_path(folder);
  if (!path || !*path) return false;
  {
    const MutexLock lock(mutex_);
    if (stale_.erase(folder) > 0) return true;
  }
  const auto found = archive_.stat(**path);
  if (!found) return false;
  if (!*found) return true;  // gone
  const Timestamp ctime = (*found)->attributes.ctime;
  const auto now = SteadyClock::now();
  if (seen_.size() >= kMaxSeen) seen_.clear();
  const auto [at, is_new] = seen_.try_emplace(folder, Seen{ctime, now, false});
  Seen& seen = at->second;
  if (!is_new && seen.ctime != ctime) seen = Seen{ctime, now, false};
  if (seen.believed) return false;
  seen.believed = now - seen.since >= seconds(options_.rest_s);
  if (!seen.believed) look_again(folder, options_.rest_s);
  return true;
}

void ScanSchedule::look(const std::vector<InodeNumber>& folders) {
  const auto looked = scanner_.look(folders);
  if (!looked) {
    // What was seen was not looked at.
    for (const InodeNumber folder : folders) seen_.erase(folder);
    log::debug("checking the archive for changes failed", {{"error", looked.error().text()}});
    return;
  }
  watch_growing();
  const ScanCounts& counts = looked->counts;
  if (counts.added + counts.changed + counts.removed + counts.conflicts > 0) {
    log::info("others changed the archive", {{"added", counts.added},
                                             {"changed", counts.changed},
                                             {"removed", counts.removed},
                                             {"conflicts", counts.conflicts}});
    publisher_.retry_parked();
    publisher_.wake();
  }
  if (looked->wants_whole_scan) scan_anew();
}

// A file that grows may be written without its folder's ctime moving.
void ScanSchedule::watch_growing() {
  for (const InodeNumber folder : scanner_.take_folders_with_growing_files()) {
    {
      const MutexLock lock(mutex_);
      stale_.insert(folder);
    }
    look_again(folder, options_.growing_s);
  }
}

}  // namespace tierhub
