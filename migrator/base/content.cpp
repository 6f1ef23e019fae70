#include "migrator/base/content.h"

#include <algorithm>
#include <span>
#include <utility>

#include <fcntl.h>

#include <fmt/format.h>

#include "common/fault_points.h"
#include "common/hash.h"
#include "common/posix.h"
#include "migrator/base/damage.h"
#include "storage/scratch/object_state.h"

namespace tierhub {
namespace {

Result<Xattrs> xattrs_of(const Catalog& catalog, InodeNumber inode) {
  TRY_ASSIGN(auto pairs, catalog.xattrs(inode));
  return Xattrs(std::make_move_iterator(pairs.begin()), std::make_move_iterator(pairs.end()));
}

// A clock that was set back must not hold a file for years: a change in the future counts as old.
bool is_settled(const Attributes& attributes, const SettleRule& settle) {
  for (const Timestamp change : {attributes.mtime, attributes.ctime}) {
    const int64_t age_ns = settle.now.ns - change.ns;
    if (age_ns >= 0 && age_ns < settle.settle_ns) return false;
  }
  return true;
}

bool content_differs(const InodeState& state, const std::optional<ArchiveVersion>& version) {
  const InodeRecord& record = state.rec();
  return !version || !record.archived || record.content == Content::unknown ||
         !state.dirty.empty() || record.attributes.size_bytes != version->attributes.size_bytes;
}

// What only the archive has: absent chunks without what is dirty in them. In the last chunk that
// ends where the archive's part ends: what was appended behind it is in the object, though the
// chunk was never recalled.
std::vector<ByteRange> absent_ranges(const InodeState& state) {
  std::vector<ByteRange> ranges;
  for (const auto& gap : state.absent_chunks({0, state.size_bytes()})) {
    const uint64_t end = std::min(gap.end * state.chunk_bytes, state.recallable_bytes());
    for (const auto& part : state.dirty.missing(gap.begin * state.chunk_bytes, end))
      ranges.push_back({part.begin, part.end});
  }
  return ranges;
}

// Chunks without a dirty byte that are as long here as in the archived version: resident or not,
// they are equal to it.
std::vector<ByteRange> unchanged_chunks(const InodeState& state, const ArchiveVersion& version) {
  const InodeRecord& record = state.rec();
  if (!record.archived || record.content == Content::unknown) return {};
  const uint64_t size_bytes = state.size_bytes();
  const uint64_t shared =
      std::min({record.archive_limit_bytes, version.attributes.size_bytes, size_bytes});
  const bool whole = shared == size_bytes && shared == version.attributes.size_bytes;
  IntervalSet chunks;
  chunks.add(0, whole ? chunks_of(shared, state.chunk_bytes) : shared / state.chunk_bytes);
  for (const auto& dirty : state.dirty.intervals())
    chunks.remove(dirty.begin / state.chunk_bytes, chunks_of(dirty.end, state.chunk_bytes));
  std::vector<ByteRange> ranges;
  for (const auto& run : chunks.intervals()) {
    ranges.push_back(
        {run.begin * state.chunk_bytes, std::min(run.end * state.chunk_bytes, size_bytes)});
  }
  return ranges;
}

// Opens the object if the harvest can wait until scratch is synced, and puts into the snapshot what
// it will record.
Result<bool> put_off_harvest(const PublishContext& context, InodeState& state,
                             const ObjectStamp& stamp, Snapshot& snapshot) {
  if (!state.rec().writing) return false;
  TRY_ASSIGN(snapshot.object, open_unchanged(context.scratch, state, stamp));
  if (!snapshot.object) return false;
  TRY_ASSIGN(const auto st, posix::stat_fd(snapshot.object.get()));
  snapshot.record = state.rec();
  snapshot.record.attributes = attributes_now(state.rec(), st);
  snapshot.record.writing = false;
  snapshot.unharvested = stamp;
  return true;
}

}  // namespace

bool Snapshot::content_stands(const InodeState& state) const {
  return state.record && !state.rec().writing && state.rec().generation == record.generation &&
         state.size_bytes() == record.attributes.size_bytes;
}

bool Snapshot::stands(const InodeState& state) const {
  return content_stands(state) && state.rec().attributes.ctime == record.attributes.ctime;
}

Result<std::vector<std::optional<Checksum>>> known_checksums(const Catalog& catalog,
                                                             InodeNumber inode, uint64_t chunks) {
  std::vector<std::optional<Checksum>> known(chunks);
  for (uint64_t first = 0; first < chunks; first += kChecksumsPerRecord) {
    TRY_ASSIGN(const auto group, catalog.checksums(inode, first / kChecksumsPerRecord));
    if (!group) continue;
    const uint64_t count = std::min(kChecksumsPerRecord, chunks - first);
    std::copy_n(group->chunks.begin(), count, known.begin() + static_cast<ptrdiff_t>(first));
  }
  return known;
}

Result<std::variant<Snapshot, NotReady>> take_snapshot(const PublishContext& context,
                                                       InodeNumber inode,
                                                       const std::optional<ArchiveVersion>& version,
                                                       const SettleRule& settle,
                                                       const std::optional<ObjectStamp>& stamp) {
  using Answer = std::variant<Snapshot, NotReady>;
  TRY_ASSIGN(const InodeLock lock, context.inodes.lock(inode));
  if (!lock.exists()) return Answer(NotReady::moving);
  Snapshot snapshot;
  snapshot.inode = inode;
  bool put_off = false;
  if (stamp) {
    TRY_ASSIGN(put_off, put_off_harvest(context, *lock, *stamp, snapshot));
  }
  if (!put_off) {
    if (lock->is_file()) {
      TRY_ASSIGN(const Harvest harvested, harvest(context.catalog, context.scratch, *lock));
      if (harvested == Harvest::in_use) return Answer(NotReady::open_for_writing);
    }
    snapshot.record = lock->rec();
  }
  TRY_ASSIGN(snapshot.xattrs, xattrs_of(context.catalog, inode));
  if (!lock->is_file()) return Answer(std::move(snapshot));
  snapshot.content_differs = content_differs(*lock, version);
  if (!snapshot.content_differs) return Answer(std::move(snapshot));
  TRY(check_undamaged(context.catalog, inode));
  if (!is_settled(snapshot.record.attributes, settle)) return Answer(NotReady::settling);
  snapshot.absent = absent_ranges(*lock);
  if (version) snapshot.unchanged = unchanged_chunks(*lock, *version);
  if (snapshot.record.has_object && !snapshot.object) {
    TRY_ASSIGN(snapshot.object, context.scratch.open_object(inode, O_RDONLY));
  }
  return Answer(std::move(snapshot));
}

Result<uint64_t> equal_chunks(const PublishContext& context, const Snapshot& snapshot,
                              const std::optional<ArchiveVersion>& version) {
  const InodeRecord& record = snapshot.record;
  if (!version || !record.archived || record.content != Content::unknown || !snapshot.object)
    return 0;
  const uint64_t size_bytes = record.attributes.size_bytes;
  const uint64_t chunk_bytes = context.catalog.chunk_bytes();
  std::vector<std::byte> buffer(std::min(chunk_bytes, size_bytes));
  std::optional<ChecksumGroup> group;
  const uint64_t count = chunks_of(size_bytes, chunk_bytes);
  for (uint64_t chunk = 0; chunk < count; ++chunk) {
    if (chunk % kChecksumsPerRecord == 0) {
      TRY_ASSIGN(group, context.catalog.checksums(snapshot.inode, chunk / kChecksumsPerRecord));
    }
    if (!group || !group->chunks[chunk % kChecksumsPerRecord]) return chunk;
    const uint64_t begin = chunk * chunk_bytes;
    const std::span bytes = std::span(buffer).first(std::min(chunk_bytes, size_bytes - begin));
    TRY_ASSIGN(const size_t n, posix::read_at(snapshot.object.get(), bytes, begin));
    if (n != bytes.size() || checksum(bytes) != *group->chunks[chunk % kChecksumsPerRecord])
      return chunk;
  }
  return count;
}

namespace {

// The archived version as the source of what is absent, and of a patch; and what is known of it,
// for the chunks that did not change.
Result<void> add_source(const PublishContext& context, const Snapshot& snapshot,
                        const std::string& path, const ArchiveVersion& version,
                        StageFileRequest& request) {
  // A rewrite of fewer is as quick.
  constexpr uint64_t kLeastChunks = 4;
  const uint64_t chunk_bytes = context.catalog.chunk_bytes();
  const uint64_t size_bytes = snapshot.record.attributes.size_bytes;
  const bool compared = snapshot.record.content == Content::unknown;
  const bool patch = snapshot.record.archived && size_bytes >= kLeastChunks * chunk_bytes &&
                     (compared || !snapshot.unchanged.empty());
  if (!patch && snapshot.absent.empty() && snapshot.unchanged.empty()) return {};
  request.source_path = path;
  request.source_version = version;
  request.source_limit_bytes =
      std::min(snapshot.record.archive_limit_bytes, version.attributes.size_bytes);
  request.patch = patch;
  request.unchanged = snapshot.unchanged;
  const uint64_t shared = std::min(size_bytes, request.source_limit_bytes);
  TRY_ASSIGN(request.known,
             known_checksums(context.catalog, snapshot.inode, chunks_of(shared, chunk_bytes)));
  return {};
}

Result<StageFileRequest> request_of(const PublishContext& context, const Snapshot& snapshot,
                                    const std::string& leaf,
                                    const std::optional<ArchiveVersion>& version) {
  StageFileRequest request;
  request.leaf = leaf;
  request.object_fd = snapshot.object.get();
  request.size_bytes = snapshot.record.attributes.size_bytes;
  request.chunk_bytes = context.catalog.chunk_bytes();
  request.attributes = snapshot.record.attributes;
  request.xattrs = snapshot.xattrs;
  if (version) {
    TRY_ASSIGN(const auto path, context.catalog.base_path(snapshot.inode));
    if (path) TRY(add_source(context, snapshot, *path, *version, request));
  }
  if (!snapshot.absent.empty()) {
    if (request.source_path.empty()) {
      return Error(std::errc::no_such_file_or_directory,
                   "parts of the file existed only in the archive, in a version that was replaced "
                   "or removed there: write the whole file again, or remove it");
    }
    request.absent = snapshot.absent;
  }
  return request;
}

// What is marked clean later must be on the device, and an error of an earlier write shows here.
Result<void> sync_object_fd(int fd, ScratchSync scratch) {
  Result<void> synced;
  switch (scratch) {
    case ScratchSync::missing:
      synced = posix::sync_data(fd);
      break;
    case ScratchSync::already_synced:
      synced = posix::written_back(fd);
      break;
  }
  if (synced) return {};
  return not_of_archive(
      synced.error().in("the file is damaged in scratch, so it is not published"));
}

// A chunk of the object that nobody changed is not what was recorded of it: the archive has a good
// one. If somebody has written to the file meanwhile, all of it is published as it is, and once
// more.
Result<void> take_from_archive(const PublishContext& context, const Snapshot& snapshot,
                               uint64_t chunk, StageFileRequest& request, IntervalSet& rotten) {
  {
    TRY_ASSIGN(const InodeLock lock, context.inodes.lock(snapshot.inode));
    if (!lock.exists() || !snapshot.content_stands(*lock)) {
      request.unchanged.clear();
      return {};
    }
  }
  note_rotten_chunk(request.source_path, chunk);
  rotten.add(chunk, chunk + 1);
  const uint64_t begin = chunk * request.chunk_bytes;
  const ByteRange range{begin, std::min(begin + request.chunk_bytes, request.size_bytes)};
  request.absent.push_back(range);
  // What the archive takes over by itself it does not read; this is to be compared.
  IntervalSet unchanged;
  for (const ByteRange& part : request.unchanged) unchanged.add(part.begin, part.end);
  unchanged.remove(range.begin, range.end);
  request.unchanged.clear();
  for (const auto& part : unchanged.intervals())
    request.unchanged.push_back({part.begin, part.end});
  return {};
}

// They are brought anew for whoever reads them; unless the kernel serves the object by itself,
// which must be whole then.
Result<void> drop_rotten_chunks(const PublishContext& context, const Snapshot& snapshot,
                                const IntervalSet& rotten) {
  if (rotten.empty()) return {};
  TRY_ASSIGN(const InodeLock lock, context.inodes.lock(snapshot.inode));
  if (!lock.exists() || !snapshot.content_stands(*lock)) return {};
  if (lock->serve_mode == ServeMode::passthrough) return {};
  IntervalSet clean = lock->clean;
  Batch batch;
  for (const auto& chunks : rotten.intervals())
    batch.change_ranges(snapshot.inode, RangeKind::clean, clean.remove(chunks.begin, chunks.end));
  TRY(context.catalog.commit(batch));
  lock->clean = std::move(clean);
  return {};
}

}  // namespace

Result<void> sync_object(const PublishContext& context, InodeNumber inode, ScratchSync scratch) {
  auto object = context.scratch.open_object(inode, O_RDONLY);
  if (!object) return object.error();
  return sync_object_fd(object->get(), scratch);
}

Result<std::optional<StageFileRequest>> request_of_changed(
    const PublishContext& context, Snapshot& snapshot, const std::string& leaf,
    const std::optional<ArchiveVersion>& version) {
  if (snapshot.object) {
    auto equal = equal_chunks(context, snapshot, version);
    if (!equal) return not_of_archive(equal.error());
    const uint64_t chunk_bytes = context.catalog.chunk_bytes();
    const uint64_t size_bytes = snapshot.record.attributes.size_bytes;
    const bool all = *equal == chunks_of(size_bytes, chunk_bytes);
    if (all && version && snapshot.record.archived && snapshot.record.content == Content::unknown &&
        size_bytes == version->attributes.size_bytes)
      return std::optional<StageFileRequest>();
    if (*equal > 0) snapshot.unchanged = {{0, std::min(*equal * chunk_bytes, size_bytes)}};
  }
  TRY_ASSIGN(StageFileRequest request, request_of(context, snapshot, leaf, version));
  return std::optional(std::move(request));
}

Result<StagedContent> stage_content(const PublishContext& context, const Snapshot& snapshot,
                                    StageFileRequest request) {
  if (request.patch) fault_point(FaultPoint::patch_before_stage);
  IntervalSet rotten;
  for (;;) {
    TRY_ASSIGN(StagedFile staged, context.archive.stage_file(request));
    if (staged.damaged_chunk)
      return damaged_copy(std::errc::bad_message, request.source_path, *staged.damaged_chunk);
    if (staged.rotten_chunk) {
      auto taken = take_from_archive(context, snapshot, *staged.rotten_chunk, request, rotten);
      if (!taken) return not_of_archive(taken.error());
      continue;
    }
    if (staged.cloned_bytes > 0) fault_point(FaultPoint::patch_after_stage);
    if (auto dropped = drop_rotten_chunks(context, snapshot, rotten); !dropped)
      return not_of_archive(dropped.error());
    return StagedContent{std::move(staged)};
  }
}

Result<StagedContent> stage_changed_content(const PublishContext& context, Snapshot& snapshot,
                                            const std::string& leaf,
                                            const std::optional<ArchiveVersion>& version) {
  if (snapshot.object) TRY(sync_object_fd(snapshot.object.get(), ScratchSync::missing));
  TRY_ASSIGN(auto request, request_of_changed(context, snapshot, leaf, version));
  if (!request) return StagedContent();
  return stage_content(context, snapshot, *std::move(request));
}

Error not_of_archive(const Error& error) {
  return Error(std::error_code(error.errno_value(), scratch_category()), error.text());
}

Result<ArchiveVersion> stage_without_content(const PublishContext& context,
                                             const Snapshot& snapshot, const std::string& leaf) {
  const InodeRecord& record = snapshot.record;
  return context.archive.stage_node(
      {leaf, record.attributes, snapshot.xattrs, record.symlink_target});
}

void InodeUpdate::apply(InodeState& state) && {
  state.record = std::move(record);
  state.clean = std::move(clean);
  state.dirty = std::move(dirty);
}

InodeUpdate record_published(Batch& batch, const InodeState& state, const Snapshot& snapshot) {
  InodeUpdate update{state.rec(), state.clean, state.dirty};
  update.record.archived = true;
  if (snapshot.content_stands(state)) {
    const uint64_t chunks = chunks_of(state.size_bytes(), state.chunk_bytes);
    const auto absent = state.absent_chunks({0, state.size_bytes()});
    update.record.content = Content::known;
    update.record.archive_limit_bytes = state.size_bytes();
    batch.change_ranges(state.number, RangeKind::dirty, update.dirty.clear());
    batch.change_ranges(state.number, RangeKind::clean, update.clean.clear());
    batch.change_ranges(state.number, RangeKind::clean, update.clean.add(0, chunks));
    for (const auto& gap : absent) {
      batch.change_ranges(state.number, RangeKind::clean, update.clean.remove(gap.begin, gap.end));
    }
  }
  batch.put_inode(state.number, update.record);
  return update;
}

void record_checksums(Batch& batch, InodeNumber inode, const std::vector<Checksum>& checksums,
                      uint64_t chunk_bytes, uint64_t old_size_bytes) {
  const uint64_t groups = chunks_of(checksums.size(), kChecksumsPerRecord);
  for (uint64_t group = 0; group < groups; ++group) {
    ChecksumGroup record;
    const uint64_t first = group * kChecksumsPerRecord;
    for (uint64_t i = 0; i < kChecksumsPerRecord && first + i < checksums.size(); ++i) {
      record.chunks[i] = checksums[first + i];
    }
    batch.put_checksums(inode, group, record);
  }
  const uint64_t old_groups =
      chunks_of(chunks_of(old_size_bytes, chunk_bytes), kChecksumsPerRecord);
  for (uint64_t group = groups; group < old_groups; ++group) batch.erase_checksums(inode, group);
}

}  // namespace tierhub
