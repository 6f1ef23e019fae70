#include "migrator/prefetcher.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "common/duration.h"
#include "common/fault_points.h"
#include "common/log.h"
#include "common/metrics.h"
#include "migrator/prefetcher_job.h"

namespace tierhub {
namespace {

constexpr auto kRoomRetry = std::chrono::milliseconds(100);
// How often it is looked whether leases can be granted, while a prefetch waits for them.
constexpr auto kGrantRetry = std::chrono::milliseconds(200);
// Rates are over about this long.
constexpr double kRateWindow_s = 5;

// What may pass by itself.
std::optional<PieceWait::For> reason_to_wait(const Error& error) {
  if (error.is(std::errc::no_space_on_device)) return PieceWait::For::room;
  if (error.is(std::errc::resource_unavailable_try_again)) return PieceWait::For::growing_file;
  if (error.is(std::errc::operation_in_progress)) return PieceWait::For::earlier_copy;
  return std::nullopt;
}

}  // namespace

std::vector<ByteRange> asked_ranges(const PrefetchItem& item, uint64_t size_bytes) {
  if (item.ranges.empty()) return {{0, size_bytes}};
  std::vector<ByteRange> result;
  for (const ByteRange& range : item.ranges) {
    const ByteRange part{range.begin, std::min(range.end, size_bytes)};
    if (!part.empty()) result.push_back(part);
  }
  return result;
}

Prefetcher::Prefetcher(InodeTable& inodes, Mover& mover, const Options& options)
    : inodes_(inodes), catalog_(inodes.catalog()), mover_(mover), options_(options) {}

Prefetcher::~Prefetcher() { stop(); }

Result<void> Prefetcher::start() {
  TRY(restore_leases());
  TRY_ASSIGN(const auto records, catalog_.prefetches());
  for (const PrefetchRecord& record : records) {
    auto job = std::make_shared<Job>();
    job->record = record;
    if (!job->ended()) {
      TRY(count_done(*job));
      job->record.state = PrefetchState::queued;
      if (!record.lease_owner.empty()) {
        TRY_ASSIGN(LeaseAsk ask, ask_of(record));
        const bool known = large_files(ask).empty();
        leases_.add(record.id, std::move(ask),
                    known ? LeaseQueue::Measure::known : LeaseQueue::Measure::unmeasured);
      }
      fault_point(FaultPoint::prefetch_resumed);
    } else {
      job->done_bytes = record.state == PrefetchState::done ? record.total_bytes : 0;
      job->done_files = record.state == PrefetchState::done ? record.total_files : 0;
    }
    jobs_.emplace(record.id, std::move(job));
  }
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
  return {};
}

// Items are erased as they are done: what is not left is done.
Result<void> Prefetcher::count_done(Job& job) {
  uint64_t left_bytes = 0;
  uint64_t left_files = 0;
  for (uint64_t from = 0;;) {
    TRY_ASSIGN(const auto items, catalog_.prefetch_items(job.record.id, from, kItemsPerRead));
    if (items.empty()) break;
    for (const auto& [index, item] : items) {
      TRY_ASSIGN(const auto record, catalog_.inode(item.inode));
      if (record) {
        for (const ByteRange& range : asked_ranges(item, record->attributes.size_bytes))
          left_bytes += range.size();
      }
      ++left_files;
      from = index + 1;
    }
  }
  job.done_bytes = job.record.total_bytes - std::min(left_bytes, job.record.total_bytes);
  job.done_files = job.record.total_files - std::min(left_files, job.record.total_files);
  return {};
}

void Prefetcher::stop() {
  thread_.request_stop();
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

Result<Prefetcher::Progress> Prefetcher::add(Request request) {
  auto job = std::make_shared<Job>();
  TRY_ASSIGN(job->record.id, catalog_.allocate_sequence());
  job->record.label = std::move(request.label);
  job->record.owner_uid = request.owner_uid;
  job->record.created = Timestamp::now();
  job->record.lease_owner = std::move(request.lease_owner);
  job->record.lease_ttl_s = request.lease_ttl_s;
  const bool leases = !job->record.lease_owner.empty();
  LeaseAsk ask{job->record.lease_owner, job->record.owner_uid, {}};
  auto measured = LeaseQueue::Measure::known;
  if (leases) {
    for (const PrefetchItem& item : request.items) TRY(add_to_ask(ask, item));
    TRY_ASSIGN(const LeaseLimits limits, options_.lease_limits());
    const bool has_large = !large_files(ask).empty();
    if (has_large && LeaseQueue::never(ask, limits).empty()) {
      measured = LeaseQueue::Measure::unmeasured;
    } else if (const auto failure = measure(ask);
               failure && !LeaseQueue::never(ask, limits).empty()) {
      return failure->in(job->record.label + ": how much of it is data");
    }
    if (const std::string never = LeaseQueue::never(ask, limits); !never.empty())
      return Error(std::errc::no_space_on_device, job->record.label + ": " + never);
  }
  // The items are written before the record that makes them a prefetch.
  Batch batch;
  for (uint64_t index = 0; index < request.items.size(); ++index) {
    const PrefetchItem& item = request.items[index];
    TRY_ASSIGN(const NodeSize node, size_of(item.inode));
    for (const ByteRange& range : asked_ranges(item, node.size_bytes))
      job->record.total_bytes += range.size();
    batch.put_prefetch_item(job->record.id, index, item);
    if (index % kItemsPerRead == kItemsPerRead - 1) {
      TRY(catalog_.commit(batch));
      batch = Batch();
    }
  }
  job->record.total_files = request.items.size();
  batch.put_prefetch(job->record);
  TRY(catalog_.commit(batch));
  fault_point(FaultPoint::prefetch_after_queue);
  std::lock_guard lock(mutex_);
  jobs_.emplace(job->record.id, job);
  if (leases) leases_.add(job->record.id, std::move(ask), measured);
  forget_old();
  changed_.notify_all();
  return progress_of(*job);
}

Result<Prefetcher::NodeSize> Prefetcher::size_of(InodeNumber inode) const {
  TRY_ASSIGN(const auto record, catalog_.inode(inode));
  if (!record)
    return Error(std::errc::no_such_file_or_directory,
                 fmt::format("inode {} does not exist", inode));
  return NodeSize{record->attributes.size_bytes};
}

Result<Prefetcher::Progress> Prefetcher::progress(uint64_t id) const {
  std::lock_guard lock(mutex_);
  const auto it = jobs_.find(id);
  if (it == jobs_.end())
    return Error(std::errc::no_such_file_or_directory, fmt::format("there is no prefetch {}", id));
  return progress_of(*it->second);
}

std::vector<Prefetcher::Progress> Prefetcher::all() const {
  std::lock_guard lock(mutex_);
  std::vector<Progress> result;
  for (const auto& [id, job] : jobs_) result.push_back(progress_of(*job));
  return result;
}

uint64_t Prefetcher::active() const {
  std::lock_guard lock(mutex_);
  return static_cast<uint64_t>(std::count_if(
      jobs_.begin(), jobs_.end(), [](const auto& item) { return !item.second->ended(); }));
}

Result<Prefetcher::Progress> Prefetcher::cancel(uint64_t id) {
  std::lock_guard lock(mutex_);
  const auto it = jobs_.find(id);
  if (it == jobs_.end())
    return Error(std::errc::no_such_file_or_directory, fmt::format("there is no prefetch {}", id));
  it->second->cancelled = true;
  leases_.cancel(id);
  changed_.notify_all();
  return progress_of(*it->second);
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

// `mutex_` is held.
std::string Prefetcher::reason_of(const Job& job) const {
  if (leases_.waits(job.record.id)) {
    const std::string reason = leases_.reason(job.record.id);
    return reason.empty() ? "waits for its leases" : reason;
  }
  if (job.wait) return waiting_reason(job);
  if (job.record.state != PrefetchState::queued) return "";
  for (const auto& [id, other] : jobs_) {
    if (other->record.state == PrefetchState::running)
      return fmt::format("waits for prefetch {} to end", id);
  }
  return "";
}

// `mutex_` is held.
std::string Prefetcher::waiting_reason(const Job& job) const {
  switch (job.wait->what) {
    case PieceWait::For::room:
      return "waits for eviction to make room in scratch";
    case PieceWait::For::growing_file: {
      const auto path = catalog_.path(job.wait->inode);
      const std::string name = path && *path ? **path : fmt::format("inode {}", job.wait->inode);
      return fmt::format("waits until {} has not changed for {:g} s", name, options_.growing_s);
    }
    case PieceWait::For::earlier_copy:
      return "waits for an earlier copy, which the archive held up, to end";
  }
  return "";
}

// The first that has what it needs. `mutex_` is held.
std::shared_ptr<Prefetcher::Job> Prefetcher::next_job() {
  for (const auto& [id, job] : jobs_) {
    if (!job->ended() && !leases_.waits(id)) return job;
  }
  return nullptr;
}

void Prefetcher::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    tend_leases(stop);
    std::shared_ptr<Job> job;
    {
      std::unique_lock lock(mutex_);
      const auto something = [&] {
        return (job = next_job()) != nullptr || !changed_inodes_.empty();
      };
      if (leases_.anybody_waits()) {
        changed_.wait_for(lock, stop, kGrantRetry, something);
      } else {
        changed_.wait(lock, stop, [&] { return something() || leases_.anybody_waits(); });
      }
      if (!job) continue;
      job->record.state = PrefetchState::running;
    }
    if (auto put = put_leases(*job); !put)
      log::error("leases cannot be recorded",
                 {{"id", job->record.id}, {"error", put.error().text()}});
    work_off(job, stop);
  }
}

void Prefetcher::work_off(const std::shared_ptr<Job>& job, const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    std::unique_lock lock(mutex_);
    if (job->cancelled) {
      job->all_begun = true;
      abandon_waiting(*job);
    }
    if (job->all_begun && job->files_left == 0) {
      lock.unlock();
      return end_job(*job);
    }
    lock.unlock();
    tend_leases(stop);
    lock.lock();
    retry_waiting(job, lock);
    if (job->all_begun) {
      changed_.wait_for(lock, stop, kRoomRetry,
                        [&] { return job->files_left == 0 || job->cancelled; });
      continue;
    }
    const uint64_t from = job->next_index;
    lock.unlock();
    auto items = catalog_.prefetch_items(job->record.id, from, kItemsPerRead);
    if (!items)
      log::error("prefetch queue cannot be read",
                 {{"id", job->record.id}, {"error", items.error().text()}});
    if (!items || items->empty()) {
      lock.lock();
      job->all_begun = true;
      continue;
    }
    for (const auto& [index, item] : *items) {
      if (!begin_item(job, index, item, stop)) return;
      job->next_index = index + 1;
      if (job->cancelled) break;
    }
  }
}

