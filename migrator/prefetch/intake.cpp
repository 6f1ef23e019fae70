// How a prefetch comes in: what it may ask for, and how it gets into the catalog. Its files are
// written as they arrive, before the record that makes them a prefetch; what is left of one that
// did not get that far is swept.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "common/fault_points.h"
#include "migrator/prefetch/job.h"
#include "migrator/prefetch/prefetcher.h"

namespace tierhub {
namespace {

// A commit has about so many ranges at most.
constexpr size_t kRangesPerCommit = 16'384;

uint64_t sum(uint64_t a, uint64_t b) { return a > UINT64_MAX - b ? UINT64_MAX : a + b; }

Error too_long(std::string text) {
  return Error(std::errc::argument_list_too_long, std::move(text));
}

// Of one user, all requests together.
Error too_much(const std::string& text) {
  return Error(Prefetcher::too_much_code(), text + ": wait for some to end, or end some");
}

}  // namespace

struct Prefetcher::Intake {
  PrefetchRecord record;
  LeaseAsk ask;
  size_t most_parts = 0;  // that its lease may have beside what its user has leased already
  size_t parts = 0;
  size_t range_count = 0;
  Batch batch;
  size_t items_in_batch = 0;
  size_t ranges_in_batch = 0;

  bool has_lease() const { return !record.lease_owner.empty(); }
};

namespace {

std::string lease_owner_of(const Prefetcher::Request& request) {
  if (request.lease_name.empty()) return {};
  return LeaseOwner{request.owner_uid, request.lease_name}.text();
}

}  // namespace

// A few that arrive at the same moment may be let in together.
Result<void> Prefetcher::admit(const Request& request) const {
  const PrefetchLimits& limits = options_.limits;
  if (request.label.size() > limits.text_bytes)
    return too_long(fmt::format("the label is longer than {} bytes", limits.text_bytes));
  if (lease_owner_of(request).size() > limits.text_bytes)
    return too_long(fmt::format("the lease's owner is longer than {} bytes", limits.text_bytes));
  MutexLock lock(mutex_);
  const auto open = std::ranges::count_if(jobs_, [&](const auto& item) {
    return !item.second->ended() && item.second->record.owner_uid == request.owner_uid;
  });
  if (static_cast<size_t>(open) >= limits.open_prefetches)
    return too_much(
        fmt::format("a user can have at most {} unfinished prefetches", limits.open_prefetches));
  return {};
}

Result<void> Prefetcher::take(Intake& intake, PrefetchItem item) const {
  PrefetchRecord& record = intake.record;
  if (record.total_files == options_.limits.files)
    return too_long(
        fmt::format("a prefetch can have at most {} files: split it", options_.limits.files));
  if (!item.ranges.empty()) {
    item.ranges = disjoint(std::move(item.ranges));
    if (item.ranges.empty()) item.ranges = {{0, 0}};  // nothing, which is not the whole file
  }
  TRY_ASSIGN(const uint64_t size_bytes, size_of(item.inode));
  for (const ByteRange& range : asked_ranges(item, size_bytes))
    record.total_bytes = sum(record.total_bytes, range.size());
  if (intake.has_lease()) {
    IntervalSet& leased = intake.ask.ranges[item.inode];
    intake.parts -= leased.parts();
    TRY(add_to_ask(intake.ask, item));
    intake.parts += leased.parts();
    if (intake.parts > intake.most_parts)
      return too_much(fmt::format("a user can have leases on at most {} files and parts of files",
                                  options_.limits.leased_parts));
  }
  intake.range_count += item.ranges.size();
  intake.ranges_in_batch += item.ranges.size();
  intake.batch.put_prefetch_item(record.id, record.total_files++, item);
  if (++intake.items_in_batch < kItemsPerRead && intake.ranges_in_batch < kRangesPerCommit)
    return {};
  TRY(catalog_.commit(intake.batch));
  intake.batch = Batch();
  intake.items_in_batch = intake.ranges_in_batch = 0;
  return {};
}

// errc::no_space_on_device if it could never be granted.
Result<LeaseQueue::Measure> Prefetcher::check_lease(Intake& intake) {
  LeaseAsk& ask = intake.ask;
  const std::string& label = intake.record.label;
  TRY_ASSIGN(const LeaseLimits limits, options_.lease_limits());
  const std::vector<InodeNumber> large = large_files(ask);
  if (!large.empty() && LeaseQueue::never(ask, limits).empty())
    return LeaseQueue::Measure::unmeasured;
  if (const auto failure = measure(ask, large); failure && !LeaseQueue::never(ask, limits).empty())
    return failure->in(label + ": find out how much of it is data");
  if (const std::string never = LeaseQueue::never(ask, limits); !never.empty())
    return Error(std::errc::no_space_on_device, label + ": " + never);
  return LeaseQueue::Measure::known;
}

// Its record is written in one batch with its last files.
Result<void> Prefetcher::queue(Intake& intake) {
  auto measured = LeaseQueue::Measure::known;
  if (intake.has_lease()) {
    TRY_ASSIGN(measured, check_lease(intake));
  }
  auto job = std::make_shared<Job>();
  job->record = intake.record;
  job->range_count = intake.range_count;
  {
    MutexLock lock(mutex_);
    size_t open_ranges = intake.range_count;
    for (const auto& [id, other] : jobs_) {
      if (!other->ended() && other->record.owner_uid == intake.record.owner_uid)
        open_ranges += other->range_count;
    }
    if (open_ranges > options_.limits.open_ranges)
      return too_much(
          fmt::format("the unfinished prefetches of a user can have at most {} ranges in total",
                      options_.limits.open_ranges));
  }
  intake.batch.put_prefetch(intake.record);
  TRY(catalog_.commit(intake.batch));
  fault_point(FaultPoint::prefetch_after_queue);
  MutexLock lock(mutex_);
  const uint64_t id = intake.record.id;
  jobs_.emplace(id, job);
  share_.add(intake.record);
  if (intake.has_lease()) leases_.add(id, std::move(intake.ask), measured);
  leases_changed_ = true;
  look_again();
  return {};
}

Result<Prefetcher::Progress> Prefetcher::add(const Request& request) {
  TRY(admit(request));
  Intake intake;
  PrefetchRecord& record = intake.record;
  TRY_ASSIGN(record.id, catalog_.allocate_sequence());
  record.label = request.label;
  record.owner_uid = request.owner_uid;
  record.created = Timestamp::now();
  record.lease_owner = lease_owner_of(request);
  record.lease_ttl_s = request.lease_ttl_s;
  record.urgency = request.urgency;
  intake.ask.owner = record.lease_owner;
  intake.ask.uid = request.owner_uid;
  {
    MutexLock lock(mutex_);
    const size_t had = leases_.parts(request.owner_uid);
    intake.most_parts = options_.limits.leased_parts - std::min(had, options_.limits.leased_parts);
  }
  auto queued = request.items([&](PrefetchItem item) { return take(intake, std::move(item)); });
  if (queued) queued = queue(intake);
  if (!queued) {
    MutexLock lock(mutex_);
    to_sweep_.push_back({record.id, 0});
    look_again();
    return queued.error();
  }
  forget_old();
  return progress(record.id);
}

}  // namespace tierhub
