#include "migrator/fill/mover.h"

#include <algorithm>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>

#include "common/fault_points.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/posix.h"
#include "migrator/base/damage.h"
#include "storage/scratch/object_state.h"

namespace tierhub {
namespace {

// The publisher's acts and their commit are a matter of milliseconds, of seconds on a slow archive.
constexpr std::chrono::seconds kMotionLimit{30};
constexpr std::chrono::milliseconds kMotionPause{20};
// A reader does not wait for this much more than it asked for.
constexpr uint64_t kWorthAnsweringFirstBytes = 256 << 10;
// A fill of less reserves it whether it is data or not.
constexpr uint64_t kWorthMeasuringBytes = 256 << 10;
// What is brought ahead comes in pieces of about this size: who comes to one waits for it alone.
constexpr uint64_t kAheadPieceBytes = 4 << 20;

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
  Mutex mutex;
  size_t left GUARDED_BY(mutex) = 0;
  uint64_t copied_bytes GUARDED_BY(mutex) = 0;
  std::optional<Error> error GUARDED_BY(mutex);
};

struct Mover::Fill {
  InodeNumber inode;
  RecallReason reason = RecallReason::sequential;
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

uint64_t bytes_of(const InodeState& inode, IntervalSet::Interval chunks) {
  return std::min(chunks.end * inode.chunk_bytes, inode.recallable_bytes()) -
         chunks.begin * inode.chunk_bytes;
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

Mover::Mover(InodeTable& inodes, const Scratch& scratch, Archive& archive, Capacity& capacity,
             const Options& options)
    : inodes_(inodes),
      catalog_(inodes.catalog()),
      scratch_(scratch),
      archive_(archive),
      capacity_(capacity),
      options_(options),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

void Mover::stop() {
  thread_.request_stop();
  work_arrived_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Mover::post(std::function<void()> work) {
  MutexLock lock(mutex_);
  work_.push_back(std::move(work));
  work_arrived_.notify_one();
}

void Mover::begin_nothing_more() {
  MutexLock lock(mutex_);
  begins_nothing_ = true;
  work_ended_.wait(mutex_, [this]() REQUIRES(mutex_) { return !working_; });
}

bool Mover::begins_nothing() {
  const MutexLock lock(mutex_);
  return begins_nothing_;
}

// What came in goes before what is due; none: nothing is to be done now.
std::function<void()> Mover::next_work(SteadyClock::time_point now) {
  if (!work_.empty()) {
    auto work = std::move(work_.front());
    work_.pop_front();
    return work;
  }
  if (!delayed_.empty() && (begins_nothing_ || delayed_.begin()->first <= now)) {
    const auto first = delayed_.extract(delayed_.begin());
    return begins_nothing_ ? first.mapped().give_up : first.mapped().retry;
  }
  if (begins_nothing_) return {};
  const auto chunks = behind_.take(now);
  if (!chunks) return {};
  return [this, chunks = *chunks] { fill_behind(chunks); };
}

SteadyClock::time_point Mover::next_due(SteadyClock::time_point now) const {
  auto next = now + kMotionLimit;
  if (!delayed_.empty()) next = std::min(next, delayed_.begin()->first);
  if (const auto behind = behind_.next(); behind && !begins_nothing_)
    next = std::min(next, *behind);
  return next;
}

void Mover::run(const std::stop_token& stop) {
  MutexLock lock(mutex_);
  for (;;) {
    if (stop.stop_requested()) begins_nothing_ = true;
    if (const auto work = next_work(SteadyClock::now())) {
      working_ = true;
      lock.unlock();
      work();
      lock.lock();
      working_ = false;
      work_ended_.notify_all();
    } else if (stop.stop_requested()) {
      return;
    } else {
      const auto now = SteadyClock::now();
      const auto due = next_due(now);
      work_arrived_.wait_until(mutex_, stop, due, [&]() REQUIRES(mutex_) {
        return !work_.empty() || next_due(now) < due;
      });
    }
  }
}

Result<Mover::Start> Mover::start(const Attempt& attempt) {
  const InodeNumber inode = attempt.inode;
  TRY_ASSIGN(const InodeLock lock, inodes_.lock_existing(inode));
  InodeState& state = *lock;
  const auto absent = state.absent_chunks(attempt.range);
  if (absent.empty()) return Start(Start::Kind::resident);
  if (const auto around = answered_first(attempt, state, absent)) {
    Start answer(Start::Kind::answer);
    answer.chunks = *around;
    return answer;
  }
  std::vector<IntervalSet::Interval> to_fill;
  for (const auto& piece : absent) {
    for (const auto& part : state.filling.missing(piece.begin, piece.end)) to_fill.push_back(part);
  }
  if (to_fill.empty()) return wait_for_fills(attempt, state);
  TRY_ASSIGN(const Source source, source_on_record(inode));
  if (growing_for && growing_for(inode, source.version)) return Start(Start::Kind::growing);
  TRY_ASSIGN(const bool at_large, fill_at_large(scratch_, state));
  if (at_large) {
    // Other fills write to the object, too: what is left when they have ended is at large.
    if (attempt.reason == RecallReason::change && !state.filling.empty())
      return wait_for_fills(attempt, state);
    return Start(Start::Kind::at_large);
  }
  uint64_t bytes = 0;
  for (const auto& part : to_fill) bytes += bytes_of(state, part);
  if (is_to_be_measured(attempt, source.version, bytes)) {
    Start measure(Start::Kind::measure);
    const uint64_t chunk = state.chunk_bytes;
    const ByteRange around{
        attempt.range.begin / chunk * chunk,
        std::min((attempt.range.end + chunk - 1) / chunk * chunk, state.recallable_bytes())};
    measure.measure = {source.path, source.version, {around}};
    return measure;
  }
  bytes = std::min(bytes, measured_bytes(attempt, source.version).value_or(bytes));
  const bool writers_first = attempt.reason != RecallReason::change && capacity_.writers_wait();
  if (writers_first || !capacity_.try_reserve(bytes)) return Start(Start::Kind::no_room);
  Reservation reservation(capacity_, inode, bytes);
  TRY(ensure_object(catalog_, scratch_, state));
  Start filling(Start::Kind::filling);
  TRY_ASSIGN(filling.fills, make_fills(attempt, source, state, to_fill, bytes));
  TRY(fill_begins(scratch_, state));
  for (const auto& part : to_fill) state.filling.add(part.begin, part.end);
  reservation.hand_on();
  return filling;
}

// The range around what is absent, if the reader is answered before it is brought.
std::optional<ByteRange> Mover::answered_first(const Attempt& attempt, InodeState& inode,
                                               const std::vector<IntervalSet::Interval>& absent) {
  if (attempt.reason != RecallReason::read) return std::nullopt;
  const ByteRange around{absent.front().begin * inode.chunk_bytes,
                         std::min(absent.back().end * inode.chunk_bytes, inode.recallable_bytes())};
  if (!may_answer_first(inode, attempt.range, around)) return std::nullopt;
  const uint64_t end = std::min(attempt.range.end, around.end);
  if (attempt.range.begin < end) inode.answered_first.add(attempt.range.begin, end);
  return around;
}

// All fills of the file that are under way.
Mover::Start Mover::wait_for_fills(const Attempt& attempt, InodeState& inode) {
  inode.filling_waiters.push_back([this, attempt] { begin(attempt); });
  return Start(Start::Kind::waiting);
}

Result<Mover::Source> Mover::source_on_record(InodeNumber inode) const {
  TRY_ASSIGN(auto version, catalog_.version(inode));
  TRY_ASSIGN(auto path, catalog_.base_path(inode));
  if (!version || !path)
    return Error(std::errc::io_error,
                 fmt::format("the archive has no version of inode {} on record", inode));
  return Source{*std::move(path), *std::move(version)};
}

// One for each stretch of `parts`; together they have `bytes` reserved.
Result<std::vector<std::shared_ptr<Mover::Fill>>> Mover::make_fills(
    const Attempt& attempt, const Source& source, const InodeState& inode,
    const std::vector<IntervalSet::Interval>& parts, uint64_t bytes) const {
  auto join = std::make_shared<Join>();
  join->attempt = attempt;
  join->source = source;
  std::vector<std::shared_ptr<Fill>> fills;
  for (const auto& part : parts) {
    for (const Stretch& stretch : stretches(inode, part)) {
      auto fill = std::make_shared<Fill>();
      fill->inode = attempt.inode;
      fill->reason = attempt.reason;
      fill->chunks = stretch.chunks;
      fill->expected = source.version;
      TRY_ASSIGN(fill->object, scratch_.open_object(attempt.inode, O_RDWR));
      if (stretch.has_dirty) {
        TRY_ASSIGN(fill->memory, file_in_memory());
        TRY(posix::truncate_fd(fill->memory.get(), inode.size_bytes()));
      }
      fill->request = FillRequest{
          source.path,
          source.version,
          stretch.has_dirty ? fill->memory.get() : fill->object.get(),
          {stretch.chunks.begin * inode.chunk_bytes,
           std::min(stretch.chunks.end * inode.chunk_bytes, source.version.attributes.size_bytes)},
          inode.recallable_bytes(),
          inode.chunk_bytes};
      fill->reserved_bytes = std::min(bytes_of(inode, stretch.chunks), bytes);
      bytes -= fill->reserved_bytes;
      fill->join = join;
      fills.push_back(std::move(fill));
    }
  }
  const MutexLock join_lock(join->mutex);
  join->left = fills.size();
  return fills;
}

std::optional<uint64_t> Mover::measured_bytes(const Attempt& attempt,
                                              const ArchiveVersion& version) {
  const auto& measured = attempt.measured;
  if (!measured || !measured->version.same_content(version)) return std::nullopt;
  return measured->bytes;
}

// A large prefetch costs one question more; of anything else only what could evict is asked for.
bool Mover::is_to_be_measured(const Attempt& attempt, const ArchiveVersion& version,
                              uint64_t bytes) const {
  if (measured_bytes(attempt, version)) return false;
  if (attempt.reason == RecallReason::prefetch && bytes > kAheadPieceBytes) return true;
  return bytes >= kWorthMeasuringBytes && capacity_.passes_high_mark(bytes);
}

void Mover::measure_first(const Attempt& attempt, const MeasureRequest& request) {
  archive_.measure(request, [this, attempt, request](Result<uint64_t> bytes) {
    post([this, attempt, request, bytes = std::move(bytes)] {
      if (bytes) {
        Attempt measured = attempt;
        measured.measured = Measured{request.expected, *bytes};
        return begin(measured);
      }
      const Error error = recall_error(bytes.error(), attempt.inode);
      if (is_conflict(error)) return not_there(attempt, {request.path, request.expected}, error);
      attempt.done(error);
    });
  });
}

void Mover::measure(InodeNumber inode, std::vector<ByteRange> ranges,
                    std::function<void(Result<uint64_t>)> done) {
  const auto request = [&]() -> Result<MeasureRequest> {
    if (begins_nothing()) return Error(std::errc::operation_canceled, "tierd is stopping");
    TRY_ASSIGN(const Source source, source_on_record(inode));
    return MeasureRequest{source.path, source.version, std::move(ranges)};
  }();
  if (!request) return done(request.error());
  archive_.measure(*request, std::move(done));
}

void Mover::bring(InodeNumber inode, ByteRange range, RecallReason reason, Done done) {
  begin({inode, range, reason, std::move(done), SteadyClock::now() + kMotionLimit});
}

void Mover::read_ahead(InodeNumber inode, uint64_t from_bytes, uint64_t stream_bytes) {
  std::vector<ByteRange> pieces;
  if (const auto lock = inodes_.lock_existing(inode)) {
    const InodeState& state = **lock;
    const uint64_t chunk = state.chunk_bytes;
    const uint64_t step = std::max<uint64_t>(1, kAheadPieceBytes / chunk);
    const uint64_t end =
        from_bytes + std::min(std::max(stream_bytes, chunk), options_.read_ahead_bytes);
    for (const auto& absent : state.absent_chunks({from_bytes, end})) {
      for (const auto& part : state.filling.missing(absent.begin, absent.end)) {
        for (uint64_t at = part.begin; at < part.end; at += step)
          pieces.push_back({at * chunk, std::min(part.end, at + step) * chunk});
      }
    }
  }
  for (const ByteRange& piece : pieces) {
    // Nobody asked for it yet: nothing is evicted for it.
    if (!capacity_.has_room(piece.size())) return;
    begin({inode, piece, RecallReason::ahead, [](const Result<Recalled>&) {},
           SteadyClock::now() + kMotionLimit});
  }
}

// `chunks` are those around `range`, up to the end of what may have to come.
bool Mover::may_answer_first(const InodeState& inode, ByteRange range, ByteRange chunks) {
  if (!options_.answer_first || chunks.size() < range.size() + kWorthAnsweringFirstBytes)
    return false;
  if (inode.answered_first.intersects(range.begin, range.end)) return false;
  const uint64_t chunk = inode.chunk_bytes;
  if (inode.damaged.intersects(chunks.begin / chunk, (chunks.end + chunk - 1) / chunk))
    return false;
  if (!capacity_.has_room(chunks.size())) return false;
  const MutexLock lock(mutex_);
  return behind_.can_answer();
}

void Mover::answer_first(const Attempt& attempt, ByteRange chunks) {
  Attempt counted = attempt;
  counted.done = [this, done = attempt.done](Result<Recalled> brought) {
    {
      const MutexLock lock(mutex_);
      behind_.answer_ended(SteadyClock::now());
      work_arrived_.notify_one();
    }
    done(std::move(brought));
  };
  {
    const MutexLock lock(mutex_);
    behind_.answer_begins();
  }
  bring_unkept(counted, Extent::bytes, metrics().answered_first_bytes);
  const MutexLock lock(mutex_);
  behind_.add({attempt.inode, chunks}, SteadyClock::now());
  work_arrived_.notify_one();
}

Mover::Growing Mover::still_growing(InodeNumber inode) const {
  if (!growing_for) return std::nullopt;
  const auto version = catalog_.version(inode);
  if (!version || !*version) return std::nullopt;
  return growing_for(inode, **version);
}

// Whether it is kept or not: the next reader of these bytes may be answered first again, or finds
// them.
void Mover::fill_behind(const FillsBehind::Chunks& chunks) {
  const auto ended = [this, chunks](const Result<Recalled>&) {
    if (const auto lock = inodes_.lock(chunks.inode))
      (*lock)->answered_first.remove(chunks.range.begin, chunks.range.end);
    const MutexLock lock(mutex_);
    behind_.ended();
    work_arrived_.notify_one();
  };
  begin(
      {chunks.inode, chunks.range, RecallReason::ahead, ended, SteadyClock::now() + kMotionLimit});
}

void Mover::begin(const Attempt& attempt) {
  if (begins_nothing())
    return attempt.done(Error(std::errc::operation_canceled, "tierd is stopping"));
  auto started = start(attempt);
  if (!started) return attempt.done(recall_error(started.error(), attempt.inode));
  switch (started->kind) {
    case Start::Kind::resident:
      return attempt.done(Recalled{});
    case Start::Kind::waiting:
      return;
    case Start::Kind::answer:
      return answer_first(attempt, started->chunks);
    case Start::Kind::no_room:
      if (reads(attempt.reason))
        return bring_unkept(attempt, Extent::chunks, metrics().unkept_recall_bytes);
      return attempt.done(
          Error(std::errc::no_space_on_device,
                "scratch is full: evict or unpin something, or wait for publishes"));
    case Start::Kind::growing:
      if (reads(attempt.reason))
        return bring_unkept(attempt, Extent::bytes, metrics().growing_recall_bytes);
      return attempt.done(
          Error(attempt.reason == RecallReason::change ? std::errc::device_or_resource_busy
                                                       : std::errc::resource_unavailable_try_again,
                "it is still being written in the archive: try again when it is complete"));
    case Start::Kind::at_large:
      if (reads(attempt.reason))
        return bring_unkept(attempt, Extent::chunks, metrics().unkept_recall_bytes);
      if (attempt.reason == RecallReason::change) return attempt.done(error_of_fill_at_large());
      return attempt.done(Error(std::errc::operation_in_progress,
                                "an earlier copy of it has not finished: try again later"));
    case Start::Kind::measure:
      return measure_first(attempt, started->measure);
    case Start::Kind::filling:
      break;
  }
  for (const auto& fill : started->fills) {
    fault_point(FaultPoint::prefetch_before_fill);
    archive_.fill(fill->request, [this, fill](Result<FillResult> result) {
      post([this, fill, result = std::move(result)]() mutable { copied(fill, std::move(result)); });
    });
  }
}

// What is needed goes to a file in memory that lives as long as the answer.
void Mover::bring_unkept(const Attempt& attempt, Extent extent, Counter& counter) {
  const InodeNumber inode = attempt.inode;
  const ByteRange range = attempt.range;
  auto request = [&]() -> Result<std::pair<FillRequest, std::shared_ptr<UniqueFd>>> {
    TRY_ASSIGN(const InodeLock lock, inodes_.lock_existing(inode));
    TRY_ASSIGN(const Source source, source_on_record(inode));
    TRY_ASSIGN(UniqueFd file, file_in_memory());
    const auto memory = std::make_shared<UniqueFd>(std::move(file));
    // Who writes through the daemon may have made it longer than the record says.
    TRY(posix::truncate_fd(memory->get(), std::max(lock->size_bytes(), range.end)));
    // Resident and dirty bytes of the range are newer than the archive's: they are laid over them
    // when the copy is there.
    FillRequest fill{source.path, source.version,           memory->get(),
                     range,       lock->recallable_bytes(), 0};
    const uint64_t chunk = lock->chunk_bytes;
    switch (extent) {
      case Extent::bytes:
        fill.purpose = FillPurpose::answer;
        fill.chunk_bytes = range.size();
        break;
      case Extent::chunks:
        fill.chunk_bytes = chunk;
        fill.range = {range.begin / chunk * chunk, std::min((range.end + chunk - 1) / chunk * chunk,
                                                            source.version.attributes.size_bytes)};
        break;
    }
    return std::pair(fill, memory);
  }();
  if (!request) return attempt.done(recall_error(request.error(), inode));
  const Source source{request->first.path, request->first.expected};
  archive_.fill(
      request->first, [=, this, &counter, memory = request->second](Result<FillResult> result) {
        post([=, this, &counter, result = std::move(result)] {
          if (!result) {
            const Error error = recall_error(result.error(), inode);
            if (is_conflict(result.error())) return not_there(attempt, source, error);
            return attempt.done(error);
          }
          const auto laid = overlay_resident(inode, range, memory->get(), request->first, *result);
          if (!laid) return attempt.done(laid.error());
          if (!*laid) return again(attempt);
          counter.add(result->copied_bytes);
          attempt.done(Recalled{memory, result->copied_bytes});
        });
      });
}

// What was copied had lost its meaning when it was there: the file was cut, or has another version.
void Mover::again(const Attempt& attempt) {
  if (SteadyClock::now() <= attempt.until) return begin(attempt);
  attempt.done(recall_error(
      Error(std::errc::io_error, "the file was changed during every attempt to read it"),
      attempt.inode));
}

Result<bool> Mover::overlay_resident(InodeNumber inode, ByteRange range, int memory_fd,
                                     const FillRequest& request, const FillResult& filled) {
  TRY_ASSIGN(const InodeLock lock, inodes_.lock_existing(inode));
  InodeState& state = *lock;
  TRY_ASSIGN(const auto version, catalog_.version(inode));
  // The limit only falls while a version stands. What was copied beyond it is no content any more.
  if (!version || !version->same_content(request.expected) ||
      state.recallable_bytes() != request.limit_bytes)
    return false;
  TRY(compare(state, request, filled.checksums));
  if (!state.rec().has_object) return true;
  IntervalSet present;
  present.add(range.begin, range.end);
  for (const auto& gap : state.absent_chunks(range))
    present.remove(gap.begin * state.chunk_bytes, gap.end * state.chunk_bytes);
  for (const auto& part : state.dirty.present(range.begin, range.end))
    present.add(part.begin, part.end);
  if (present.empty()) return true;
  TRY_ASSIGN(const UniqueFd object, scratch_.open_object(inode, O_RDONLY));
  std::vector<std::byte> buffer(std::min(state.chunk_bytes, range.size()));
  for (const auto& part : present.intervals()) {
    for (uint64_t at = part.begin; at < part.end; at += buffer.size()) {
      const std::span piece(buffer.data(), std::min<uint64_t>(buffer.size(), part.end - at));
      TRY_ASSIGN(const size_t n, posix::read_at(object.get(), piece, at));
      TRY(posix::write_all_at(memory_fd, piece.first(n), at));
    }
  }
  return true;
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
Result<void> Mover::compare(InodeState& inode, const FillRequest& request,
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
    inode.damaged.add(chunk, chunk + 1);
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
    return Error(std::errc::io_error, "the archive returned a different number of chunks");
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
  if (fill.reason != RecallReason::prefetch) fault_point(FaultPoint::recall_after_commit);
  inode.clean = std::move(clean);
  inode.damaged.remove(fill.chunks.begin, fill.chunks.end);
  return {};
}

// Scratch that cannot be written is no reason to refuse a reader; who prefetches may wait for room.
void Mover::failed(const Join& join, const Error& reason) {
  const Attempt& attempt = join.attempt;
  const Error error = recall_error(reason, attempt.inode);
  if (is_conflict(error)) return not_there(attempt, join.source, error);
  if (!is_scratch_error(error)) return attempt.done(error);
  if (capacity_.wake_evictor) capacity_.wake_evictor();
  if (reads(attempt.reason))
    return bring_unkept(attempt, Extent::chunks, metrics().unkept_recall_bytes);
  attempt.done(Error(std::errc::no_space_on_device, error.text()));
}

// Between an act of the publisher and its commit the archive is newer than the record: the file, or a
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
  const MutexLock lock(mutex_);
  delayed_.emplace(
      due, Delayed{[this, attempt] { begin(attempt); }, [attempt, error] { attempt.done(error); }});
  work_arrived_.notify_one();
}

void Mover::copied(std::shared_ptr<Fill> fill, Result<FillResult> result) {
  std::optional<Error> error;
  bool differs = false;
  std::vector<std::function<void()>> waiters;
  if (auto lock = inodes_.lock(fill->inode)) {
    InodeState& state = **lock;
    if (result) {
      if (auto committed = commit_fill(state, *fill, *result); !committed)
        error = committed.error();
      differs = state.damaged.intersects(fill->chunks.begin, fill->chunks.end);
    } else {
      error = result.error();
      state.lost_fill = true;
    }
    // Whoever sees no fill any more may test that nobody writes to the object.
    fill->object.reset();
    state.filling.remove(fill->chunks.begin, fill->chunks.end);
    fill_ended(scratch_, state);
    state.answered_first.remove(fill->chunks.begin * state.chunk_bytes,
                                fill->chunks.end * state.chunk_bytes);
    waiters = std::exchange(state.filling_waiters, {});
  } else {
    error = lock.error();
  }
  const uint64_t copied_bytes = error ? 0 : result->copied_bytes;
  capacity_.settle(fill->inode, fill->reserved_bytes, copied_bytes);
  if (fill->reason == RecallReason::prefetch) {
    metrics().prefetch_bytes.add(copied_bytes);
  } else {
    metrics().recall_bytes.add(copied_bytes);
    if (!error) metrics().recall_chunks.add(fill->chunks.end - fill->chunks.begin);
  }
  for (const auto& waiter : waiters) waiter();
  if (differs && content_differs) content_differs(fill->inode);

  const auto join = std::exchange(fill->join, nullptr);
  MutexLock join_lock(join->mutex);
  join->copied_bytes += copied_bytes;
  if (error && !join->error) join->error = error;
  if (--join->left > 0) return;
  const std::optional<Error> first_error = join->error;
  const uint64_t all_bytes = join->copied_bytes;
  join_lock.unlock();
  if (first_error) return failed(*join, *first_error);
  join->attempt.done(Recalled{nullptr, all_bytes});
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
