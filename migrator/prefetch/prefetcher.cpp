// What callers see of the prefetch queue.
#include "migrator/prefetch/prefetcher.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "migrator/prefetch/job.h"

namespace tierhub {

std::vector<ByteRange> asked_ranges(const PrefetchItem& item, uint64_t size_bytes) {
  std::vector<ByteRange> result =
      item.ranges.empty() ? std::vector<ByteRange>{{0, size_bytes}} : item.ranges;
  for (ByteRange& range : result) range.end = std::min(range.end, size_bytes);
  return disjoint(std::move(result));
}

Prefetcher::Prefetcher(InodeTable& inodes, Mover& mover, const Options& options)
    : inodes_(inodes),
      catalog_(inodes.catalog()),
      mover_(mover),
      options_(options),
      rate_({catalog_.chunk_bytes(), options.bytes_in_flight, options.files_in_flight,
             options.piece_bytes}) {}

Prefetcher::~Prefetcher() { stop(); }

Result<void> Prefetcher::start() {
  TRY(restore_leases());
  TRY_ASSIGN(const auto records, catalog_.prefetches());
  for (const PrefetchRecord& record : records) TRY(take_up(record));
  TRY_ASSIGN(const auto left_behind, catalog_.prefetches_without_record());
  {
    MutexLock lock(mutex_);
    for (const uint64_t id : left_behind) to_sweep_.push_back({id, 0});
  }
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
  return {};
}

void Prefetcher::stop() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  changed_.notify_all();
  thread_.join();
  rest();
}

Result<uint64_t> Prefetcher::size_of(InodeNumber inode) const {
  TRY_ASSIGN(const auto record, catalog_.inode(inode));
  if (!record)
    return Error(std::errc::no_such_file_or_directory,
                 fmt::format("inode {} does not exist", inode));
  return record->attributes.size_bytes;
}

Result<Prefetcher::JobPtr> Prefetcher::find(uint64_t id) const {
  const auto it = jobs_.find(id);
  if (it == jobs_.end())
    return Error(std::errc::no_such_file_or_directory, fmt::format("there is no prefetch {}", id));
  return it->second;
}

Result<Prefetcher::Progress> Prefetcher::progress(uint64_t id) const {
  MutexLock lock(mutex_);
  TRY_ASSIGN(const JobPtr job, find(id));
  return progress_of(*job);
}

std::vector<Prefetcher::Progress> Prefetcher::all() const {
  MutexLock lock(mutex_);
  std::vector<Progress> result;
  for (const auto& [id, job] : jobs_) result.push_back(progress_of(*job));
  return result;
}

uint64_t Prefetcher::active() const {
  MutexLock lock(mutex_);
  return static_cast<uint64_t>(std::ranges::count_if(
      jobs_, [](const auto& item) { return !item.second->ended() && !item.second->parked(); }));
}

std::vector<uint64_t> Prefetcher::parked() const {
  MutexLock lock(mutex_);
  std::vector<uint64_t> result;
  for (const auto& [id, job] : jobs_) {
    if (job->parked()) result.push_back(id);
  }
  return result;
}

Result<Prefetcher::Progress> Prefetcher::cancel(uint64_t id) {
  JobPtr job;
  {
    MutexLock lock(mutex_);
    TRY_ASSIGN(job, find(id));
    if (job->ended()) return progress_of(*job);
    job->record.state = PrefetchState::cancelled;
    job->record.ended = Timestamp::now();
    share_.remove(id);
    leases_.cancel(id);
    look_again();
  }
  TRY(put_record(*job, Durability::synced));
  MutexLock lock(mutex_);
  return progress_of(*job);
}

Result<Prefetcher::Progress> Prefetcher::resume(uint64_t id) {
  JobPtr job;
  {
    MutexLock lock(mutex_);
    TRY_ASSIGN(job, find(id));
    if (!job->parked())
      return Error(std::errc::invalid_argument, fmt::format("prefetch {} is not parked", id));
    job->record.state = PrefetchState::queued;
    job->record.crashed_starts = 0;
    share_.add(job->record);
    look_again();
  }
  TRY(put_record(*job));
  MutexLock lock(mutex_);
  return progress_of(*job);
}

void Prefetcher::look_again() {
  something_changed_ = true;
  changed_.notify_all();
}

Prefetcher::Progress Prefetcher::progress_of(const Job& job) const {
  Progress progress{job.record, job.done_bytes, job.copied_bytes, job.done_files, 0, 0, ""};
  if (job.ended()) return progress;
  progress.reason = reason_of(job);
  const std::chrono::duration<double> window = SteadyClock::now() - job.window_begin;
  progress.rate_bytes_per_s =
      job.rate > 0 ? job.rate
                   : static_cast<double>(job.window_bytes) / std::max(0.1, window.count());
  const uint64_t left = job.record.total_bytes - std::min(job.done_bytes, job.record.total_bytes);
  if (!progress.reason.empty()) {
    progress.rate_bytes_per_s = 0;
    if (!job.wait || job.wait->what != PieceWait::For::growing_file) return progress;
    const std::chrono::duration<double> wait = job.wait->until - SteadyClock::now();
    progress.eta_s = std::max(0.1, wait.count());
    if (const double rate = job.rate_when_counted(); rate > 0)
      progress.eta_s += static_cast<double>(left) / rate;
    return progress;
  }
  if (progress.rate_bytes_per_s > 0)
    progress.eta_s = static_cast<double>(left) / progress.rate_bytes_per_s;
  return progress;
}

std::string Prefetcher::reason_of(const Job& job) const {
  if (job.parked()) {
    return fmt::format(
        "parked: tierd ended unexpectedly {} times in a row while it ran; resume it or cancel it",
        job.record.crashed_starts);
  }
  if (!job.is_counted) return "counting what is left of it after the restart";
  if (leases_.waits(job.record.id)) {
    const std::string reason = leases_.reason(job.record.id);
    return reason.empty() ? "waits for its leases" : reason;
  }
  return job.wait && job.in_flight == 0 ? waiting_reason(*job.wait) : "";
}

std::string Prefetcher::waiting_reason(const PieceWait& wait) const {
  switch (wait.what) {
    case PieceWait::For::room:
      return "waits for eviction to make room in scratch";
    case PieceWait::For::growing_file: {
      const auto path = catalog_.path(wait.inode);
      const std::string name = path && *path ? **path : fmt::format("inode {}", wait.inode);
      return fmt::format("waits until {} has not changed for {:g} s", name, options_.growing_s);
    }
    case PieceWait::For::earlier_copy:
      return "waits for an earlier copy that hangs in the archive";
  }
  return "";
}

}  // namespace tierhub
