#include "migrator/prefetcher.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <future>
#include <utility>

#include "common/fault_points.h"
#include "common/log.h"
#include "common/metrics.h"
#include "migrator/in_lanes.h"

namespace tierhub {
namespace {

constexpr size_t kItemsPerRead = 512;
constexpr auto kRoomRetry = std::chrono::milliseconds(100);
// How often it is looked whether leases can be granted, while a prefetch waits for them.
constexpr auto kGrantRetry = std::chrono::milliseconds(200);
// Rates are over about this long.
constexpr double kRateWindow_s = 5;

// Room may come, and a file that is being written in the archive may be complete soon.
bool may_pass(const Error& error) {
  return error.is(std::errc::no_space_on_device) ||
         error.is(std::errc::resource_unavailable_try_again);
}

Timestamp expiry(const PrefetchRecord& record) {
  return {Timestamp::now().ns + static_cast<int64_t>(record.lease_ttl_s) * 1'000'000'000};
}

// The parts of a file of this size that an item asks for.
std::vector<ByteRange> asked_ranges(const PrefetchItem& item, uint64_t size_bytes) {
  if (item.ranges.empty()) return {{0, size_bytes}};
  std::vector<ByteRange> result;
  for (const ByteRange& range : item.ranges) {
    const ByteRange part{range.begin, std::min(range.end, size_bytes)};
    if (!part.empty()) result.push_back(part);
  }
  return result;
}

}  // namespace

// One file of a prefetch while its pieces are on their way.
struct Prefetcher::File {
  uint64_t index = 0;
  PrefetchItem item;
  size_t pieces_left = 0;
  std::optional<Error> error;
};

struct Prefetcher::Piece {
  std::shared_ptr<File> file;
  ByteRange range;
  SteadyClock::time_point give_up;
};

// All guarded by Prefetcher::mutex_.
struct Prefetcher::Job {
  PrefetchRecord record;
  uint64_t next_index = 0;  // of the items in the catalog
  bool all_begun = false;
  bool cancelled = false;
  size_t files_left = 0;  // begun and not ended
  uint64_t done_bytes = 0;
  uint64_t copied_bytes = 0;
  uint64_t done_files = 0;
  std::vector<Piece> waiting_for_room;
  std::vector<InodeNumber> granted_inodes;  // whose leases are not on disk yet
  SteadyClock::time_point window_begin = SteadyClock::now();
  uint64_t window_bytes = 0;
  double rate = 0;