// Waits for a free place, then starts all pieces of the file. False if the prefetcher is to stop.
bool Prefetcher::begin_item(const std::shared_ptr<Job>& job, uint64_t index,
                            const PrefetchItem& item, const std::stop_token& stop) {
  auto file = std::make_shared<File>();
  file->index = index;
  file->item = item;
  auto pieces = pieces_of(item);
  {
    std::unique_lock lock(mutex_);
    while (files_in_flight_ >= options_.files_in_flight) {
      if (stop.stop_requested()) return false;
      retry_waiting(job, lock);
      changed_.wait_for(lock, stop, kRoomRetry,
                        [&] { return files_in_flight_ < options_.files_in_flight; });
    }
    if (job->cancelled) return true;
    ++files_in_flight_;
    ++job->files_left;
    file->pieces_left =
        1;  // this function's own, so that the file cannot end before all its pieces are begun
  }
  if (!pieces) {
    std::lock_guard lock(mutex_);
    file->error = pieces.error();
  } else {
    const auto give_up =
        SteadyClock::now() + std::chrono::duration_cast<SteadyClock::duration>(
                                 std::chrono::duration<double>(options_.room_wait_s));
    for (const ByteRange& range : *pieces) {
      {
        std::unique_lock lock(mutex_);
        while (bytes_in_flight_ >= options_.bytes_in_flight && !stop.stop_requested() &&
               !job->cancelled) {
          retry_waiting(job, lock);
          changed_.wait_for(lock, stop, kRoomRetry,
                            [&] { return bytes_in_flight_ < options_.bytes_in_flight; });
        }
        if (stop.stop_requested() || job->cancelled) {
          file->error = Error(std::errc::operation_canceled, "cancelled");
          break;
        }
        ++file->pieces_left;
      }
      begin_piece(job, {file, range, give_up});
    }
  }
  piece_ended(job, *file);
  return !stop.stop_requested();
}

