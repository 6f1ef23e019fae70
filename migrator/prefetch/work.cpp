// The prefetcher's thread: whose turn it is, and what they fetch.
#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "common/duration.h"
#include "common/log.h"
#include "common/metrics.h"
#include "migrator/prefetch/job.h"
#include "migrator/prefetch/prefetcher.h"

namespace tierhub {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kRetry{100};
constexpr milliseconds kLongestRetry{1000};
constexpr milliseconds kForever{60'000};
// Rates are over about this long.
constexpr double kRateWindow_s = 5;
// A piece takes time however small it is: it counts as so much more than its bytes.
constexpr uint64_t kPieceCostBytes = 256 << 10;
// After so many turns the thread looks after the rest.
constexpr int kTurnsAtOnce = 64;
// A prefetch of which so many pieces wait begins no more.
constexpr size_t kMostWaiting = 256;
constexpr size_t kItemsAhead = 128;

// What may pass by itself.
std::optional<PieceWait::For> reason_to_wait(const Error& error) {
  if (error.is(std::errc::no_space_on_device)) return PieceWait::For::room;
  if (error.is(std::errc::resource_unavailable_try_again)) return PieceWait::For::growing_file;
  if (error.is(std::errc::operation_in_progress)) return PieceWait::For::earlier_copy;
  return std::nullopt;
}

}  // namespace

void Prefetcher::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    {
      MutexLock lock(mutex_);
      something_changed_ = false;
    }
    bool more = count_some();
    more = tend_leases() || more;
    more = sweep_some() || more;
    end_jobs();
    find_ready();
    int turns = 0;
    while (turns < kTurnsAtOnce && !stop.stop_requested() && begin_next()) ++turns;
    if (more || turns == kTurnsAtOnce) continue;
    MutexLock lock(mutex_);
    changed_.wait_until(mutex_, stop, next_look(),
                        [this]() REQUIRES(mutex_) { return something_changed_; });
  }
}

// When something is due without anybody saying so.
SteadyClock::time_point Prefetcher::next_look() const {
  const auto now = SteadyClock::now();
  auto next = now + (leases_.anybody_waits() ? kGrantRetry : kForever);
  for (const auto& [id, job] : jobs_) {
    if (job->ended() || job->waiting.empty()) continue;
    next = std::min(next, std::max(job->no_room_until, job->waiting.front().not_before));
  }
  return next;
}

FairShare::Readiness Prefetcher::readiness(const Job& job) const {
  using enum FairShare::Readiness;
  const auto now = SteadyClock::now();
  if (job.ended() || job.parked() || !job.is_counted || leases_.waits(job.record.id)) return waits;
  if (job.no_room_until > now) return waits;
  if (job.held || (!job.waiting.empty() && job.waiting.front().not_before <= now)) return ready;
  return !job.all_begun && job.waiting.size() < kMostWaiting ? ready : waits;
}

void Prefetcher::find_ready() {
  MutexLock lock(mutex_);
  for (const auto& [id, job] : jobs_) share_.set(id, readiness(*job));
}

// Gives one prefetch its turn. False: nobody can begin anything now.
bool Prefetcher::begin_next() {
  JobPtr job;
  {
    MutexLock lock(mutex_);
    const auto id = share_.next();
    if (!id) return false;
    job = jobs_.at(*id);
  }
  std::optional<Piece> piece;
  if (job->has_run || begin_job(*job)) piece = next_piece(job);
  {
    MutexLock lock(mutex_);
    if (piece && (job->ended() || !rate_.has_room(piece->cost_bytes()))) {
      job->held = std::move(piece);
      return job->ended();
    }
  }
  if (piece) begin_piece(job, *piece);
  MutexLock lock(mutex_);
  share_.set(job->record.id, readiness(*job));
  return true;
}

// Leases are on disk before anything is fetched: a byte that became resident is never without one.
bool Prefetcher::begin_job(Job& job) {
  {
    MutexLock lock(mutex_);
    job.has_run = true;
    if (job.record.state == PrefetchState::queued) job.record.state = PrefetchState::running;
  }
  auto put = put_record(job);
  if (put) put = put_leases(job);
  if (put) return true;
  fail(job, put.error().in("the prefetch cannot be recorded"));
  return false;
}

