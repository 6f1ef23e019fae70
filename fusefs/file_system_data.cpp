// Open files: how an inode is served, reads and recalls, writes, truncation.
#include <algorithm>

#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/stat.h>
#include <unistd.h>

#include "catalog/heat.h"
#include "common/fault_points.h"
#include "common/log.h"
#include "common/posix.h"
#include "fusefs/file_system.h"
#include "storage/scratch/object_state.h"

namespace tierhub {
namespace {

// A read whose chunks are evicted again and again between recall and answer gives up.
constexpr int kRecallTries = 8;

// Who has read more than this on end reads from front to back.
constexpr uint64_t kStreamBytes = 1 << 20;

// Where chunks may be absent, a hole in the object is no content: after power loss it means that
// dirty bytes never arrived. So these zeros are written.
Result<void> write_zeros(int object_fd, int mode, ByteRange range) {
  constexpr uint64_t kPieceBytes = 1 << 20;
  TRY_ASSIGN(const auto st, posix::stat_fd(object_fd));
  const auto size_bytes = static_cast<uint64_t>(st.st_size);
  const bool keeps_size = (mode & FALLOC_FL_KEEP_SIZE) != 0;
  const uint64_t end = keeps_size ? std::min(range.end, size_bytes) : range.end;
  const std::vector<std::byte> zeros(
      std::min(kPieceBytes, end > range.begin ? end - range.begin : 0));
  for (uint64_t at = range.begin; at < end; at += zeros.size())
    TRY(posix::write_all_at(object_fd, std::span(zeros).first(std::min(zeros.size(), end - at)),
                            at));
  return {};
}

}  // namespace

// Passthrough is for whole resident files, and an inode keeps its mode until the last handle is
// released: the kernel refuses a passthrough open beside another one.
ServeMode FileSystem::choose_mode(const InodeState& inode, FileHandle handle) const {
  if (inode.handles > 0) return inode.serve_mode;
  const bool possible =
      channel_ != nullptr && channel_->passthrough() && scratch_.has_object_leases();
  if (!possible || !inode.all_present() || !inode.filling.empty()) return ServeMode::daemon;
  if (handle.writable && !hooks_.room_for_passthrough_writers()) return ServeMode::daemon;
  return ServeMode::passthrough;
}

Result<Opened> FileSystem::add_handle(InodeState& inode, FileHandle handle, ServeMode mode,
                                      UniqueFd object) {
  if (mode == ServeMode::passthrough && inode.backing_id == 0) {
    TRY(ensure_object(catalog_, scratch_, inode));
    // Read-only on purpose: a writable one would count as a writer in every lease test.
    if (!object) {
      TRY_ASSIGN(object, scratch_.open_object(inode.number, O_RDONLY));
    }
    auto backing = channel_->open_backing(object.get());
    if (backing) {
      inode.backing_id = *backing;
    } else {
      log::warning("passthrough refused, serving the file through tierd",
                   {{"inode", inode.number}, {"error", backing.error().text()}});
      mode = ServeMode::daemon;
    }
  }
  inode.serve_mode = mode;
  ++inode.handles;
  if (handle.writable) ++inode.writable_handles;
  return Opened{handle, mode, mode == ServeMode::passthrough ? inode.backing_id : 0};
}

// Opening by passthrough is a use: what is read then is not seen. Through the daemon it counts how
// much was read.
void FileSystem::note_use(InodeState& inode, double uses) {
  const Timestamp now = Timestamp::now();
  if (uses <= 0 || now.ns - inode.use_recorded.ns < kOneUse_ns) return;
  const auto heat = catalog_.heat(inode.number);
  if (!heat) return;
  Batch batch;
  batch.put_heat(inode.number, warmed(*heat, now, uses));
  if (auto committed = catalog_.commit(batch); !committed) return;
  inode.use_recorded = now;
  inode.read_bytes = 0;
}

bool FileSystem::wait_for_fills(InodeState& inode, std::function<void()> retry) {
  if (inode.filling.empty()) return false;
  inode.filling_waiters.push_back(std::move(retry));
  return true;
}

// Why the archive gave nothing is in the log; to a program it is a disk that fails. Without room it is
// scratch that is full.
void FileSystem::recall(InodeNumber inode, ByteRange range, RecallReason reason,
                        Done<Recalled> done) {
  hooks_.recall(inode, range, reason, [done = std::move(done)](Result<Recalled> recalled) {
    const bool archive_failed = !recalled && is_archive_wide(recalled.error()) &&
                                !recalled.error().is(std::errc::no_space_on_device);
    if (archive_failed) return done(Error(std::errc::io_error, recalled.error().text()));
    done(std::move(recalled));
  });
}

// O_TRUNC may be what makes room.
void FileSystem::open(InodeNumber inode, int flags, Done<Opened> done, RequestNumber request) {
  const bool writable = (flags & O_ACCMODE) != O_RDONLY && (flags & O_TRUNC) == 0;
  if (!writable || !hooks_.writers_wait()) return open_now(inode, flags, std::move(done));
  constexpr uint64_t kOneWriteBytes = 1 << 20;
  hooks_.wait_for_room(kOneWriteBytes, request, [=, this](Result<void> room) {
    if (room) hooks_.settle(inode, kOneWriteBytes, 0);
    if (!room && room.error().is(std::errc::interrupted)) return done(room.error());
    open_now(inode, flags, done);
  });
}

void FileSystem::open_now(InodeNumber inode, int flags, Done<Opened> done) {
  auto opened = [&]() -> Result<std::optional<Opened>> {
    TRY_ASSIGN(const InodeLock lock, inodes_.lock_existing(inode));
    InodeState& state = *lock;
    if (!state.is_file()) return Error(std::errc::invalid_argument, "not a regular file");
    const FileHandle handle{(flags & O_ACCMODE) != O_RDONLY, (flags & (O_SYNC | O_DSYNC)) != 0};
    const bool truncates = (flags & O_TRUNC) != 0;
    if (truncates && wait_for_fills(state, [=, this] { open_now(inode, flags, done); }))
      return std::optional<Opened>();
    if (truncates && state.handles == 0) {
      // Cut first: the empty file is whole, so the kernel may serve it.
      TRY(grant_writing(state, ServeMode::daemon));
      TRY(truncate(state, 0));
    }
    const ServeMode mode = choose_mode(state, handle);
    // O_TRUNC cuts the file whether or not the descriptor may write.
    if (handle.writable || (truncates && state.handles > 0)) TRY(grant_writing(state, mode));
    if (truncates && state.handles > 0) TRY(truncate(state, 0));
    if (handle.writable && handle.sync) TRY(catalog_.sync());
    TRY_ASSIGN(Opened result, add_handle(state, handle, mode));
    if (result.mode == ServeMode::passthrough) note_use(state, 1);
    return std::optional<Opened>(result);
  }();
  if (!opened) return done(opened.error());
  if (opened->has_value()) done(**opened);
}

void FileSystem::release(InodeNumber inode, FileHandle handle) {
  bool written = false;
  bool unnamed = false;
  {
    auto lock = inodes_.lock(inode);
    if (!lock) {
      log::error("released an inode that cannot be read",
                 {{"inode", inode}, {"error", lock.error().text()}});
      return;
    }
    InodeState& state = **lock;
    if (handle.writable) --state.writable_handles;
    if (--state.handles > 0) return;
    if (state.read_bytes > 0 && state.record)
      note_use(state, use_of(state.read_bytes, state.size_bytes()));
    if (state.backing_id != 0) channel_->close_backing(state.backing_id);
    state.backing_id = 0;
    state.serve_mode = ServeMode::none;
    state.read_fd.reset();
    state.write_fd.reset();
    written = state.record && state.rec().writing;
    unnamed = state.record && state.rec().nlink == 0;
  }
  if (written) hooks_.closed(inode);
  if (unnamed) hooks_.unnamed(inode);
}

void FileSystem::read(InodeNumber inode, uint64_t offset_bytes, uint64_t size_bytes,
                      Done<ReadAnswer> done) {
  read_tried(inode, offset_bytes, size_bytes, std::move(done), 0);
}

// 1. What is resident is answered from the object. 2. Else the bytes are recalled, or the chunks of
// a file that is read from front to back, and unless they came before their chunk the read is tried
// again: chunks may have been evicted in between, but not while this inode has a handle. 3. Ahead
// of who reads from front to back, chunks are brought before they are asked for.
void FileSystem::read_tried(InodeNumber inode, uint64_t offset_bytes, uint64_t size_bytes,
                            Done<ReadAnswer> done, int tries) {
  ByteRange range{offset_bytes, offset_bytes + size_bytes};
  uint64_t stream_bytes = 0;
  auto answer = [&]() -> Result<std::optional<ReadAnswer>> {
    TRY_ASSIGN(const InodeLock lock, inodes_.lock_existing(inode));
    InodeState& state = *lock;
    TRY_ASSIGN(const Attributes attributes, current_attributes(scratch_, state));
    range.end = std::min(range.end, attributes.size_bytes);
    if (range.empty()) return std::optional(ReadAnswer{});
    if (tries == 0) stream_bytes = state.read_streams.note(range);
    if (!state.absent_chunks(range).empty()) return std::optional<ReadAnswer>();
    state.read_bytes += range.size();
    TRY(ensure_object(catalog_, scratch_, state));
    if (!state.read_fd) {
      TRY_ASSIGN(state.read_fd, scratch_.open_object(inode, O_RDONLY));
    }
    return std::optional(ReadAnswer{state.read_fd.get(), range.begin, range.size(), nullptr});
  }();
  if (!answer) return done(answer.error());
  const bool is_stream = stream_bytes > kStreamBytes;
  if (answer->has_value()) {
    done(**answer);
  } else if (tries == kRecallTries) {
    done(Error(std::errc::io_error, "the data did not stay in scratch long enough to be read"));
  } else {
    const auto reason = is_stream ? RecallReason::sequential : RecallReason::read;
    recall(inode, range, reason, [=, this](Result<Recalled> recalled) {
      if (!recalled) return done(recalled.error());
      if (recalled->unkept) {
        return done(
            ReadAnswer{recalled->unkept->get(), range.begin, range.size(), recalled->unkept});
      }
      read_tried(inode, offset_bytes, size_bytes, done, tries + 1);
    });
  }
  if (is_stream) hooks_.read_ahead(inode, range.end, stream_bytes);
}

Result<void> FileSystem::grant_writing(InodeState& inode, ServeMode mode) {
  TRY(begin_writing(catalog_, scratch_, inode, mode));
  hooks_.writing(inode.number);
  return {};
}

Result<int> FileSystem::writable_fd(InodeState& inode) {
  if (!inode.write_fd) {
    TRY_ASSIGN(inode.write_fd, scratch_.open_object(inode.number, O_RDWR));
  }
  return inode.write_fd.get();
}

// Bytes are marked dirty before they change: a chunk that is still clean always equals the archive.
// Killed in between, the marked bytes are simply published again.
Result<void> FileSystem::mark_dirty(InodeState& inode, ByteRange range) {
  if (range.empty() || inode.rec().content == Content::unknown ||
      inode.dirty.contains(range.begin, range.end))
    return {};
  IntervalSet dirty = inode.dirty;
  Batch batch;
  batch.change_ranges(inode.number, RangeKind::dirty, dirty.add(range.begin, range.end));
  fault_point(FaultPoint::write_before_mark);
  TRY(catalog_.commit(batch));
  fault_point(FaultPoint::write_after_mark);
  inode.dirty = std::move(dirty);
  return {};
}

// All chunks that the write covers in part are present, and room is reserved.
Result<size_t> FileSystem::write_present(InodeState& inode, uint64_t offset_bytes,
                                         WriteSource& source, const FsCaller& caller) {
  constexpr uint32_t kPrivileges = S_ISUID | S_ISGID;
  if (caller.uid != 0 && (inode.rec().attributes.mode & kPrivileges) != 0) {
    AttributeChange clear;
    clear.clear_privileges = true;
    clear.caller = caller;
    TRY(set_attributes(inode, clear));
  }
  TRY(mark_dirty(inode, {offset_bytes, offset_bytes + source.size_bytes()}));
  TRY_ASSIGN(const int fd, writable_fd(inode));
  TRY_ASSIGN(const size_t written, source.copy_to(fd, offset_bytes));
  TRY(note_change(inode, fd));
  fault_point(FaultPoint::write_after_data);
  return written;
}

void FileSystem::write(InodeNumber inode, FileHandle handle, uint64_t offset_bytes,
                       std::shared_ptr<WriteSource> source, const FsCaller& caller,
                       Done<size_t> done) {
  const uint64_t bytes = source->size_bytes();
  if (hooks_.try_reserve(bytes))
    return write_reserved(inode, handle, offset_bytes, source, caller, done);
  if (auto kept = source->detach(); !kept) return done(kept.error());
  hooks_.wait_for_room(bytes, caller.request, [=, this](Result<void> room) {
    if (!room) return done(room.error());
    write_reserved(inode, handle, offset_bytes, source, caller, done);
  });
}

void FileSystem::write_reserved(InodeNumber inode, FileHandle handle, uint64_t offset_bytes,
                                const std::shared_ptr<WriteSource>& source, const FsCaller& caller,
                                const Done<size_t>& done) {
  const ByteRange range{offset_bytes, offset_bytes + source->size_bytes()};
  bool absent = false;
  auto written = [&]() -> Result<size_t> {
    TRY_ASSIGN(const InodeLock lock, inodes_.lock_existing(inode));
    InodeState& state = *lock;
    if (!state.rec().writing) TRY(grant_writing(state, state.serve_mode));
    absent = !state.absent_chunks(range).empty();
    if (absent) return size_t{0};
    return write_present(state, offset_bytes, *source, caller);
  }();
  hooks_.settle(inode, range.size(), written.value_or(0));
  if (!written) return done(written.error());
  if (absent) {
    if (auto kept = source->detach(); !kept) return done(kept.error());
    return bring_and_write(inode, handle, offset_bytes, source, caller, done);
  }
  if (handle.sync) {
    if (auto synced = fsync(inode, SyncKind::data); !synced) return done(synced.error());
  }
  done(*written);
}

// A chunk that is written in part is brought first. It needs room as well: whoever finds none waits
// for some, and asks again.
void FileSystem::bring_and_write(InodeNumber inode, FileHandle handle, uint64_t offset_bytes,
                                 const std::shared_ptr<WriteSource>& source, const FsCaller& caller,
                                 const Done<size_t>& done) {
  const ByteRange range{offset_bytes, offset_bytes + source->size_bytes()};
  const auto try_to_write = [=, this](const Result<Recalled>& recalled) {
    if (recalled) return write(inode, handle, offset_bytes, source, caller, done);
    if (!recalled.error().is(std::errc::no_space_on_device)) return done(recalled.error());
    const uint64_t needed_bytes = range.size() + 2 * catalog_.chunk_bytes();
    hooks_.wait_for_room(needed_bytes, caller.request, [=, this](Result<void> room) {
      if (!room) return done(room.error());
      hooks_.settle(inode, needed_bytes, 0);
      recall(inode, range, RecallReason::change, [=, this](const Result<Recalled>& again) {
        if (!again) return done(again.error());
        write(inode, handle, offset_bytes, source, caller, done);
      });
    });
  };
  recall(inode, range, RecallReason::change, try_to_write);
}

Result<void> FileSystem::truncate(InodeState& inode, uint64_t size_bytes) {
  return truncate_object(catalog_, scratch_, inode, size_bytes);
}

Result<void> FileSystem::fsync(InodeNumber inode, SyncKind) {
  UniqueFd object;
  {
    TRY_ASSIGN(const InodeLock lock, inodes_.lock_existing(inode));
    if (lock->is_file() && lock->rec().has_object) {
      TRY_ASSIGN(object, scratch_.open_object(inode, O_RDONLY));
    }
  }
  // fsync, not fdatasync: while `writing`, the object's mtime is the file's.
  if (object) {
    TRY(check_undamaged(catalog_, inode));
    if (auto synced = posix::sync_fd(object.get()); !synced) {
      TRY_ASSIGN(const InodeLock lock, inodes_.lock_existing(inode));
      return note_damage(catalog_, *lock, synced.error());
    }
  }
  fault_point(FaultPoint::fsync_after_data);
  return catalog_.sync();
}

Result<void> FileSystem::fsync_directory(InodeNumber) { return catalog_.sync(); }

// The bytes of the file that are others afterwards. Room alone changes none: what is absent stays
// the archive's.
Result<ByteRange> FileSystem::changed_by_fallocate(const InodeState& inode, int mode,
                                                   ByteRange range) const {
  if ((mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) != 0) return range;
  if ((mode & FALLOC_FL_KEEP_SIZE) != 0) return ByteRange{};
  TRY_ASSIGN(const Attributes attributes, current_attributes(scratch_, inode));
  return ByteRange{std::max(range.begin, attributes.size_bytes), range.end};
}

void FileSystem::fallocate(InodeNumber inode, int mode, uint64_t offset_bytes,
                           uint64_t length_bytes, Done<std::monostate> done,
                           RequestNumber request) {
  constexpr int kSupported = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE;
  if ((mode & ~kSupported) != 0)
    return done(Error(std::errc::operation_not_supported, "fallocate: this mode is not supported"));
  const ByteRange range{offset_bytes, offset_bytes + length_bytes};
  // Zeroing allocates what it zeroes.
  const uint64_t needed_bytes = (mode & FALLOC_FL_PUNCH_HOLE) != 0 ? 0 : length_bytes;
  if (needed_bytes == 0 || hooks_.try_reserve(needed_bytes))
    return allocate_reserved(inode, mode, range, needed_bytes, done, request);
  hooks_.wait_for_room(needed_bytes, request, [=, this](Result<void> room) {
    if (!room) return done(room.error());
    allocate_reserved(inode, mode, range, needed_bytes, done, request);
  });
}

void FileSystem::allocate_reserved(InodeNumber inode, int mode, ByteRange range,
                                   uint64_t reserved_bytes, const Done<std::monostate>& done,
                                   RequestNumber request) {
  const bool removes = (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) != 0;
  const auto again = [=, this] {
    fallocate(inode, mode, range.begin, range.size(), done, request);
  };
  enum class Next { finished, recall, wait };
  auto next = [&]() -> Result<Next> {
    TRY_ASSIGN(const InodeLock lock, inodes_.lock_existing(inode));
    InodeState& state = *lock;
    if (wait_for_fills(state, again)) return Next::wait;
    TRY_ASSIGN(const bool at_large, fill_at_large(scratch_, state));
    if (at_large) return error_of_fill_at_large();
    // A chunk that is zeroed in part must be there for the rest of it.
    if (removes && !state.absent_chunks(range).empty()) return Next::recall;
    if (!state.rec().writing) TRY(grant_writing(state, state.serve_mode));
    TRY_ASSIGN(const ByteRange changed, changed_by_fallocate(state, mode, range));
    TRY(mark_dirty(state, changed));
    TRY_ASSIGN(const UniqueFd object, scratch_.open_object(inode, O_RDWR));
    if (removes && state.rec().content == Content::known) {
      TRY(write_zeros(object.get(), mode, range));
      return Next::finished;
    }
    if (::fallocate(object.get(), mode, static_cast<off_t>(range.begin),
                    static_cast<off_t>(range.size())) < 0) {
      return Error::from_errno(errno, "fallocate");
    }
    // New bytes that the object does not show as data.
    if (removes) retag(state);
    return Next::finished;
  }();
  const bool finished = next && *next == Next::finished;
  hooks_.settle(inode, reserved_bytes, finished ? reserved_bytes : 0);
  if (!next) return done(next.error());
  switch (*next) {
    case Next::wait:
      return;
    case Next::finished:
      return done(std::monostate{});
    case Next::recall:
      break;
  }
  recall(inode, range, RecallReason::change, [done, again](const Result<Recalled>& recalled) {
    if (!recalled) return done(recalled.error());
    again();
  });
}

// A file that is not all resident answers "all data": its object's holes say nothing about the
// file.
Result<uint64_t> FileSystem::lseek(InodeNumber inode, uint64_t offset_bytes, int whence) {
  TRY_ASSIGN(const InodeLock lock, inodes_.lock_existing(inode));
  InodeState& state = *lock;
  TRY_ASSIGN(const Attributes attributes, current_attributes(scratch_, state));
  if (offset_bytes >= attributes.size_bytes) return Error::from_errno(ENXIO, "lseek");
  if (!state.rec().has_object || !state.all_present())
    return whence == SEEK_DATA ? offset_bytes : attributes.size_bytes;
  TRY_ASSIGN(const UniqueFd object, scratch_.open_object(inode, O_RDONLY));
  const off_t found = ::lseek(object.get(), static_cast<off_t>(offset_bytes), whence);
  if (found < 0) return Error::from_errno(errno, "lseek");
  return static_cast<uint64_t>(found);
}

}  // namespace tierhub