// What to bring of the file: the asked ranges, in pieces.
Result<std::vector<ByteRange>> Prefetcher::pieces_of(const PrefetchItem& item) {
  TRY_ASSIGN(const InodeLock lock, inodes_.lock_existing(item.inode));
  std::vector<ByteRange> pieces;
  if (!lock->is_file()) return pieces;
  const uint64_t chunk = lock->chunk_bytes;
  const uint64_t step = std::max<uint64_t>(1, options_.piece_bytes / chunk) * chunk;
  for (const ByteRange& range : asked_ranges(item, lock->size_bytes())) {
    for (uint64_t at = range.begin; at < range.end;) {
      const uint64_t end = std::min(range.end, at / step * step + step);
      pieces.push_back({at, end});
      at = end;
    }
  }
  // What came first must not be evicted as cold before the rest is there.
  if (pieces.size() > 1) {
    Batch batch;
    warm(batch, item.inode);
    TRY(catalog_.commit(batch));
  }
  return pieces;
}

void Prefetcher::begin_piece(const std::shared_ptr<Job>& job, Piece piece) {
  {
    std::lock_guard lock(mutex_);
    bytes_in_flight_ += piece.range.size();
  }
  mover_.bring(piece.file->item.inode, piece.range, Mover::Reason::prefetch,
               [this, job, piece](Result<Mover::Brought> brought) {
                 const auto waits_for = brought ? std::nullopt : reason_to_wait(brought.error());
                 const auto growing_for = waits_for == PieceWait::For::growing_file
                                              ? mover_.still_growing(piece.file->item.inode)
                                              : std::nullopt;
                 {
                   std::lock_guard lock(mutex_);
                   bytes_in_flight_ -= piece.range.size();
                   const auto now = SteadyClock::now();
                   if (waits_for && now < piece.give_up)
                     return wait(*job, piece, *waits_for, now + growing_for.value_or(seconds(0)));
                   if (brought) {
                     count(*job, piece.range.size(), brought->copied_bytes);
                   } else if (!piece.file->error) {
                     piece.file->error = brought.error();
                   }
                 }
                 piece_ended(job, *piece.file);
               });
}