  bool ended() const {
    return record.state == PrefetchState::done || record.state == PrefetchState::failed ||
           record.state == PrefetchState::cancelled;
  }
};

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

// The ranges of the item, grown to chunks.
Result<void> Prefetcher::add_to_ask(LeaseAsk& ask, const PrefetchItem& item) const {
  TRY_ASSIGN(const auto record, catalog_.inode(item.inode));
  if (!record || record->attributes.kind != FileKind::file) return {};
  const uint64_t chunk = catalog_.chunk_bytes();
  const uint64_t size_bytes = record->attributes.size_bytes;
  IntervalSet& ranges = ask.ranges[item.inode];
  for (const ByteRange& range : asked_ranges(item, size_bytes)) {
    if (range.empty()) continue;
    ranges.add(range.begin / chunk * chunk,
               std::min(size_bytes, (range.end + chunk - 1) / chunk * chunk));
  }
  return {};
}

// What is left of a prefetch that an earlier process queued.
Result<LeaseAsk> Prefetcher::ask_of(const PrefetchRecord& record) const {
  LeaseAsk ask{record.lease_owner, record.owner_uid, {}};
  for (uint64_t from = 0;;) {
    TRY_ASSIGN(const auto items, catalog_.prefetch_items(record.id, from, kItemsPerRead));
    if (items.empty()) return ask;
    for (const auto& [index, item] : items) {
      TRY(add_to_ask(ask, item));
      from = index + 1;
    }
  }
}

// Of smaller files it is not worth while to ask the archive for holes.
std::vector<InodeNumber> Prefetcher::large_files(const LeaseAsk& ask) const {
  std::vector<InodeNumber> inodes;
  for (const auto& [inode, ranges] : ask.ranges) {
    if (ranges.size() > catalog_.chunk_bytes()) inodes.push_back(inode);
  }
  return inodes;
}

// How much of the ranges is data, here or in the archive.
Result<uint64_t> Prefetcher::data_bytes(InodeNumber inode, const IntervalSet& ranges) {
  std::vector<ByteRange> parts;
  bool all_here = true;
  {
    TRY_ASSIGN(const InodeLock lock, inodes_.lock_existing(inode));
    for (const auto& part : ranges.intervals()) {
      parts.push_back({part.begin, part.end});
      all_here = all_here && lock->absent_chunks(parts.back()).empty();
    }
  }
  if (all_here) return options_.occupied_bytes(inode);
  const auto answer = std::make_shared<std::promise<Result<uint64_t>>>();
  mover_.measure(inode, std::move(parts),
                 [answer](Result<uint64_t> bytes) { answer->set_value(std::move(bytes)); });
  return answer->get_future().get();
}

// Of what cannot be measured all counts. The error: why something could not be.
std::optional<Error> Prefetcher::measure(LeaseAsk& ask) {
  const std::vector<InodeNumber> inodes = large_files(ask);
  std::vector<std::optional<uint64_t>> measured(inodes.size());
  Guarded<std::optional<Error>> failure;
  in_lanes(kLanes, inodes.size(), [&](size_t i) {
    if (failure.with([](const auto& last) { return last && is_archive_wide(*last); })) return;
    const auto bytes = data_bytes(inodes[i], ask.ranges.at(inodes[i]));
    if (bytes) {
      measured[i] = *bytes;
    } else {
      failure.with([&](auto& last) { last = bytes.error(); });
    }
  });
  for (size_t i = 0; i < inodes.size(); ++i) {
    if (measured[i]) ask.data_bytes[inodes[i]] = *measured[i];
  }
  return failure.with([](const auto& last) { return last; });
}

// Leases that an earlier process granted, on what is resident of their files: which ranges they
// were for is not on record.
Result<void> Prefetcher::restore_leases() {
  const Timestamp now = Timestamp::now();
  std::map<std::string, LeaseAsk> asks;
  std::optional<Error> failure;
  TRY(catalog_.for_each_lease([&](InodeNumber inode, const LeaseRecord& lease) {
    if (lease.pin || lease.expires < now) return true;
    auto clean = catalog_.ranges(inode, RangeKind::clean);
    if (!clean) failure = clean.error();
    if (failure) return false;
    LeaseAsk& ask = asks[lease.owner];
    ask.owner = lease.owner;
    // The owner begins with its user's number.
    ask.uid = static_cast<uint32_t>(std::strtoul(lease.owner.c_str(), nullptr, 10));
    IntervalSet& ranges = ask.ranges[inode];
    const uint64_t chunk = catalog_.chunk_bytes();
    for (const auto& part : clean->intervals()) ranges.add(part.begin * chunk, part.end * chunk);
    if (const auto bytes = options_.occupied_bytes(inode)) ask.data_bytes[inode] = *bytes;
    Timestamp& end = lease_ends_[lease.owner];
    end = std::max(end, lease.expires);
    return true;
  }));
  if (failure) return *failure;
  for (const auto& [owner, ask] : asks) leases_.restore(ask);
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

void Prefetcher::tend_leases(const std::stop_token& stop) {
  void_receipts();
  end_expired_leases();
  measure_asks(stop);
  grant_leases();
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
  if (!job.waiting_for_room.empty()) return "waits for eviction to make room in scratch";
  if (job.record.state != PrefetchState::queued) return "";
  for (const auto& [id, other] : jobs_) {
    if (other->record.state == PrefetchState::running)
      return fmt::format("waits for prefetch {} to end", id);
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

void Prefetcher::measure_asks(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    std::unique_lock lock(mutex_);
    auto waiting = leases_.unmeasured();
    lock.unlock();
    if (!waiting) return;
    auto& [id, ask] = *waiting;
    if (const auto failure = measure(ask))
      log::warning("holes count as data: the archive did not tell where they are",
                   {{"prefetch", id}, {"error", failure->text()}});
    lock.lock();
    leases_.measured(id, std::move(ask.data_bytes));
  }
}

// Once published, what somebody wrote into holes of a leased file is no unpublished change any
// more, and stays.
void Prefetcher::count_written_holes() {
  std::unique_lock lock(mutex_);
  const auto inodes = leases_.with_holes();
  lock.unlock();
  for (const InodeNumber inode : inodes) {
    const auto bytes = options_.occupied_bytes(inode);
    lock.lock();
    if (bytes) leases_.occupies(inode, *bytes);
    lock.unlock();
  }
}

// Leases are put before anything is brought: a byte that became resident is never without one.
void Prefetcher::grant_leases() {
  {
    std::lock_guard lock(mutex_);
    if (!leases_.anybody_waits()) return;
  }
  count_written_holes();
  const auto limits = options_.lease_limits();
  if (!limits) {
    log::error("leases cannot be granted", {{"error", limits.error().text()}});
    return;
  }
  std::lock_guard lock(mutex_);
  for (const auto& [id, ask] : leases_.grant(*limits)) {
    const auto it = jobs_.find(id);
    if (it == jobs_.end()) continue;
    const PrefetchRecord& record = it->second->record;
    const Timestamp expires = expiry(record);
    Timestamp& end = lease_ends_[record.lease_owner];
    end = std::max(end, expires);
    it->second->granted_inodes.reserve(ask.ranges.size());
    for (const auto& [inode, ranges] : ask.ranges) it->second->granted_inodes.push_back(inode);
  }
}

// What was granted by grant_leases(), on disk.
Result<void> Prefetcher::put_leases(Job& job) {
  std::vector<InodeNumber> inodes;
  PrefetchRecord record;
  {
    std::lock_guard lock(mutex_);
    inodes = std::exchange(job.granted_inodes, {});
    record = job.record;
  }
  if (inodes.empty()) return {};
  LeaseRecord lease;
  lease.owner = record.lease_owner;
  lease.reason = record.label;
  lease.created = Timestamp::now();
  lease.expires = expiry(record);
  Batch batch;
  for (size_t i = 0; i < inodes.size(); ++i) {
    batch.put_lease(inodes[i], lease);
    if (i % kItemsPerRead != kItemsPerRead - 1) continue;
    TRY(catalog_.commit(batch));
    batch = Batch();
  }
  return catalog_.commit(batch);
}

Result<void> Prefetcher::renew_leases(const std::string& owner, Timestamp expires) {
  std::vector<InodeNumber> inodes;
  const bool ends = expires <= Timestamp::now();
  {
    std::lock_guard lock(mutex_);
    inodes = leases_.inodes_of(owner);
    if (inodes.empty()) return {};
    lease_ends_[owner] = expires;
    if (ends) {
      leases_.release(owner);
      lease_ends_.erase(owner);
      changed_.notify_all();
    }
  }
  Batch batch;
  for (const InodeNumber inode : inodes) {
    TRY_ASSIGN(const auto leases, catalog_.leases(inode));
    for (LeaseRecord lease : leases) {
      if (lease.pin || lease.owner != owner) continue;
      lease.expires = expires;
      if (ends) {
        batch.erase_lease(inode, owner);
      } else {
        batch.put_lease(inode, lease);
      }
    }
  }
  return catalog_.commit(batch);
}

// The records of leases that ran out are taken away by the housekeeper.
void Prefetcher::end_expired_leases() {
  const Timestamp now = Timestamp::now();
  std::lock_guard lock(mutex_);
  std::erase_if(lease_ends_, [&](const auto& end) {
    if (end.second >= now) return false;
    leases_.release(end.first);
    return true;
  });
}

void Prefetcher::version_changed(InodeNumber inode) {
  std::lock_guard lock(mutex_);
  if (leases_.owners_of(inode).empty()) return;
  changed_inodes_.push_back(inode);
  changed_.notify_all();
}

// What the owners of leases on a changed file were told of it does not hold any more.
void Prefetcher::void_receipts() {
  std::vector<InodeNumber> inodes;
  {
    std::lock_guard lock(mutex_);
    inodes = std::exchange(changed_inodes_, {});
  }
  for (const InodeNumber inode : inodes) {
    const auto path = catalog_.path(inode);
    const std::string name = path && *path ? **path : fmt::format("inode {}", inode);
    Batch batch;
    {
      std::lock_guard lock(mutex_);
      const auto owners = leases_.owners_of(inode);
      for (const auto& [id, job] : jobs_) {
        PrefetchRecord& record = job->record;
        if (std::find(owners.begin(), owners.end(), record.lease_owner) == owners.end()) continue;
        if (record.state == PrefetchState::cancelled || record.failed_files > 0 ||
            leases_.waits(id))
          continue;
        ++record.failed_files;
        record.first_error =
            name +
            " was changed in the archive after it was brought: what read it since may have "
            "seen the old version or the new one. Prefetch it again";
        if (record.state == PrefetchState::done) {
          record.state = PrefetchState::failed;
          batch.put_prefetch(record);
        }
      }
    }
    if (auto committed = catalog_.commit(batch); !committed)
      log::error("a void receipt cannot be recorded", {{"error", committed.error().text()}});
  }
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
  mover_.bring(
      piece.file->item.inode, piece.range, Mover::Reason::prefetch,
      [this, job, piece](Result<Mover::Brought> brought) {
        {
          std::lock_guard lock(mutex_);
          bytes_in_flight_ -= piece.range.size();
          if (!brought && may_pass(brought.error()) && SteadyClock::now() < piece.give_up) {
            job->waiting_for_room.push_back(piece);
            return;
          }
          if (brought) {
            count(*job, piece.range.size(), brought->copied_bytes);
          } else if (!piece.file->error) {
            piece.file->error = brought.error();
          }
        }
        piece_ended(job, *piece.file);
      });
}

void Prefetcher::count(Job& job, uint64_t done_bytes, uint64_t copied_bytes) {
  job.done_bytes += done_bytes;
  job.copied_bytes += copied_bytes;
  job.window_bytes += done_bytes;
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
}

// `mutex_` is held.
void Prefetcher::abandon_waiting(Job& job) {
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
