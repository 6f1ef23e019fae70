#include "migrator/evictor.h"

#include <algorithm>
#include <queue>
#include <unordered_set>

#include "common/fault_points.h"
#include "common/log.h"
#include "common/metrics.h"
#include "migrator/lost_power.h"
#include "storage/object_state.h"

namespace tierhub {
namespace {

constexpr size_t kReapBatch = 1024;
// How many of the coldest files one look over the resident ones picks.
constexpr size_t kVictims = 1024;

}  // namespace

Evictor::Evictor(InodeTable& inodes, const Scratch& scratch, Archive& archive, Capacity& capacity)
    : inodes_(inodes),
      catalog_(inodes.catalog()),
      scratch_(scratch),
      archive_(archive),
      capacity_(capacity) {}

Result<std::string> Evictor::reason_to_keep(const InodeState& inode) const {
  if (inode.is_dirty()) return std::string("not published yet");
  if (inode.handles > 0) return std::string("open");
  if (!inode.filling.empty()) return std::string("being copied");
  TRY_ASSIGN(const auto leases, catalog_.leases(inode.number));
  const Timestamp now = Timestamp::now();
  for (const LeaseRecord& lease : leases) {
    if (!lease.pin && lease.expires < now) continue;
    return fmt::format("{} by {}{}{}", lease.pin ? "pinned" : "leased", lease.owner,
                       lease.reason.empty() ? "" : ": ", lease.reason);
  }
  return std::string();
}

Result<Eviction> Evictor::evict(InodeNumber inode) {
  Eviction eviction;
  std::optional<ArchiveVersion> version;
  std::optional<std::string> path;
  {
    TRY_ASSIGN(const InodeLock lock, inodes_.lock_existing(inode));
    if (!lock->is_file() || (!lock->rec().has_object && lock->clean.empty())) return eviction;
    TRY_ASSIGN(eviction.skip_reason, reason_to_keep(*lock));
    if (!eviction.skip_reason.empty()) return eviction;
    TRY_ASSIGN(version, catalog_.version(inode));
    TRY_ASSIGN(path, catalog_.base_path(inode));
  }
  if (!version || !path) {
    eviction.skip_reason = "not in the archive yet";
    return eviction;
  }
  const auto there = archive_.stat(*path);
  if (!there) {
    eviction.skip_reason = "the archive does not answer: " + there.error().text();
    return eviction;
  }
  if (!*there || !is_on_record(**there, *version)) {
    metrics().conflicts.add();
    eviction.skip_reason = "conflict: the archive's copy is not the version on record; run a scan";
    return eviction;
  }
  fault_point(FaultPoint::evict_after_check);

  TRY_ASSIGN(const InodeLock lock, inodes_.lock_existing(inode));
  TRY_ASSIGN(eviction.skip_reason, reason_to_keep(*lock));
  TRY_ASSIGN(const auto version_now, catalog_.version(inode));
  if (eviction.skip_reason.empty() && version_now != version)
    eviction.skip_reason = "it was published meanwhile";
  if (!eviction.skip_reason.empty()) return eviction;
  std::optional<ObjectLease> lease;
  if (lock->rec().has_object) {
    lock->read_fd.reset();
    lock->write_fd.reset();
    if (scratch_.leases_work()) {
      TRY_ASSIGN(lease, scratch_.lease_unused(inode));
      if (!lease) {
        eviction.skip_reason = "in use: a program has it open or mapped";
        return eviction;
      }
    }
  }
  eviction.bytes = lock->resident_bytes();
  TRY(drop_content(catalog_, scratch_, *lock, lock->rec(), Batch()));
  fault_point(FaultPoint::evict_after_commit);
  eviction.evicted = true;
  metrics().evicted_files.add();
  metrics().evicted_bytes.add(eviction.bytes);
  return eviction;
}

Result<void> Evictor::reap_inode(InodeNumber inode) {
  TRY_ASSIGN(const InodeLock lock, inodes_.lock(inode));
  Batch batch;
  if (!lock.exists() || lock->rec().nlink > 0) {
    batch.erase_reap(inode);
    return catalog_.commit(batch);
  }
  if (lock->handles > 0 || !lock->filling.empty()) return {};
  std::optional<ObjectLease> lease;
  if (lock->rec().has_object && scratch_.leases_work()) {
    TRY_ASSIGN(lease, scratch_.lease_unused(inode));
    if (!lease) return {};  // a mapping outlived its handle, or a writer outlived the daemon
  }
  return drop_content(catalog_, scratch_, *lock, std::nullopt, std::move(batch));
}

Result<void> Evictor::reap() {
  TRY_ASSIGN(const auto unnamed, catalog_.reaps(kReapBatch));
  for (const auto& [inode, kind] : unnamed) {
    if (auto reaped = reap_inode(inode); !reaped) {
      log::warning("cannot remove a deleted file yet",
                   {{"inode", inode}, {"error", reaped.error().text()}});
    }
  }
  TRY_ASSIGN(const auto aside, scratch_.set_aside_objects());
  if (aside.empty()) return {};
  fault_point(FaultPoint::reap_before_remove);
  TRY(catalog_.sync());
  fault_point(FaultPoint::evict_after_sync);
  for (const InodeNumber inode : aside) {
    TRY_ASSIGN(const uint64_t bytes, scratch_.remove_set_aside(inode));
    capacity_.removed(inode, bytes);
    fault_point(FaultPoint::evict_after_remove);
  }
  fault_point(FaultPoint::reap_after_remove);
  return {};
}

Result<uint64_t> Evictor::lru_pass() {
  const uint64_t wanted = capacity_.pass_begins();
  // The heap holds the coldest files seen so far, the warmest of them on top.
  using Candidate = std::pair<Timestamp, InodeNumber>;
  std::priority_queue<Candidate> coldest;
  std::optional<Error> failure;
  auto looked = catalog_.for_each_resident(kNoInode, [&](InodeNumber inode) {
    auto heat = catalog_.heat(inode);
    if (!heat) failure = heat.error();
    if (failure) return false;
    coldest.emplace(*heat, inode);
    if (coldest.size() > kVictims) coldest.pop();
    return true;
  });
  if (!looked) failure = looked.error();
  std::vector<InodeNumber> victims;
  for (; !coldest.empty(); coldest.pop()) victims.push_back(coldest.top().second);
  std::reverse(victims.begin(), victims.end());

  uint64_t freed = 0;
  for (const InodeNumber victim : victims) {
    if (failure || freed >= wanted) break;
    auto eviction = evict(victim);
    if (eviction) {
      freed += eviction->bytes;
    } else if (!eviction.error().is(std::errc::no_such_file_or_directory)) {
      failure = eviction.error();
    }
  }
  if (auto reaped = reap(); !reaped && !failure) failure = reaped.error();
  capacity_.pass_ended();
  if (failure) return *failure;
  return freed;
}

Result<void> Evictor::recover() {
  // What the catalog says now must not be rolled back by the next power cut after objects were
  // judged by it.
  TRY(catalog_.sync());
  TRY_ASSIGN(const auto aside, scratch_.set_aside_objects());
  for (const InodeNumber inode : aside) {
    TRY_ASSIGN(const auto record, catalog_.inode(inode));
    if (!record || !record->has_object) continue;
    auto back = scratch_.take_back(inode);
    if (!back && !back.error().is(std::errc::file_exists)) return back;
  }
  fault_point(FaultPoint::recovery_after_take_back);
  std::unordered_set<InodeNumber> unknown;
  std::optional<Error> failure;
  TRY(scratch_.for_each_object([&](InodeNumber inode, uint64_t) {
    auto record = catalog_.inode(inode);
    if (!record) failure = record.error();
    if (record && (!*record || !(*record)->has_object)) unknown.insert(inode);
  }));
  if (failure) return *failure;
  for (const InodeNumber inode : unknown) TRY(scratch_.set_aside(inode));
  fault_point(FaultPoint::recovery_after_set_aside);
  if (!catalog_.same_boot()) TRY(LostPower(inodes_, scratch_).recover());
  fault_point(FaultPoint::recovery_after_residency);
  return reap();
}

}  // namespace tierhub
