#include "migrator/mover.h"

#include <algorithm>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>

#include "common/fault_points.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/posix.h"
#include "migrator/damage.h"
#include "storage/object_state.h"

namespace tierhub {
namespace {

// The journal's acts and their commit are a matter of milliseconds, of seconds on a slow archive.
constexpr std::chrono::seconds kMotionLimit{30};
constexpr std::chrono::milliseconds kMotionPause{20};

Error recall_error(const Error& error, InodeNumber inode) {
  return error.in(fmt::format("recall inode {}", inode));
}

// Room that is given back unless it is handed on to fills.
class Reservation {
 public:
  Reservation(Capacity& capacity, InodeNumber inode, uint64_t bytes)
      : capacity_(capacity), inode_(inode), bytes_(bytes) {}
  ~Reservation() { capacity_.settle(inode_, bytes_, 0); }
  Reservation(const Reservation&) = delete;
  Reservation& operator=(const Reservation&) = delete;
  void hand_on() { bytes_ = 0; }

 private:
  Capacity& capacity_;
  InodeNumber inode_;
  uint64_t bytes_;
};

}  // namespace

// What belongs together in one call of bring(): it is done when its last fill is.
struct Mover::Join {
  Attempt attempt;
  Source source;
  std::mutex mutex;
  size_t left = 0;
  uint64_t copied_bytes = 0;
  std::optional<Error> error;
};

struct Mover::Fill {
  InodeNumber inode;
  Reason reason = Reason::recall;
  IntervalSet::Interval chunks;
  ArchiveVersion expected;
  uint64_t reserved_bytes = 0;
  FillRequest request;
  UniqueFd object;
  // Some of the chunks' bytes are dirty, and the copy must not touch them: it goes to memory first.
  UniqueFd memory;
  std::shared_ptr<Join> join;
};

namespace {

// Consecutive chunks of `part` that all have dirty bytes, or that all have none.
struct Stretch {
  IntervalSet::Interval chunks;
  bool has_dirty = false;
};
std::vector<Stretch> stretches(const InodeState& inode, IntervalSet::Interval part) {
  std::vector<Stretch> result;
  for (uint64_t chunk = part.begin; chunk < part.end; ++chunk) {
    const bool has_dirty =
        !inode.dirty.present(chunk * inode.chunk_bytes, (chunk + 1) * inode.chunk_bytes).empty();
    if (!result.empty() && result.back().has_dirty == has_dirty) {
      ++result.back().chunks.end;
    } else {
      result.push_back({{chunk, chunk + 1}, has_dirty});
    }
  }
  return result;
}

// All that the version has of the chunk is asked for: its checksum is that of the version.
bool is_whole(const FillRequest& request, uint64_t chunk) {
  const uint64_t size_bytes = request.expected.attributes.size_bytes;
  return request.limit_bytes >= std::min((chunk + 1) * request.chunk_bytes, size_bytes);
}

Result<UniqueFd> file_in_memory() {
  UniqueFd memory(::memfd_create("tierhub", MFD_CLOEXEC));
  if (!memory) return Error::from_errno(errno, "memfd_create");
  return memory;
}

}  // namespace

Mover::Mover(InodeTable& inodes, const Scratch& scratch, Archive& archive, Capacity& capacity)
    : inodes_(inodes),
      catalog_(inodes.catalog()),
      scratch_(scratch),
      archive_(archive),
      capacity_(capacity),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

void Mover::stop() {
  thread_.request_stop();
  work_arrived_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Mover::post(std::function<void()> work) {
  std::lock_guard lock(mutex_);
  work_.push_back(std::move(work));
  work_arrived_.notify_one();
}

void Mover::run(const std::stop_token& stop) {
  const auto ready = [this] {
    return !work_.empty() || (!delayed_.empty() && delayed_.begin()->first <= SteadyClock::now());
  };
  for (;;) {
    std::function<void()> work;
    {
      std::unique_lock lock(mutex_);
      const auto next =
          delayed_.empty() ? SteadyClock::now() + kMotionLimit : delayed_.begin()->first;
      work_arrived_.wait_until(lock, stop, next, ready);
      if (!work_.empty()) {
        work = std::move(work_.front());
        work_.pop_front();
      } else if (!delayed_.empty() && (stop.stop_requested() || ready())) {
        const auto first = delayed_.extract(delayed_.begin());
        work = stop.stop_requested() ? first.mapped().give_up : first.mapped().retry;
      } else if (stop.stop_requested()) {
        return;
      } else {
        continue;
      }
    }
    work();
  }
}

Result<Mover::Start> Mover::start(const Attempt& attempt) {
  const InodeNumber inode = attempt.inode;
  TRY_ASSIGN(const InodeLock lock, inodes_.lock_existing(inode));
  InodeState& state = *lock;
  Start result;
  auto absent = state.absent_chunks(attempt.range);
  if (absent.empty()) return result;

  std::vector<IntervalSet::Interval> to_fill;
  for (const auto& piece : absent) {
    for (const auto& part : state.filling.missing(piece.begin, piece.end)) to_fill.push_back(part);
  }
  if (to_fill.empty()) {
    result.kind = Start::Kind::waiting;
    state.filling_waiters.push_back([this, attempt] { begin(attempt); });
    return result;
  }
  TRY_ASSIGN(const auto version, catalog_.version(inode));
  TRY_ASSIGN(const auto path, catalog_.base_path(inode));
  if (!version || !path)
    return Error(std::errc::io_error,
                 fmt::format("the archive has no version of inode {} on record", inode));
  if (is_growing && is_growing(inode, *version)) {
    result.kind = Start::Kind::growing;
    return result;
  }
  TRY_ASSIGN(const bool at_large, fill_at_large(scratch_, state));
  if (at_large) {
    result.kind = Start::Kind::at_large;
    return result;
  }
  const uint64_t limit = state.recallable_bytes();
  const auto bytes_of = [&](const IntervalSet::Interval& part) {
    return std::min(part.end * state.chunk_bytes, limit) - part.begin * state.chunk_bytes;
  };
  uint64_t bytes = 0;
  for (const auto& part : to_fill) bytes += bytes_of(part);
  if (!capacity_.try_reserve(bytes)) {
    result.kind = Start::Kind::no_room;
    return result;
  }
  Reservation reservation(capacity_, inode, bytes);
  TRY(ensure_object(catalog_, scratch_, state));
  auto join = std::make_shared<Join>();
  join->attempt = attempt;
  join->source = {*path, *version};
  std::vector<Stretch> pieces;
  for (const auto& part : to_fill) {
    for (const Stretch& stretch : stretches(state, part)) pieces.push_back(stretch);
  }
  join->left = pieces.size();
  for (const Stretch& piece : pieces) {
    auto fill = std::make_shared<Fill>();
    fill->inode = inode;
    fill->reason = attempt.reason;
    fill->chunks = piece.chunks;
    fill->expected = *version;
    TRY_ASSIGN(fill->object, scratch_.open_object(inode, O_RDWR));
    if (piece.has_dirty) {
      TRY_ASSIGN(fill->memory, file_in_memory());
      TRY(posix::truncate_fd(fill->memory.get(), state.size_bytes()));
    }
    fill->request = FillRequest{
        *path,
        *version,
        piece.has_dirty ? fill->memory.get() : fill->object.get(),
        {piece.chunks.begin * state.chunk_bytes,
         std::min(piece.chunks.end * state.chunk_bytes, version->attributes.size_bytes)},
        limit,
        state.chunk_bytes};
    fill->reserved_bytes = bytes_of(piece.chunks);
    fill->join = join;
    result.fills.push_back(std::move(fill));
  }
  TRY(fill_begins(scratch_, state));
  for (const auto& part : to_fill) state.filling.add(part.begin, part.end);
  reservation.hand_on();
  result.kind = Start::Kind::filling;
  return result;
}

void Mover::bring(InodeNumber inode, ByteRange range, Reason reason, Done done) {
  begin({inode, range, reason, std::move(done), SteadyClock::now() + kMotionLimit});
}

void Mover::begin(const Attempt& attempt) {
  auto started = start(attempt);
  if (!started) return attempt.done(recall_error(started.error(), attempt.inode));
  switch (started->kind) {
    case Start::Kind::resident:
      return attempt.done(Brought{});
    case Start::Kind::waiting:
      return;
    case Start::Kind::no_room:
      if (attempt.reason == Reason::recall) return bring_unkept(attempt);
      return attempt.done(
          Error(std::errc::no_space_on_device,
                "scratch is full: evict or unpin something, or wait for publishes"));
    case Start::Kind::growing:
      if (attempt.reason == Reason::recall) return bring_unkept(attempt);
      return attempt.done(
          Error(std::errc::resource_unavailable_try_again,
                "it is still being written in the archive: try again when it is complete"));
    case Start::Kind::at_large:
      if (attempt.reason == Reason::recall) return bring_unkept(attempt);
      return attempt.done(Error(std::errc::resource_unavailable_try_again,
                                "an earlier copy of it has not ended: try again later"));
    case Start::Kind::filling:
      break;
  }
  for (const auto& fill : started->fills) {
    fault_point(FaultPoint::prefetch_before_fill);
    archive_.fill(fill->request, [this, fill](Result<FillResult> result) {
      post([this, fill, result = std::move(result)]() mutable { copied(fill, std::move(result)); });
    });
    if (!fill->memory) fill->object.reset();
  }
}

// The chunks that the range needs go to a file in memory that lives as long as the answer.
void Mover::bring_unkept(const Attempt& attempt) {
  const InodeNumber inode = attempt.inode;
  const ByteRange range = attempt.range;
  auto request = [&]() -> Result<std::pair<FillRequest, std::shared_ptr<UniqueFd>>> {
    TRY_ASSIGN(const InodeLock lock, inodes_.lock_existing(inode));
    TRY_ASSIGN(const auto version, catalog_.version(inode));
    TRY_ASSIGN(const auto path, catalog_.base_path(inode));
    if (!version || !path)
      return Error(std::errc::io_error, "the archive has no version on record");
    TRY_ASSIGN(UniqueFd file, file_in_memory());
    const auto memory = std::make_shared<UniqueFd>(std::move(file));
    const uint64_t chunk = lock->chunk_bytes;
    const ByteRange whole{
        range.begin / chunk * chunk,
        std::min((range.end + chunk - 1) / chunk * chunk, version->attributes.size_bytes)};
    TRY(posix::truncate_fd(memory->get(), lock->size_bytes()));
    // Resident and dirty bytes of the range are newer than the archive's: they are laid over them
    // when the copy is there.
    return std::pair(
        FillRequest{*path, *version, memory->get(), whole, lock->recallable_bytes(), chunk},
        memory);
  }();
  if (!request) return attempt.done(recall_error(request.error(), inode));
  const Source source{request->first.path, request->first.expected};
  archive_.fill(request->first, [=, this, memory = request->second](Result<FillResult> result) {
    post([=, this, result = std::move(result)] {
      if (!result) {
        const Error error = recall_error(result.error(), inode);
        if (is_conflict(result.error())) return not_there(attempt, source, error);
        return attempt.done(error);
      }
      if (auto laid = overlay_resident(inode, range, memory->get(), request->first, *result); !laid)
        return attempt.done(laid.error());
      metrics().unkept_recall_bytes.add(result->copied_bytes);
      attempt.done(Brought{memory, result->copied_bytes});
    });
  });
}

Result<void> Mover::overlay_resident(InodeNumber inode, ByteRange range, int memory_fd,
                                     const FillRequest& request, const FillResult& filled) {
  TRY_ASSIGN(const InodeLock lock, inodes_.lock_existing(inode));
  InodeState& state = *lock;
  TRY_ASSIGN(const auto version, catalog_.version(inode));
  if (version && version->same_content(request.expected))
    TRY(compare(state, request, filled.checksums));
  if (!state.rec().has_object) return {};
  TRY_ASSIGN(const UniqueFd object, scratch_.open_object(inode, O_RDONLY));
  std::vector<std::byte> buffer(state.chunk_bytes);
  IntervalSet present;
  present.add(range.begin, range.end);
  for (const auto& gap : state.absent_chunks(range))
    present.remove(gap.begin * state.chunk_bytes, gap.end * state.chunk_bytes);
  for (const auto& part : state.dirty.present(range.begin, range.end))
    present.add(part.begin, part.end);
  for (const auto& part : present.intervals()) {
    for (uint64_t at = part.begin; at < part.end; at += buffer.size()) {
      const std::span piece(buffer.data(), std::min<uint64_t>(buffer.size(), part.end - at));
      TRY_ASSIGN(const size_t n, posix::read_at(object.get(), piece, at));
      TRY(posix::write_all_at(memory_fd, piece.first(n), at));
    }
  }
  return {};
}

Result<void> Mover::lay_around_dirty(const InodeState& inode, const Fill& fill) const {
  std::vector<std::byte> buffer(inode.chunk_bytes);
  const ByteRange range = fill.request.range;
  for (const auto& part : inode.dirty.missing(range.begin, range.end)) {
    const uint64_t end = std::min(part.end, fill.request.limit_bytes);
    for (uint64_t at = part.begin; at < end; at += buffer.size()) {
      const std::span piece(buffer.data(), std::min<uint64_t>(buffer.size(), end - at));
      TRY_ASSIGN(const size_t n, posix::read_at(fill.memory.get(), piece, at));
      TRY(posix::write_all_at(fill.object.get(), piece.first(n), at));
    }
  }
  return {};
}

// What was published, or brought before, of this version had these checksums. The archive's disk
// may have changed it since.
Result<void> Mover::compare(const InodeState& inode, const FillRequest& request,
                            const std::vector<Checksum>& checksums) {
  std::optional<ChecksumGroup> group;
  for (size_t i = 0; i < checksums.size(); ++i) {
    const uint64_t chunk = request.range.begin / request.chunk_bytes + i;
    if (i == 0 || chunk % kChecksumsPerRecord == 0) {
      TRY_ASSIGN(group, catalog_.checksums(inode.number, chunk / kChecksumsPerRecord));
    }
    if (!group || !is_whole(request, chunk)) continue;
    const auto& on_record = group->chunks[chunk % kChecksumsPerRecord];
    if (!on_record || *on_record == checksums[i]) continue;
    return damaged_copy(std::errc::io_error, request.path, chunk);
  }
  return {};
}

Result<void> Mover::commit_fill(InodeState& inode, const Fill& fill, const FillResult& result) {
  TRY_ASSIGN(const auto version, catalog_.version(fill.inode));
  if (!inode.record || !version || !version->same_content(fill.expected)) {
    return Error(conflict_code(), "the archive's version changed while it was copied");
  }
  if (result.checksums.size() != fill.chunks.end - fill.chunks.begin) {
    return Error(std::errc::io_error, "the archive answered with another number of chunks");
  }
  TRY(compare(inode, fill.request, result.checksums));
  if (fill.memory) TRY(lay_around_dirty(inode, fill));
  IntervalSet clean = inode.clean;
  Batch batch;
  batch.change_ranges(fill.inode, RangeKind::clean, clean.add(fill.chunks.begin, fill.chunks.end));
  for (uint64_t chunk = fill.chunks.begin; chunk < fill.chunks.end;) {
    const uint64_t group = chunk / kChecksumsPerRecord;
    TRY_ASSIGN(auto checksums, catalog_.checksums(fill.inode, group));
    if (!checksums) checksums.emplace();
    for (; chunk < fill.chunks.end && chunk / kChecksumsPerRecord == group; ++chunk) {
      if (is_whole(fill.request, chunk))
        checksums->chunks[chunk % kChecksumsPerRecord] =
            result.checksums[chunk - fill.chunks.begin];
    }
    batch.put_checksums(fill.inode, group, *checksums);
  }
  batch.put_unsynced(scratch_.epoch(), fill.inode);
  fault_point(FaultPoint::prefetch_after_fill);
  TRY(catalog_.commit(batch));
  fault_point(FaultPoint::prefetch_after_commit);
  if (fill.reason == Reason::recall) fault_point(FaultPoint::recall_after_commit);
  inode.clean = std::move(clean);
  return {};
}

// Scratch that cannot be written is no reason to refuse a reader; who prefetches may wait for room.
void Mover::failed(Join& join) {
  const Attempt& attempt = join.attempt;
  const Error error = recall_error(*join.error, attempt.inode);
  if (is_conflict(error)) return not_there(attempt, join.source, error);
  if (!is_scratch_error(error)) return attempt.done(error);
  if (capacity_.wake_evictor) capacity_.wake_evictor();
  if (attempt.reason == Reason::recall) return bring_unkept(attempt);
  attempt.done(Error(std::errc::no_space_on_device, error.text()));
}

// Between an act of the journal and its commit the archive is newer than the record: the file, or a
// folder above it, has another name, other times, or new content. The intents say so, or the
// inode's own key. They are read first: whatever they no longer tell is on record by then.
Result<Mover::Motion> Mover::own_change(InodeNumber inode, const Source& source) const {
  TRY_ASSIGN(const auto intents, catalog_.intents());
  TRY_ASSIGN(const auto key, catalog_.journal_record(JournalKey::of_inode(inode)));
  TRY_ASSIGN(const auto version, catalog_.version(inode));
  TRY_ASSIGN(const auto path, catalog_.base_path(inode));
  if (!version || !path) return Motion::none;
  if (*path != source.path || !is_on_record(*version, source.version)) return Motion::ended;
  const bool under_way = !intents.empty() || (key && key->parked_reason.empty());
  return under_way ? Motion::under_way : Motion::none;
}

void Mover::not_there(const Attempt& attempt, const Source& source, const Error& error) {
  const auto motion = own_change(attempt.inode, source);
  const auto now = SteadyClock::now();
  if (!motion || *motion == Motion::none || now > attempt.until) {
    if (version_changed) version_changed(attempt.inode);
    return attempt.done(error);
  }
  const auto due = *motion == Motion::ended ? now : now + kMotionPause;
  const std::lock_guard lock(mutex_);
  delayed_.emplace(
      due, Delayed{[this, attempt] { begin(attempt); }, [attempt, error] { attempt.done(error); }});
  work_arrived_.notify_one();
}

void Mover::copied(std::shared_ptr<Fill> fill, Result<FillResult> result) {
  std::optional<Error> error;
  std::vector<std::function<void()>> waiters;
  if (auto lock = inodes_.lock(fill->inode)) {
    InodeState& state = **lock;
    if (result) {
      if (auto committed = commit_fill(state, *fill, *result); !committed)
        error = committed.error();
    } else {
      error = result.error();
      state.lost_fill = true;
    }
    state.filling.remove(fill->chunks.begin, fill->chunks.end);
    fill_ended(scratch_, state);
    waiters = std::exchange(state.filling_waiters, {});
  } else {
    error = lock.error();
  }
  // Whoever hears of the end may test that nobody writes to the object any more.
  fill->object.reset();
  const uint64_t copied_bytes = error ? 0 : result->copied_bytes;
  capacity_.settle(fill->inode, fill->reserved_bytes, copied_bytes);
  if (fill->reason == Reason::prefetch) {
    metrics().prefetch_bytes.add(copied_bytes);
  } else {
    metrics().recall_bytes.add(copied_bytes);
    if (!error) metrics().recall_chunks.add(fill->chunks.end - fill->chunks.begin);
  }
  for (const auto& waiter : waiters) waiter();

  const auto join = std::exchange(fill->join, nullptr);
  std::unique_lock join_lock(join->mutex);
  join->copied_bytes += copied_bytes;
  if (error && !join->error) join->error = error;
  if (--join->left > 0) return;
  join_lock.unlock();
  if (join->error) return failed(*join);
  join->attempt.done(Brought{nullptr, join->copied_bytes});
}

Result<void> Mover::forget_epochs(uint64_t after_epoch, uint64_t last_epoch) {
  TRY_ASSIGN(const auto entries, catalog_.unsynced());
  Batch batch;
  for (const auto& [epoch, inode] : entries) {
    if (epoch > after_epoch && epoch <= last_epoch) batch.erase_unsynced(epoch, inode);
  }
  if (batch.empty()) return {};
  return catalog_.commit(batch);
}

}  // namespace tierhub