// Of several growing files the one that rests last counts. `mutex_` is held.
void Prefetcher::wait(Job& job, Piece piece, PieceWait::For what, SteadyClock::time_point until) {
  if (!job.wait || job.wait->until <= until)
    job.wait = PieceWait{what, piece.file->item.inode, until};
  job.waiting_for_room.push_back(std::move(piece));
}

void Prefetcher::count(Job& job, uint64_t done_bytes, uint64_t copied_bytes) {
  job.done_bytes += done_bytes;
  job.copied_bytes += copied_bytes;
  job.window_bytes += done_bytes;
  job.counted = SteadyClock::now();
  const std::chrono::duration<double> window = SteadyClock::now() - job.window_begin;
  if (window.count() < kRateWindow_s) return;
  job.rate = static_cast<double>(job.window_bytes) / window.count();
  job.window_begin = SteadyClock::now();
  job.window_bytes = 0;
}

// Tries again what found no room. `lock` is held, and is let go meanwhile.
void Prefetcher::retry_waiting(const std::shared_ptr<Job>& job,
                               std::unique_lock<std::mutex>& lock) {
  auto waiting = std::exchange(job->waiting_for_room, {});
  if (waiting.empty()) return;
  lock.unlock();
  for (Piece& piece : waiting) begin_piece(job, std::move(piece));
  lock.lock();
  if (!job->waiting_for_room.empty()) return;
  // The wait is no part of the rate.
  job->wait.reset();
  job->window_begin = SteadyClock::now();
  job->window_bytes = 0;
}