// The next piece of it, if what comes next is one.
std::optional<Prefetcher::Piece> Prefetcher::next_piece(const JobPtr& job) {
  uint64_t normal_bytes = 0;
  uint64_t most_bytes = 0;
  {
    MutexLock lock(mutex_);
    if (job->held) return std::exchange(job->held, std::nullopt);
    if (!job->waiting.empty() && job->waiting.front().not_before <= SteadyClock::now()) {
      Piece piece = std::move(job->waiting.front());
      job->waiting.pop_front();
      return piece;
    }
    if (job->all_begun) return std::nullopt;
    normal_bytes = rate_.piece_bytes();
    most_bytes = normal_bytes;
    // One large piece at a time looks whether the hole continues.
    if (job->empty_pieces > 0 && job->large_in_flight == 0)
      most_bytes =
          std::max(normal_bytes,
                   std::min(options_.piece_bytes, normal_bytes << std::min(job->empty_pieces, 8U)));
  }
  if (!job->file && !next_file(job)) return std::nullopt;
  const auto give_up = SteadyClock::now() + seconds(options_.room_wait_s);
  const Piece piece{job->file, *job->pieces->next(most_bytes), give_up, normal_bytes};
  MutexLock lock(mutex_);
  ++piece.file->pieces_left;
  if (job->pieces->is_at_end()) {
    piece.file->all_begun = true;
    job->file.reset();
    job->pieces.reset();
  }
  return piece;
}

// Begins the next file. False: there is none, or nothing of it has to come.
bool Prefetcher::next_file(const JobPtr& job) {
  if (job->page.empty()) {
    auto items = catalog_.prefetch_items(job->record.id, job->next_index, kItemsAhead);
    if (!items) fail(*job, items.error().in("the prefetch queue cannot be read"));
    if (!items || items->empty()) {
      MutexLock lock(mutex_);
      job->all_begun = true;
      return false;
    }
    job->next_index = items->back().first + 1;
    job->page.assign(std::make_move_iterator(items->begin()),
                     std::make_move_iterator(items->end()));
  }
  auto file = std::make_shared<File>();
  file->index = job->page.front().first;
  file->item = std::move(job->page.front().second);
  job->page.pop_front();
  auto ranges = ranges_of(*file);
  {
    MutexLock lock(mutex_);
    ++job->files_left;
    if (!ranges) file->error = ranges.error();
    if (!ranges || ranges->empty()) file->all_begun = true;
  }
  if (file->all_begun) {
    file_ended(job, *file);
    return false;
  }
  job->file = std::move(file);
  job->pieces.emplace(*std::move(ranges), job->file->chunk_bytes);
  return true;
}

// What of the file is asked for.
Result<std::vector<ByteRange>> Prefetcher::ranges_of(File& file) const {
  std::vector<ByteRange> ranges;
  uint64_t bytes = 0;
  {
    TRY_ASSIGN(const InodeLock lock, inodes_.lock_existing(file.item.inode));
    if (!lock->is_file()) return ranges;
    file.chunk_bytes = lock->chunk_bytes;
    file.size_bytes = lock->size_bytes();
    ranges = asked_ranges(file.item, file.size_bytes);
  }
  for (const ByteRange& range : ranges) bytes += range.size();
  // What came first must not be evicted as cold before the rest is there.
  if (bytes > file.chunk_bytes) {
    Batch batch;
    warm(batch, file.item.inode);
    TRY(catalog_.commit(batch));
  }
  return ranges;
}

void Prefetcher::begin_piece(const JobPtr& job, const Piece& piece) {
  ArchiveRate::Piece measured;
  {
    MutexLock lock(mutex_);
    const uint64_t cost_bytes = piece.cost_bytes();
    measured = rate_.begin(cost_bytes, SteadyClock::now());
    share_.charge(job->record.id, cost_bytes + kPieceCostBytes);
    ++job->in_flight;
    if (piece.is_large()) ++job->large_in_flight;
  }
  mover_.bring(piece.file->item.inode, piece.part.range, RecallReason::prefetch,
               [this, job, piece, measured](Result<Recalled> brought) {
                 fetched(job, piece, measured, std::move(brought));
               });
}

void Prefetcher::fetched(const JobPtr& job, const Piece& piece, const ArchiveRate::Piece& measured,
                         Result<Recalled> brought) {
  const auto waits_for = brought ? std::nullopt : reason_to_wait(brought.error());
  const auto growing_for = waits_for == PieceWait::For::growing_file
                               ? mover_.still_growing(piece.file->item.inode)
                               : std::nullopt;
  {
    MutexLock lock(mutex_);
    const auto now = SteadyClock::now();
    const uint64_t copied_bytes = brought ? brought->copied_bytes : 0;
    rate_.end(measured, copied_bytes, now);
    if (copied_bytes > measured.range_bytes) {
      share_.charge(job->record.id, copied_bytes - measured.range_bytes);
    } else {
      share_.refund(job->record.id, measured.range_bytes - copied_bytes);
    }
    if (brought) job->empty_pieces = copied_bytes == 0 ? job->empty_pieces + 1 : 0;
    --job->in_flight;
    if (piece.is_large()) --job->large_in_flight;
    look_again();
    if (waits_for && now < piece.give_up && !job->ended())
      return wait(*job, piece, *waits_for, growing_for.value_or(seconds(0)));
    if (job->waiting.empty()) waited(*job);
    if (brought) {
      count(*job, piece.part.asked_bytes, copied_bytes);
    } else if (!piece.file->error) {
      piece.file->error = brought.error();
    }
    if (--piece.file->pieces_left > 0 || !piece.file->all_begun) return;
  }
  file_ended(job, *piece.file);
}

