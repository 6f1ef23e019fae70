#include "migrator/evict/evictor.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include <fcntl.h>

#include "catalog/heat.h"
#include "common/fault_points.h"
#include "common/guarded.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/posix.h"
#include "migrator/evict/user_pins.h"
#include "storage/scratch/object_state.h"

namespace tierhub {
namespace {

constexpr size_t kReapBatch = 1024;
// Files that go at the same time: each asks the archive, which may be far away.
constexpr size_t kEvictionLanes = 8;
// A pass ends when so many draws in a row freed nothing.
constexpr size_t kDrawsInVain = 32;
constexpr int kDrawsPerReap = 8;
// Warmer than any file is by its uses.
constexpr int64_t kLast_ns = 52 * kHeatHalfLife_ns;

IntervalSet common(const IntervalSet& a, const IntervalSet& b) {
  IntervalSet result;
  for (const auto& one : a.intervals()) {
    for (const auto& part : b.present(one.begin, one.end)) result.add(part.begin, part.end);
  }
  return result;
}

}  // namespace

std::string Skip::text() const {
  switch (obstacle) {
    case Obstacle::unpublished:
      return "not published yet";
    case Obstacle::not_archived:
      return "not in the archive yet";
    case Obstacle::open:
      return "open";
    case Obstacle::in_use:
      return "in use: a program has it open or mapped";
    case Obstacle::filling:
      return "being copied";
    case Obstacle::leased:
      return detail;
    case Obstacle::archive_silent:
      return "the archive does not answer: " + detail;
    case Obstacle::conflict:
      return "conflict: the archive's copy is not the version on record; run a scan";
    case Obstacle::published_anew:
      return "it was published in the meantime";
  }
  return "";
}

Evictor::Evictor(InodeTable& inodes, const Scratch& scratch, Archive& archive, Capacity& capacity)
    : inodes_(inodes),
      catalog_(inodes.catalog()),
      scratch_(scratch),
      archive_(archive),
      capacity_(capacity),
      kept_(catalog_),
      victims_([this](InodeNumber after) { return catalog_.resident_after(after); },
               [this](InodeNumber after) { return catalog_.resident_near(after); },
               [this](InodeNumber inode) { return heat_of(inode); },
               static_cast<uint64_t>(Timestamp::now().ns)),
      lanes_(kEvictionLanes) {}

// A lease or pin that is alive.
Result<std::optional<Skip>> Evictor::pin_or_lease_on(InodeNumber inode) const {
  TRY_ASSIGN(const auto leases, catalog_.leases(inode));
  const Timestamp now = Timestamp::now();
  for (const LeaseRecord& lease : leases) {
    if (!lease.pin && lease.expires < now) continue;
    if (user_pins != nullptr && !user_pins->holds(lease)) continue;
    return std::optional(Skip{
        Obstacle::leased, fmt::format("{} by {}{}{}", lease.pin ? "pinned" : "leased", lease.owner,
                                      lease.reason.empty() ? "" : ": ", lease.reason)});
  }
  return std::optional<Skip>();
}

Result<Evictor::Judgement> Evictor::judge(const InodeState& inode) const {
  Judgement judgement;
  const bool known = inode.rec().content == Content::known && inode.rec().archived;
  if (inode.rec().writing || (inode.is_dirty() && !known)) {
    judgement.skip = {Obstacle::unpublished, {}};
  } else if (inode.handles > 0) {
    judgement.skip = {Obstacle::open, {}};
  } else if (!inode.filling.empty()) {
    judgement.skip = {Obstacle::filling, {}};
  } else {
    TRY_ASSIGN(judgement.skip, pin_or_lease_on(inode.number));
  }
  judgement.only_clean = inode.is_dirty();
  return judgement;
}

// The version of a file that may be evicted: the archive has it. None: it may not, for the reason
// that the eviction has then, or there is nothing to evict.
Result<std::optional<ArchiveVersion>> Evictor::evictable_version(InodeNumber inode,
                                                                 Eviction& eviction) {
  std::optional<ArchiveVersion> version;
  std::optional<std::string> path;
  {
    TRY_ASSIGN(const InodeLock lock, inodes_.lock_existing(inode));
    if (!lock->is_file() || (!lock->rec().has_object && lock->clean.empty())) return version;
    // The writer may be gone, and nobody has looked since.
    if (lock->rec().writing && lock->writable_handles == 0) TRY(harvest(catalog_, scratch_, *lock));
    TRY_ASSIGN(const Judgement judgement, judge(*lock));
    eviction.skip = judgement.skip;
    if (judgement.only_clean && lock->clean.empty()) eviction.skip = {Obstacle::unpublished, {}};
    if (eviction.skip) return version;
    TRY_ASSIGN(version, catalog_.version(inode));
    TRY_ASSIGN(path, catalog_.base_path(inode));
  }
  const auto skip = [&](Obstacle obstacle, const std::string& detail = {}) {
    eviction.skip = {obstacle, detail};
    return std::optional<ArchiveVersion>();
  };
  if (!version || !path) return skip(Obstacle::not_archived);
  const auto there = archive_.stat(*path);
  if (!there) return skip(Obstacle::archive_silent, there.error().text());
  if (!*there || !is_on_record(**there, *version)) {
    metrics().conflicts.add();
    return skip(Obstacle::conflict);
  }
  return version;
}

Result<Eviction> Evictor::evict(InodeNumber inode, What what) {
  Eviction eviction;
  TRY_ASSIGN(const auto version, evictable_version(inode, eviction));
  if (!version) return eviction;
  fault_point(FaultPoint::evict_after_check);

  TRY_ASSIGN(const InodeLock lock, inodes_.lock_existing(inode));
  TRY_ASSIGN(const Judgement judgement, judge(*lock));
  eviction.skip = judgement.skip;
  TRY_ASSIGN(const auto version_now, catalog_.version(inode));
  if (!eviction.skip && version_now != version) eviction.skip = {Obstacle::published_anew, {}};
  if (eviction.skip) return eviction;
  std::optional<ObjectLease> object_lease;
  if (lock->rec().has_object) {
    lock->read_fd.reset();
    lock->write_fd.reset();
    if (scratch_.has_object_leases()) {
      TRY_ASSIGN(object_lease, scratch_.lease_unused_object(inode));
      if (!object_lease) {
        eviction.skip = {Obstacle::in_use, {}};
        return eviction;
      }
    }
  }
  IntervalSet kept;
  if (what == What::all_but_kept) kept = common(kept_.chunks_of(inode), lock->clean);
  if (judgement.only_clean) {
    eviction.skip = {Obstacle::unpublished, {}};
    // Without an object lease a publish could be reading the object.
    if (object_lease) TRY(drop_clean_chunks(*lock, *object_lease, kept, eviction));
    return eviction;
  }
  // Where objects have no leases, a file goes as a whole.
  if (!kept.empty() && object_lease) {
    TRY(drop_clean_chunks(*lock, *object_lease, kept, eviction));
    return eviction;
  }
  TRY_ASSIGN(const uint64_t occupied_bytes, scratch_.occupied_bytes(inode));
  eviction.bytes = std::min(lock->resident_bytes(), occupied_bytes);
  TRY(drop_content(catalog_, scratch_, *lock, lock->rec(), Batch()));
  fault_point(FaultPoint::evict_after_commit);
  eviction.evicted = true;
  metrics().evicted_files.add();
  metrics().evicted_bytes.add(eviction.bytes);
  return eviction;
}

// The chunks go by the descriptor of the object lease: another one would break it.
Result<void> Evictor::drop_clean_chunks(InodeState& inode, const ObjectLease& object_lease,
                                        const IntervalSet& kept, Eviction& eviction) {
  const uint64_t chunk_bytes = inode.chunk_bytes;
  IntervalSet going = inode.clean;
  for (const auto& part : kept.intervals()) going.remove(part.begin, part.end);
  // A chunk with a dirty byte stays: the rest of it would have to be fetched to publish it.
  for (const auto& part : inode.dirty.intervals())
    going.remove(part.begin / chunk_bytes, (part.end + chunk_bytes - 1) / chunk_bytes);
  if (going.empty()) return {};
  IntervalSet staying = inode.clean;
  Batch batch;
  for (const auto& part : going.intervals())
    batch.change_ranges(inode.number, RangeKind::clean, staying.remove(part.begin, part.end));
  TRY(catalog_.commit(batch, Durability::synced));
  inode.clean = std::move(staying);
  fault_point(FaultPoint::evict_chunks_after_commit);
  TRY_ASSIGN(const uint64_t before, scratch_.occupied_bytes(inode.number));
  uint64_t resident_bytes = 0;
  for (const auto& part : going.intervals()) {
    const uint64_t begin = part.begin * chunk_bytes;
    const uint64_t end = std::min(part.end * chunk_bytes, inode.size_bytes());
    resident_bytes += end - begin;
    TRY(posix::punch_hole(object_lease.fd(), begin, end));
  }
  TRY_ASSIGN(const uint64_t after, scratch_.occupied_bytes(inode.number));
  const uint64_t freed_bytes = before - std::min(before, after);
  eviction.bytes = std::min(resident_bytes, freed_bytes);
  capacity_.punched(inode.number, freed_bytes);
  fault_point(FaultPoint::evict_chunks_after_punch);
  metrics().evicted_bytes.add(eviction.bytes);
  return {};
}

Result<void> Evictor::reap_inode(InodeNumber inode) {
  TRY_ASSIGN(const InodeLock lock, inodes_.lock(inode));
  Batch batch;
  if (!lock.exists() || lock->rec().nlink > 0) {
    batch.erase_reap(inode);
    if (!lock.exists()) kept_.forget(inode);
    return catalog_.commit(batch);
  }
  kept_.forget(inode);
  if (lock->handles > 0 || !lock->filling.empty()) return {};
  std::optional<ObjectLease> object_lease;
  if (lock->rec().has_object && scratch_.has_object_leases()) {
    TRY_ASSIGN(object_lease, scratch_.lease_unused_object(inode));
    if (!object_lease) return {};  // a mapping outlived its handle, or a writer outlived the daemon
  }
  return drop_content(catalog_, scratch_, *lock, std::nullopt, std::move(batch));
}

Result<void> Evictor::evict_last(const std::vector<PrefetchItem>& items) {
  const uint64_t chunk_bytes = catalog_.chunk_bytes();
  const auto chunks_up_to = [&](uint64_t bytes) {
    return bytes / chunk_bytes + (bytes % chunk_bytes > 0);
  };
  std::vector<KeptLast::Item> kept;
  for (const PrefetchItem& item : items) {
    TRY_ASSIGN(const auto record, catalog_.inode(item.inode));
    if (!record || record->attributes.kind != FileKind::file) continue;
    const uint64_t size_bytes = record->attributes.size_bytes;
    KeptLast::Item& one = kept.emplace_back(KeptLast::Item{item.inode, {}, size_bytes});
    if (item.ranges.empty()) one.chunks.add(0, chunks_up_to(size_bytes));
    for (const ByteRange& range : item.ranges) {
      const uint64_t end = std::min(range.end, size_bytes);
      if (range.begin < end) one.chunks.add(range.begin / chunk_bytes, chunks_up_to(end));
    }
  }
  const double most = static_cast<double>(capacity_.marks().capacity_bytes) * kKeptShare;
  return kept_.add(kept, static_cast<uint64_t>(most));
}

Result<void> Evictor::reap() {
  MutexLock lock(pass_mutex_);
  return reap_now();
}

Result<void> Evictor::reap_now() {
  TRY_ASSIGN(const auto unnamed, catalog_.reaps(reap_cursor_, kReapBatch));
  reap_cursor_ = unnamed.size() < kReapBatch ? kNoInode : unnamed.back().first;
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

// What cannot go now is none; so what is pinned or dirty does not hide what can. A file without
// recorded uses is as warm as if it had been used when it was made, or published.
Result<std::optional<Timestamp>> Evictor::heat_of(InodeNumber inode) const {
  TRY_ASSIGN(const auto record, catalog_.inode(inode));
  if (!record || record->writing || record->content == Content::unknown || !record->archived)
    return std::nullopt;
  TRY_ASSIGN(const auto held, pin_or_lease_on(inode));
  if (held) return std::nullopt;
  TRY_ASSIGN(const Timestamp used, catalog_.heat(inode));
  Timestamp heat = std::max(used, record->attributes.btime);
  if (const IntervalSet kept = kept_.chunks_of(inode); !kept.empty()) {
    if (pass_takes_ == What::all) {
      heat.ns += kLast_ns;
    } else {
      TRY_ASSIGN(IntervalSet others, catalog_.ranges(inode, RangeKind::clean));
      for (const auto& part : kept.intervals()) others.remove(part.begin, part.end);
      if (others.empty()) return std::nullopt;
    }
  }
  // Of a partly dirty file the clean chunks go last: should somebody replace it in the archive
  // before it is published, they would be what is missing of ours.
  TRY_ASSIGN(const IntervalSet dirty, catalog_.ranges(inode, RangeKind::dirty));
  if (!dirty.empty()) return Timestamp{heat.ns + kLast_ns};
  return heat;
}

// Files go one by one until it is known that all of the next ones are needed: those go together,
// since each asks the archive.
Result<uint64_t> Evictor::evict_in_order(const std::vector<InodeNumber>& victims,
                                         uint64_t wanted_bytes, What what) {
  std::atomic<uint64_t> freed{0};
  std::atomic<uint64_t> largest{0};
  Guarded<std::optional<Error>> failure;
  const auto evict_one = [&](InodeNumber victim) {
    auto eviction = evict(victim, what);
    if (!eviction) {
      if (!eviction.error().is(std::errc::no_such_file_or_directory))
        failure.with([&](auto& first) { first = eviction.error(); });
      return;
    }
    freed += eviction->bytes;
    for (uint64_t seen = largest; seen < eviction->bytes;) {
      if (largest.compare_exchange_weak(seen, eviction->bytes)) break;
    }
  };
  for (size_t at = 0; at < victims.size() && freed < wanted_bytes;) {
    const uint64_t needed = largest == 0 ? 1 : (wanted_bytes - freed) / largest + 1;
    const size_t together = std::min<uint64_t>(victims.size() - at, needed);
    lanes_.for_each(together, kEvictionLanes, [&](size_t i) { evict_one(victims[at + i]); });
    at += together;
    if (const auto error = failure.with([](auto& first) { return first; })) return *error;
  }
  return freed.load();
}

Result<uint64_t> Evictor::evict_coldest(uint64_t wanted_bytes, What what) {
  if (wanted_bytes == 0 || !archive_is_up()) return 0;
  pass_takes_ = what;
  victims_.begin(catalog_.newest_inode());
  // What is kept does not hide what can go, however many files of it there are.
  size_t most_in_vain = kDrawsInVain;
  if (what == What::all_but_kept) most_in_vain += kept_.files() / (Victims::kLooks / 2);
  uint64_t freed = 0;
  size_t draws_in_vain = 0;
  for (int draws = 1; freed < wanted_bytes && draws_in_vain < most_in_vain; ++draws) {
    TRY_ASSIGN(const auto coldest, victims_.draw());
    TRY_ASSIGN(const uint64_t bytes, evict_in_order(coldest, wanted_bytes - freed, what));
    draws_in_vain = bytes == 0 ? draws_in_vain + 1 : 0;
    freed += bytes;
    // Whoever waits goes on before the pass ends.
    if (draws % kDrawsPerReap == 0) {
      TRY(reap_now());
      capacity_.answer_waiters();
    }
  }
  return freed;
}

// What is kept goes if it must: to miss the low mark is no reason.
Result<uint64_t> Evictor::evict_for_room(const Capacity::Pass& pass) {
  TRY_ASSIGN(const uint64_t freed, evict_coldest(pass.wanted_bytes, What::all_but_kept));
  if (freed >= pass.needed_bytes || kept_.files() == 0) return freed;
  TRY_ASSIGN(const uint64_t kept, evict_coldest(pass.needed_bytes - freed, What::all));
  return freed + kept;
}

Result<uint64_t> Evictor::make_room() {
  if (user_pins != nullptr) user_pins->look();
  MutexLock lock(pass_mutex_);
  auto freed = evict_for_room(capacity_.pass_begins());
  if (auto reaped = reap_now(); !reaped && freed) freed = reaped.error();
  capacity_.pass_ended();
  return freed;
}

}  // namespace tierhub