// `mutex_` is held.
void Prefetcher::abandon_waiting(Job& job) {
  job.wait.reset();
  for (const Piece& piece : std::exchange(job.waiting_for_room, {})) {
    if (--piece.file->pieces_left == 0) {
      --files_in_flight_;
      --job.files_left;
    }
  }
}

// It will be read: it is as warm as if it had been, and no less than it was.
void Prefetcher::warm(Batch& batch, InodeNumber inode) const {
  const Timestamp heat = catalog_.heat(inode).value_or(Timestamp());
  batch.put_heat(inode, std::max(heat, Timestamp::now()));
}

Result<void> Prefetcher::check_resident(const PrefetchItem& item) const {
  TRY_ASSIGN(const InodeLock lock, inodes_.lock_existing(item.inode));
  if (!lock->is_file()) return {};
  for (const ByteRange& range : asked_ranges(item, lock->size_bytes())) {
    if (!lock->absent_chunks(range).empty()) {
      return Error(conflict_code(),
                   fmt::format("inode {} was changed or evicted while it was brought: "
                               "prefetch it again",
                               item.inode));
    }
  }
  return {};
}

// The file's last piece ends the file: its item leaves the queue. One that failed is counted and
// left behind too.
void Prefetcher::piece_ended(const std::shared_ptr<Job>& job, File& file) {
  std::optional<Error> error;
  bool keep = false;
  {
    std::lock_guard lock(mutex_);
    if (--file.pieces_left > 0) return;
    error = file.error;
  }
  // A scan may have dropped what came first while the rest was on its way.
  if (!error) {
    if (auto resident = check_resident(file.item); !resident) error = resident.error();
  }
  {
    std::lock_guard lock(mutex_);
    // Stopped, not failed: the next process goes on with it.
    keep = error && thread_.get_stop_token().stop_requested() && !job->cancelled;
  }
  if (!keep) {
    Batch batch;
    batch.erase_prefetch_item(job->record.id, file.index);
    warm(batch, file.item.inode);
    if (auto committed = catalog_.commit(batch); !committed && !error) error = committed.error();
  }
  std::lock_guard lock(mutex_);
  --files_in_flight_;
  --job->files_left;
  if (!error) {
    ++job->done_files;
    metrics().prefetch_files.add();
  } else if (!job->cancelled && !keep) {
    ++job->record.failed_files;
    if (job->record.first_error.empty()) job->record.first_error = error->text();
  }
  changed_.notify_all();
}

void Prefetcher::end_job(Job& job) {
  PrefetchRecord record;
  {
    std::lock_guard lock(mutex_);
    job.record.ended = Timestamp::now();
    job.record.state = job.cancelled                 ? PrefetchState::cancelled
                       : job.record.failed_files > 0 ? PrefetchState::failed
                                                     : PrefetchState::done;
    record = job.record;
  }
  Batch batch;
  batch.put_prefetch(record);
  for (uint64_t from = 0;;) {  // of a cancelled one
    const auto items = catalog_.prefetch_items(record.id, from, kItemsPerRead);
    if (!items || items->empty()) break;
    for (const auto& [index, item] : *items) {
      batch.erase_prefetch_item(record.id, index);
      from = index + 1;
    }
  }
  if (auto committed = catalog_.commit(batch); !committed) {
    log::error("the end of a prefetch cannot be recorded",
               {{"id", record.id}, {"error", committed.error().text()}});
  }
}

// `mutex_` is held.
void Prefetcher::forget_old() {
  size_t ended = 0;
  for (const auto& [id, job] : jobs_) ended += job->ended() ? 1 : 0;
  Batch batch;
  for (auto it = jobs_.begin(); it != jobs_.end() && ended > options_.keep_ended;) {
    if (!it->second->ended()) {
      ++it;
      continue;
    }
    batch.erase_prefetch(it->first);
    it = jobs_.erase(it);
    --ended;
  }
  if (batch.empty()) return;
  if (auto committed = catalog_.commit(batch); !committed) {
    log::error("old prefetches cannot be forgotten", {{"error", committed.error().text()}});
  }
}

}  // namespace tierhub
