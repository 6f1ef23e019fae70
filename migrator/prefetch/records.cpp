// The prefetch queue in the catalog: what an earlier process left, what is recorded of each
// prefetch, and what is swept away behind it. All that may be long goes page by page, so that it
// holds up nobody.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "common/fault_points.h"
#include "common/log.h"
#include "migrator/prefetch/job.h"
#include "migrator/prefetch/prefetcher.h"

namespace tierhub {

// Before the thread starts.
Result<void> Prefetcher::take_up(const PrefetchRecord& record) {
  auto job = std::make_shared<Job>();
  job->record = record;
  MutexLock lock(mutex_);
  jobs_.emplace(record.id, job);
  if (job->ended()) {
    job->done_bytes = record.state == PrefetchState::done ? record.total_bytes : 0;
    job->done_files = record.state == PrefetchState::done ? record.total_files : 0;
    job->is_over = true;
    to_sweep_.push_back({record.id, 0});
    return {};
  }
  lock.unlock();
  job->is_counted = false;
  if (record.state == PrefetchState::running) {
    job->record.crashed_starts = record.crashed_starts + 1;
    job->record.state = PrefetchState::queued;
    if (job->record.crashed_starts >= kCrashedStarts) {
      job->record.state = PrefetchState::parked;
      log::error("a prefetch is parked: tierd ended unexpectedly each time while it ran",
                 {{"id", record.id}, {"label", record.label}});
    }
    TRY(put_record(*job));
  }
  if (!job->parked()) {
    lock.lock();
    share_.add(record);
    lock.unlock();
  }
  fault_point(FaultPoint::prefetch_resumed);
  return {};
}

// Always the newest state, whoever calls it last.
Result<void> Prefetcher::put_record(Job& job, Durability durability) {
  MutexLock one_at_a_time(records_mutex_);
  Batch batch;
  {
    MutexLock lock(mutex_);
    batch.put_prefetch(job.record);
  }
  return catalog_.commit(batch, durability);
}

// The end of tierd was in order: what ran is not to blame for anything.
void Prefetcher::rest() {
  std::vector<JobPtr> running;
  {
    MutexLock lock(mutex_);
    for (const auto& [id, job] : jobs_) {
      if (job->record.state != PrefetchState::running) continue;
      job->record.state = PrefetchState::queued;
      job->record.crashed_starts = 0;
      running.push_back(job);
    }
  }
  for (const JobPtr& job : running) {
    if (auto put = put_record(*job); !put)
      log::error("a prefetch cannot be recorded",
                 {{"id", job->record.id}, {"error", put.error().text()}});
  }
}

// Items are erased as they are done: what is not left is done. Whether this was the last page.
Result<bool> Prefetcher::count_page(Job& job) {
  if (!job.recount) {
    job.recount = std::make_unique<Job::Recount>();
    job.recount->ask.owner = job.record.lease_owner;
    job.recount->ask.uid = job.record.owner_uid;
  }
  Job::Recount& recount = *job.recount;
  const bool has_lease = !job.record.lease_owner.empty();
  TRY_ASSIGN(const auto items,
             catalog_.prefetch_items(job.record.id, recount.next_index, kItemsPerRead));
  for (const auto& [index, item] : items) {
    recount.next_index = index + 1;
    ++recount.left_files;
    recount.range_count += item.ranges.size();
    TRY_ASSIGN(const auto record, catalog_.inode(item.inode));
    if (!record) continue;
    for (const ByteRange& range : asked_ranges(item, record->attributes.size_bytes))
      recount.left_bytes += range.size();
    if (has_lease) TRY(add_to_ask(recount.ask, item));
  }
  return items.empty();
}

void Prefetcher::counted(Job& job) {
  const auto recount = std::exchange(job.recount, nullptr);
  MutexLock lock(mutex_);
  const PrefetchRecord& record = job.record;
  job.is_counted = true;
  job.range_count = recount->range_count;
  job.done_bytes = record.total_bytes - std::min(recount->left_bytes, record.total_bytes);
  job.done_files = record.total_files - std::min(recount->left_files, record.total_files);
  if (job.ended() || record.lease_owner.empty()) return;
  const auto measure = large_files(recount->ask).empty() ? LeaseQueue::Measure::known
                                                         : LeaseQueue::Measure::unmeasured;
  leases_.add(record.id, std::move(recount->ask), measure);
  leases_changed_ = true;
}

// Counts a page of the first prefetch that is not counted yet. True: there is more to count.
bool Prefetcher::count_some() {
  JobPtr job;
  {
    MutexLock lock(mutex_);
    const auto it = std::ranges::find_if(jobs_, [](const auto& item) {
      const Job& other = *item.second;
      return !other.is_counted && !other.ended() && !other.parked();
    });
    counts_leases_ = it != jobs_.end() && std::any_of(it, jobs_.end(), [](const auto& item) {
                       const Job& other = *item.second;
                       return !other.is_counted && !other.ended() && !other.parked() &&
                              !other.record.lease_owner.empty();
                     });
    if (it == jobs_.end()) return false;
    job = it->second;
  }
  const auto last = count_page(*job);
  if (!last) {
    fail(*job, last.error());
  } else if (*last) {
    counted(*job);
  }
  return true;
}

// Erases a page of what is left behind an ended prefetch. True: there is more.
bool Prefetcher::sweep_some() {
  std::pair<uint64_t, uint64_t> from;
  {
    MutexLock lock(mutex_);
    if (to_sweep_.empty()) return false;
    from = to_sweep_.front();
  }
  const auto items = catalog_.prefetch_items(from.first, from.second, kItemsPerRead);
  Batch batch;
  if (items) {
    for (const auto& [index, item] : *items) {
      batch.erase_prefetch_item(from.first, index);
      from.second = index + 1;
    }
  }
  Result<void> committed;
  if (!batch.empty()) committed = catalog_.commit(batch);
  if (!items || !committed)
    log::error("the remains of a prefetch cannot be removed", {{"id", from.first}});
  MutexLock lock(mutex_);
  to_sweep_.pop_front();
  if (items && committed && !items->empty()) to_sweep_.push_front(from);
  return !to_sweep_.empty();
}

void Prefetcher::forget_old() {
  Batch batch;
  {
    MutexLock lock(mutex_);
    auto ended = static_cast<size_t>(
        std::ranges::count_if(jobs_, [](const auto& item) { return item.second->ended(); }));
    for (auto it = jobs_.begin(); it != jobs_.end() && ended > options_.keep_ended;) {
      const Job& job = *it->second;
      if (!job.is_over) {
        ++it;
        continue;
      }
      batch.erase_prefetch(it->first);
      it = jobs_.erase(it);
      --ended;
    }
  }
  if (batch.empty()) return;
  if (auto committed = catalog_.commit(batch); !committed)
    log::error("old prefetches cannot be dropped", {{"error", committed.error().text()}});
}

}  // namespace tierhub
