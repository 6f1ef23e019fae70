// The leases of prefetches: what they need, when they are granted, and when they end.
#include <algorithm>
#include <cstdlib>
#include <future>
#include <utility>

#include <fmt/format.h>

#include "common/guarded.h"
#include "common/log.h"
#include "common/worker_pool.h"
#include "migrator/prefetch/job.h"
#include "migrator/prefetch/prefetcher.h"

namespace tierhub {
namespace {

// Asking what may be leased takes time: not for each piece.
constexpr std::chrono::milliseconds kGrantPause{10};
constexpr int kPausePerGrant = 4;
// So many files are measured before others get their turn.
constexpr size_t kMeasuredAtOnce = 64;

Timestamp expiry(const PrefetchRecord& record) {
  return {Timestamp::now().ns + static_cast<int64_t>(record.lease_ttl_s) * 1'000'000'000};
}

}  // namespace

// True: there is more to do at once.
bool Prefetcher::tend_leases() {
  void_receipts();
  end_expired_leases();
  const bool more = measure_some();
  grant_leases();
  return more;
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
std::optional<Error> Prefetcher::measure(LeaseAsk& ask, const std::vector<InodeNumber>& inodes) {
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
    ask.uid = LeaseOwner::from_text(lease.owner).uid;
    IntervalSet& ranges = ask.ranges[inode];
    const uint64_t chunk = catalog_.chunk_bytes();
    for (const auto& part : clean->intervals()) ranges.add(part.begin * chunk, part.end * chunk);
    if (const auto bytes = options_.occupied_bytes(inode)) ask.data_bytes[inode] = *bytes;
    const MutexLock lock(mutex_);
    Timestamp& end = lease_ends_[lease.owner];
    end = std::max(end, lease.expires);
    return true;
  }));
  if (failure) return *failure;
  const MutexLock lock(mutex_);
  for (const auto& [owner, ask] : asks) leases_.restore(ask);
  return {};
}

// True: there is more to measure.
bool Prefetcher::measure_some() {
  {
    MutexLock lock(mutex_);
    if (measuring_ && !leases_.waits(measuring_->id)) measuring_.reset();  // cancelled
    if (!measuring_) {
      auto waiting = leases_.unmeasured();
      if (!waiting) return false;
      measuring_ = std::make_unique<Measuring>();
      measuring_->id = waiting->first;
      measuring_->ask = std::move(waiting->second);
      measuring_->files = large_files(measuring_->ask);
    }
  }
  Measuring& m = *measuring_;
  const size_t end = std::min(m.files.size(), m.next + kMeasuredAtOnce);
  const auto failure = measure(m.ask, {m.files.begin() + static_cast<std::ptrdiff_t>(m.next),
                                       m.files.begin() + static_cast<std::ptrdiff_t>(end)});
  if (failure)
    log::warning("counting holes as data: the archive did not report them",
                 {{"prefetch", m.id}, {"error", failure->text()}});
  m.next = failure && is_archive_wide(*failure) ? m.files.size() : end;
  if (m.next < m.files.size()) return true;
  MutexLock lock(mutex_);
  leases_.measured(m.id, std::move(m.ask.data_bytes));
  leases_changed_ = true;
  measuring_.reset();
  return true;
}

// Once published, what somebody wrote into holes of a leased file is no unpublished change any
// more, and stays.
void Prefetcher::count_written_holes() {
  MutexLock lock(mutex_);
  const auto inodes = leases_.with_holes();
  lock.unlock();
  for (const InodeNumber inode : inodes) {
    const auto bytes = options_.occupied_bytes(inode);
    lock.lock();
    if (bytes) leases_.occupies(inode, *bytes);
    lock.unlock();
  }
}

void Prefetcher::grant_leases() {
  const auto now = SteadyClock::now();
  {
    MutexLock lock(mutex_);
    if (!leases_.anybody_waits() || counts_leases_) return;
    if (leases_changed_) next_grant_ = std::min(next_grant_, soonest_grant_);
    if (now < next_grant_) return;
    leases_changed_ = false;
  }
  next_grant_ = now + kGrantRetry;
  count_written_holes();
  const auto limits = options_.lease_limits();
  if (!limits) {
    log::error("leases cannot be granted", {{"error", limits.error().text()}});
    return;
  }
  MutexLock lock(mutex_);
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
  const auto end = SteadyClock::now();
  soonest_grant_ = end + std::max<SteadyClock::duration>(kGrantPause, kPausePerGrant * (end - now));
}

// What was granted by grant_leases(), on disk.
Result<void> Prefetcher::put_leases(Job& job) {
  std::vector<InodeNumber> inodes;
  PrefetchRecord record;
  {
    MutexLock lock(mutex_);
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
    MutexLock lock(mutex_);
    if (job.ended()) return {};
  }
  return catalog_.commit(batch);
}

Result<void> Prefetcher::renew_leases(const LeaseOwner& lease_owner, Timestamp expires) {
  const std::string owner = lease_owner.text();
  std::vector<InodeNumber> inodes;
  const bool ends = expires <= Timestamp::now();
  {
    MutexLock lock(mutex_);
    inodes = leases_.inodes_of(owner);
    if (inodes.empty()) return {};
    lease_ends_[owner] = expires;
    if (ends) {
      leases_.release(owner);
      lease_ends_.erase(owner);
      leases_changed_ = true;
      look_again();
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
  MutexLock lock(mutex_);
  std::erase_if(lease_ends_, [&](const auto& end) REQUIRES(mutex_) {
    if (end.second >= now) return false;
    leases_.release(end.first);
    leases_changed_ = true;
    return true;
  });
}

void Prefetcher::version_changed(InodeNumber inode) {
  MutexLock lock(mutex_);
  if (leases_.owners_of(inode).empty()) return;
  changed_inodes_.push_back(inode);
  look_again();
}

// What the owners of leases on a changed file were told of it does not hold any more.
void Prefetcher::void_receipts() {
  std::vector<InodeNumber> inodes;
  {
    MutexLock lock(mutex_);
    inodes = std::exchange(changed_inodes_, {});
  }
  for (const InodeNumber inode : inodes) {
    const auto path = catalog_.path(inode);
    const std::string name = path && *path ? **path : fmt::format("inode {}", inode);
    std::vector<JobPtr> failed;
    {
      MutexLock lock(mutex_);
      const auto owners = leases_.owners_of(inode);
      for (const auto& [id, job] : jobs_) {
        PrefetchRecord& record = job->record;
        if (std::find(owners.begin(), owners.end(), record.lease_owner) == owners.end()) continue;
        if (record.state == PrefetchState::cancelled || record.failed_files > 0 ||
            leases_.waits(id))
          continue;
        ++record.failed_files;
        record.first_error = name +
                             " was changed in the archive after it was fetched: reads since then "
                             "may have seen the old version or the new one. Prefetch it again";
        if (record.state == PrefetchState::done) {
          record.state = PrefetchState::failed;
          failed.push_back(job);
        }
      }
    }
    for (const JobPtr& job : failed) {
      if (auto put = put_record(*job); !put)
        log::error("a prefetch whose files were changed cannot be recorded as failed",
                   {{"error", put.error().text()}});
    }
  }
}

}  // namespace tierhub