// Those that found no room are the first to find some. Of several growing files the one that rests
// last is named.
void Prefetcher::wait(Job& job, Piece piece, PieceWait::For what, SteadyClock::duration rest) {
  const auto now = SteadyClock::now();
  const auto until = now + rest;
  if (!job.wait || job.wait->until <= until)
    job.wait = PieceWait{what, piece.file->item.inode, until};
  piece.not_before = now + std::clamp<SteadyClock::duration>(rest, kRetry, kLongestRetry);
  switch (what) {
    case PieceWait::For::room:
      job.no_room_until = piece.not_before;
      job.waiting.push_front(std::move(piece));
      break;
    case PieceWait::For::growing_file:
    case PieceWait::For::earlier_copy:
      job.waiting.push_back(std::move(piece));
      break;
  }
}

// The wait is no part of the rate.
void Prefetcher::waited(Job& job) {
  if (!job.wait) return;
  job.wait.reset();
  job.window_begin = SteadyClock::now();
  job.window_bytes = 0;
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
      return Error(
          conflict_code(),
          fmt::format(
              "inode {} was changed or evicted while it was being fetched: prefetch it again",
              item.inode));
    }
  }
  return {};
}

// All pieces of the file have ended: its item leaves the queue. One that failed is counted and left
// behind too.
void Prefetcher::file_ended(const JobPtr& job, File& file) {
  std::optional<Error> error;
  bool keep = false;
  {
    MutexLock lock(mutex_);
    error = file.error;
  }
  // A scan may have dropped what came first while the rest was on its way.
  if (!error) {
    if (auto resident = check_resident(file.item); !resident) error = resident.error();
  }
  {
    MutexLock lock(mutex_);
    // Stopped, not failed: the next process goes on with it.
    keep = error && thread_.get_stop_token().stop_requested() && !job->cancelled();
  }
  if (!keep) {
    Batch batch;
    batch.erase_prefetch_item(job->record.id, file.index);
    warm(batch, file.item.inode);
    if (auto committed = catalog_.commit(batch); !committed && !error) error = committed.error();
  }
  MutexLock lock(mutex_);
  --job->files_left;
  job->keeps_items = job->keeps_items || keep;
  if (!error) {
    ++job->done_files;
    metrics().prefetch_files.add();
  } else if (!job->cancelled() && !keep) {
    ++job->record.failed_files;
    if (job->record.first_error.empty()) job->record.first_error = error->text();
  }
  look_again();
}

// It cannot go on.
void Prefetcher::fail(Job& job, const Error& error) {
  log::error("a prefetch failed", {{"id", job.record.id}, {"error", error.text()}});
  MutexLock lock(mutex_);
  ++job.record.failed_files;
  if (job.record.first_error.empty()) job.record.first_error = error.text();
  job.is_counted = true;
  job.all_begun = true;
  leases_.cancel(job.record.id);
  look_again();
}

// Nothing of it is begun any more: what has not been begun is let go.
void Prefetcher::drop_rest(Job& job) {
  job.all_begun = true;
  const auto let_go = [&](const std::shared_ptr<File>& file) {
    if (!file->error) file->error = Error(std::errc::operation_canceled, "cancelled");
    if (file->all_begun && file->pieces_left == 0) --job.files_left;
  };
  std::vector<Piece> pieces(job.waiting.begin(), job.waiting.end());
  if (job.held) pieces.push_back(*std::exchange(job.held, std::nullopt));
  job.waiting.clear();
  job.wait.reset();
  for (const Piece& piece : pieces) {
    --piece.file->pieces_left;
    let_go(piece.file);
  }
  if (const auto file = std::exchange(job.file, nullptr)) {
    file->all_begun = true;
    let_go(file);
  }
  job.pieces.reset();
  job.page.clear();
  job.recount.reset();
}

// Records the end of those that have nothing left to do.
void Prefetcher::end_jobs() {
  std::vector<JobPtr> ended;
  {
    MutexLock lock(mutex_);
    for (const auto& [id, job] : jobs_) {
      if (job->is_over) continue;
      if (job->cancelled()) drop_rest(*job);
      if (!job->has_nothing_left()) continue;
      job->is_over = true;
      share_.remove(id);
      to_sweep_.push_back({id, 0});
      something_changed_ = true;
      if (job->cancelled()) continue;
      job->record.ended = Timestamp::now();
      job->record.state =
          job->record.failed_files > 0 ? PrefetchState::failed : PrefetchState::done;
      ended.push_back(job);
    }
  }
  for (const JobPtr& job : ended) {
    if (auto put = put_record(*job); !put)
      log::error("the end of a prefetch cannot be recorded",
                 {{"id", job->record.id}, {"error", put.error().text()}});
  }
}

}  // namespace tierhub
