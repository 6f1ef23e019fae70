#include "migrator/scan/conflict.h"

#include <algorithm>
#include <future>
#include <span>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>

#include <fmt/format.h>
#include <time.h>

#include "common/fault_points.h"
#include "common/hash.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/posix.h"
#include "migrator/base/marked_name.h"
#include "storage/scratch/object_state.h"

namespace tierhub {
namespace {

// How much of theirs is in memory at a time while it is compared.
constexpr uint64_t kChunksAtOnce = 4;

Result<FillResult> fill_and_wait(Archive& archive, const FillRequest& request) {
  std::promise<Result<FillResult>> filled;
  auto future = filled.get_future();
  archive.fill(request, [&](Result<FillResult> result) { filled.set_value(std::move(result)); });
  return future.get();
}

}  // namespace

std::string conflict_name(std::string_view name, FileKind kind, Timestamp now, int tries) {
  const time_t seconds = now.to_timespec().tv_sec;
  struct tm utc {};
  ::gmtime_r(&seconds, &utc);
  std::string mark =
      fmt::format("tierhub conflict {:04}{:02}{:02}-{:02}{:02}{:02}", utc.tm_year + 1900,
                  utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec);
  if (tries > 1) mark += fmt::format(" {}", tries);
  return marked_name(name, kind, mark);
}

ConflictResolver::ConflictResolver(ScanState& scan)
    : scan_(scan), context_{scan.inodes, scan.catalog, scan.scratch, scan.archive} {}

Result<ConflictResolver::Outcome> ConflictResolver::created_twice(
    const Name& name, const ArchiveChild& theirs, InodeNumber ours,
    std::optional<InodeNumber>& new_folder) {
  TRY_ASSIGN(const auto adopted, adopt_as_it_is(name, theirs, ours));
  if (adopted) {
    if (theirs.version.attributes.kind == FileKind::directory) new_folder = ours;
    return *adopted;
  }
  TRY_ASSIGN(const auto in_base, scan_.catalog.base_names(ours));
  TRY_ASSIGN(const auto record, scan_.catalog.inode(ours));
  TRY_ASSIGN(const auto folder, scan_.catalog.base_path(name.parent));
  if (!record || !folder) return Outcome::later;
  const bool files =
      record->attributes.kind == FileKind::file && theirs.version.attributes.kind == FileKind::file;
  // Of a file with several names another one is known already: ours cannot be both.
  const auto linked = scan_.linked.find(theirs.version.identity.bytes);
  const bool free = linked == scan_.linked.end() || linked->second == ours;
  if (in_base.empty() && files && free) {
    TRY_ASSIGN(auto snapshot, snapshot_of(ours));
    if (snapshot) {
      const std::string path = folder->empty() ? name.name : *folder + "/" + name.name;
      TRY_ASSIGN(const auto same, compare(path, theirs.version, *std::move(snapshot)));
      if (same) return adopt_content(name, theirs, *same);
    }
  }
  return step_aside(name, theirs, ours, new_folder);
}

Result<std::optional<ConflictResolver::Outcome>> ConflictResolver::changed_twice(
    const std::string& path, const ArchiveChild& theirs, InodeNumber inode,
    const ArchiveVersion& on_record) {
  TRY_ASSIGN(auto snapshot, snapshot_of(inode));
  if (snapshot) {
    {
      // Opened for writing, and closed without a change.
      TRY_ASSIGN(const InodeLock lock, scan_.inodes.lock(inode));
      if (lock.exists() && !lock->is_dirty()) return std::optional<Outcome>();
    }
    auto equal = equal_chunks(context_, *snapshot, on_record);
    if (!equal) return not_of_archive(equal.error());
    const uint64_t size_bytes = snapshot->record.attributes.size_bytes;
    if (size_bytes == on_record.attributes.size_bytes &&
        *equal == chunks_of(size_bytes, scan_.catalog.chunk_bytes())) {
      TRY_ASSIGN(const InodeLock lock, scan_.inodes.lock(inode));
      if (!lock.exists() || !snapshot->content_stands(*lock)) return std::optional(Outcome::later);
      Batch batch;
      InodeUpdate update = record_published(batch, *lock, *snapshot);
      TRY(scan_.catalog.commit(batch));
      std::move(update).apply(*lock);
      return std::optional<Outcome>();
    }
    TRY_ASSIGN(const auto same, compare(path, theirs.version, *std::move(snapshot)));
    if (same) {
      TRY_ASSIGN(const Outcome adopted, adopt_content(std::nullopt, theirs, *same));
      return std::optional(adopted);
    }
  }
  TRY_ASSIGN(const Outcome kept, hand_over(theirs, inode, Ours::renamed));
  return std::optional(kept);
}

Result<ConflictResolver::Outcome> ConflictResolver::supersede(const ArchiveChild& theirs,
                                                              InodeNumber inode) {
  return hand_over(theirs, inode, Ours::unnamed);
}

Result<std::optional<bool>> ConflictResolver::holds_what_is_on_record(const std::string& path,
                                                                      const ArchiveVersion& theirs,
                                                                      InodeNumber inode) const {
  const uint64_t size_bytes = theirs.attributes.size_bytes;
  const uint64_t chunk_bytes = scan_.catalog.chunk_bytes();
  if (size_bytes > scan_.options.compare_bytes) return std::optional(false);
  TRY_ASSIGN(const auto on_record,
             known_checksums(scan_.catalog, inode, chunks_of(size_bytes, chunk_bytes)));
  TRY_ASSIGN(const auto absent, only_in_archive(inode));
  if (!absent) return std::optional<bool>();
  for (uint64_t chunk = 0; chunk < on_record.size(); ++chunk) {
    const uint64_t end = std::min(size_bytes, (chunk + 1) * chunk_bytes);
    const bool kept = std::any_of(absent->begin(), absent->end(), [&](const ByteRange& range) {
      return range.begin <= chunk * chunk_bytes && range.end >= end;
    });
    if (!on_record[chunk] && !kept) return std::optional(false);
  }
  const UniqueFd memory(::memfd_create("tierhub-compare", MFD_CLOEXEC));
  if (!memory) return Error::from_errno(errno, "memfd_create");
  TRY(posix::truncate_fd(memory.get(), size_bytes));
  for (uint64_t begin = 0; begin < size_bytes; begin += kChunksAtOnce * chunk_bytes) {
    const uint64_t end = std::min(size_bytes, begin + kChunksAtOnce * chunk_bytes);
    const auto filled = fill_and_wait(
        scan_.archive,
        FillRequest{path, theirs, memory.get(), {begin, end}, size_bytes, chunk_bytes});
    if (!filled && is_conflict(filled.error())) return std::optional<bool>();
    if (!filled) return filled.error();
    for (size_t i = 0; i < filled->checksums.size(); ++i) {
      const auto& known = on_record[begin / chunk_bytes + i];
      if (known && *known != filled->checksums[i]) return std::optional(false);
    }
    ::fallocate(memory.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(begin),
                static_cast<off_t>(end - begin));
  }
  return std::optional(true);
}

// Of a file that has a name here, what a publish would take over as the archive has it. None:
// somebody writes it.
Result<std::optional<std::vector<ByteRange>>> ConflictResolver::only_in_archive(
    InodeNumber inode) const {
  using Ranges = std::optional<std::vector<ByteRange>>;
  {
    TRY_ASSIGN(const InodeLock lock, scan_.inodes.lock(inode));
    if (!lock.exists() || lock->rec().nlink == 0 || !lock->is_dirty())
      return Ranges(std::vector<ByteRange>());
  }
  TRY_ASSIGN(const auto snapshot, snapshot_of(inode));
  return snapshot ? Ranges(snapshot->absent) : Ranges();
}

// None: somebody writes it.
Result<std::optional<Snapshot>> ConflictResolver::snapshot_of(InodeNumber inode) const {
  TRY_ASSIGN(auto taken, take_snapshot(context_, inode, std::nullopt, SettleRule{}));
  auto* snapshot = std::get_if<Snapshot>(&taken);
  if (snapshot == nullptr) return std::optional<Snapshot>();
  return std::optional(std::move(*snapshot));
}

// Reads both sides up to the first difference. Files that would take long are not compared.
Result<std::optional<ConflictResolver::Same>> ConflictResolver::compare(
    const std::string& path, const ArchiveVersion& theirs, Snapshot snapshot) const {
  const uint64_t size_bytes = snapshot.record.attributes.size_bytes;
  const uint64_t chunk_bytes = scan_.catalog.chunk_bytes();
  const bool comparable = size_bytes == theirs.attributes.size_bytes && snapshot.absent.empty() &&
                          size_bytes <= scan_.options.compare_bytes &&
                          (snapshot.object || size_bytes == 0);
  if (!comparable) return std::optional<Same>();
  // What becomes clean must be on the device.
  if (snapshot.object) TRY(posix::sync_data(snapshot.object.get()));
  const UniqueFd memory(::memfd_create("tierhub-compare", MFD_CLOEXEC));
  if (!memory) return Error::from_errno(errno, "memfd_create");
  TRY(posix::truncate_fd(memory.get(), size_bytes));
  std::vector<std::byte> buffer(std::min(chunk_bytes, size_bytes));
  std::vector<Checksum> checksums;
  for (uint64_t begin = 0; begin < size_bytes; begin += kChunksAtOnce * chunk_bytes) {
    const uint64_t end = std::min(size_bytes, begin + kChunksAtOnce * chunk_bytes);
    auto filled = fill_and_wait(
        scan_.archive,
        FillRequest{path, theirs, memory.get(), {begin, end}, size_bytes, chunk_bytes});
    if (!filled && is_conflict(filled.error())) return std::optional<Same>();
    if (!filled) return filled.error();
    for (const Checksum& there : filled->checksums) {
      const uint64_t at = checksums.size() * chunk_bytes;
      const std::span bytes = std::span(buffer).first(std::min(chunk_bytes, size_bytes - at));
      TRY_ASSIGN(const size_t n, posix::read_at(snapshot.object.get(), bytes, at));
      if (n != bytes.size() || checksum(bytes) != there) return std::optional<Same>();
      checksums.push_back(there);
    }
    ::fallocate(memory.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(begin),
                static_cast<off_t>(end - begin));
  }
  return std::optional(Same{std::move(snapshot), std::move(checksums)});
}

// `name`: base gets it. Attributes of ours that differ are brought to the archive by the inode's
// key.
Result<ConflictResolver::Outcome> ConflictResolver::adopt_content(const std::optional<Name>& name,
                                                                  const ArchiveChild& theirs,
                                                                  const Same& same) {
  const InodeNumber inode = same.snapshot.inode;
  std::vector<InodeNumber> involved{inode};
  if (name) involved.push_back(name->parent);
  TRY_ASSIGN(const HeldInodes held, HeldInodes::lock(scan_.inodes, std::move(involved)));
  InodeState& state = held.at(inode);
  if (!state.record || !same.snapshot.content_stands(state)) return Outcome::later;
  Batch batch;
  BaseEdit base(scan_.catalog, batch);
  if (name) {
    TRY_ASSIGN(const auto ours, scan_.catalog.lookup(name->parent, name->name));
    if (ours != inode) return Outcome::later;
    TRY(base.set(*name, BaseRecord{inode, FileKind::file}));
    TRY(base.finish());
    batch.erase_journal(JournalKey::of_entry(name->parent, name->name));
  }
  TRY_ASSIGN(const auto old, scan_.catalog.version(inode));
  const uint64_t old_size_bytes = old ? old->attributes.size_bytes : 0;
  InodeUpdate update = record_published(batch, state, same.snapshot);
  record_checksums(batch, inode, same.checksums, scan_.catalog.chunk_bytes(), old_size_bytes);
  batch.put_version(inode, theirs.version);
  batch.put_journal(JournalKey::of_inode(inode), {Timestamp::now(), ""});
  fault_point(FaultPoint::conflict_before_commit);
  TRY(scan_.catalog.commit(batch));
  fault_point(FaultPoint::conflict_after_commit);
  std::move(update).apply(state);
  if (theirs.version.nlink > 1) scan_.linked.insert_or_assign(theirs.version.identity.bytes, inode);
  return Outcome::adopted;
}

// What needs no look at content: two folders are one, with our attributes; equal links and special
// files are one; and what was renamed alike, or linked alike, on both sides.
Result<std::optional<ConflictResolver::Outcome>> ConflictResolver::adopt_as_it_is(
    const Name& name, const ArchiveChild& theirs, InodeNumber ours) {
  const std::optional<Outcome> no;
  TRY_ASSIGN(const HeldInodes held, HeldInodes::lock(scan_.inodes, {name.parent, ours}));
  const InodeState& state = held.at(ours);
  TRY_ASSIGN(const auto there, scan_.catalog.lookup(name.parent, name.name));
  if (there != ours || !state.record) return std::optional(Outcome::later);
  const Attributes& mine = state.rec().attributes;
  const Attributes& other = theirs.version.attributes;
  if (mine.kind != other.kind) return no;
  TRY_ASSIGN(const auto in_base, scan_.catalog.base_names(ours));
  TRY_ASSIGN(const auto on_record, scan_.catalog.version(ours));
  bool same = false;
  if (in_base.empty()) {
    const bool special = mine.kind != FileKind::file && mine.kind != FileKind::symlink;
    same = (special && mine.rdev == other.rdev) ||
           (mine.kind == FileKind::symlink && state.rec().symlink_target == theirs.symlink_target);
  } else {
    const bool file = mine.kind == FileKind::file;
    same = on_record && theirs.version.identity == on_record->identity &&
           (!file || theirs.version.same_content(*on_record));
  }
  if (!same) return no;
  Batch batch;
  BaseEdit base(scan_.catalog, batch);
  TRY(base.set(name, BaseRecord{ours, mine.kind}));
  TRY(base.finish());
  batch.put_version(ours, theirs.version);
  batch.erase_journal(JournalKey::of_entry(name.parent, name.name));
  TRY(ensure_key(scan_.catalog, batch, JournalKey::of_inode(ours)));
  TRY(scan_.catalog.commit(batch));
  return std::optional(Outcome::adopted);
}

// A file's change of hands: what it takes, and what is left of ours.
struct ConflictResolver::Handover {
  InodeNumber inode;
  InodeNumber new_inode;  // of theirs
  Ours ours;
  std::vector<Name> names;    // of ours, in the namespace
  std::vector<Name> in_base;  // of ours, in the archive: theirs has them now
  std::vector<std::optional<InodeNumber>> occupants;  // of the names in base, in the namespace
  InodeRecord left;                                   // ours, afterwards
  InodeRecord taken;                                  // theirs
  std::vector<Name> touched;
  std::vector<std::pair<Name, Name>> renamed;  // from, to

  void give(Batch& batch, const Name& name) {
    batch.put_entry(name.parent, name.name, new_inode);
    ++taken.nlink;
    touched.push_back(name);
  }
};

// `inode` is in base, and the archive has `theirs` in its place under all its names there.
Result<ConflictResolver::Outcome> ConflictResolver::hand_over(const ArchiveChild& theirs,
                                                              InodeNumber inode, Ours ours) {
  TRY_ASSIGN(const InodeNumber new_inode, scan_.catalog.allocate_inode());
  Handover over{inode, new_inode, ours, {}, {}, {}, {}, imported_record(theirs), {}, {}};
  TRY_ASSIGN(over.names, scan_.catalog.names(inode));
  TRY_ASSIGN(over.in_base, scan_.catalog.base_names(inode));
  over.taken.nlink = 0;
  std::vector<InodeNumber> involved{inode, new_inode};
  for (const Name& name : over.names) involved.push_back(name.parent);
  for (const Name& name : over.in_base) {
    if (name.parent == kAsideInode) return Outcome::later;
    TRY_ASSIGN(const auto occupant, scan_.catalog.lookup(name.parent, name.name));
    over.occupants.push_back(occupant);
    involved.push_back(name.parent);
    if (occupant) involved.push_back(*occupant);
  }
  TRY_ASSIGN(const HeldInodes held, HeldInodes::lock(scan_.inodes, std::move(involved)));
  InodeState& state = held.at(inode);
  TRY_ASSIGN(const auto names_now, scan_.catalog.names(inode));
  if (!state.record || names_now != over.names) return Outcome::later;
  over.left = state.rec();

  Batch batch;
  BaseEdit base(scan_.catalog, batch);
  TRY_ASSIGN(const bool given, give_names_in_base(held, over, batch, base));
  if (!given) return Outcome::later;
  TRY(ours == Ours::unnamed ? give_everything(state, theirs, over, batch)
                            : keep_ours(state, theirs, over, batch));
  TRY(base.finish());
  batch.put_inode(inode, over.left);
  batch.put_inode(new_inode, over.taken);
  batch.put_version(new_inode, theirs.version);
  fault_point(FaultPoint::conflict_before_commit);
  TRY(scan_.catalog.commit(batch));
  fault_point(FaultPoint::conflict_after_commit);
  state.record = std::move(over.left);
  held.at(new_inode).record = std::move(over.taken);
  held.at(new_inode).chunk_bytes = scan_.catalog.chunk_bytes();
  for (const auto& [name, kept] : over.renamed) announce(name, kept);
  forget(over.touched, inode);
  if (theirs.version.nlink > 1)
    scan_.linked.insert_or_assign(theirs.version.identity.bytes, new_inode);
  return Outcome::both_kept;
}

// Theirs gets the names that the archive has; what has one of them here gets another. False:
// something changed meanwhile.
Result<bool> ConflictResolver::give_names_in_base(const HeldInodes& held, Handover& over,
                                                  Batch& batch, BaseEdit& base) const {
  for (size_t i = 0; i < over.in_base.size(); ++i) {
    const Name& name = over.in_base[i];
    TRY_ASSIGN(const auto occupant, scan_.catalog.lookup(name.parent, name.name));
    if (occupant != over.occupants[i] || !held.at(name.parent).record) return false;
    TRY(base.set(name, BaseRecord{over.new_inode, FileKind::file}));
    batch.erase_journal(JournalKey::of_entry(name.parent, name.name));
    if (occupant) batch.erase_entry(name.parent, name.name, *occupant);
    if (occupant && occupant == over.inode && over.ours == Ours::unnamed) --over.left.nlink;
    if (occupant && (occupant != over.inode || over.ours == Ours::renamed)) {
      const InodeState& mine = held.at(*occupant);
      if (!mine.record) return false;
      TRY_ASSIGN(Name kept, free_conflict_name(name, mine.rec().attributes.kind, over.touched));
      batch.put_entry(kept.parent, kept.name, *occupant);
      TRY(ensure_key(scan_.catalog, batch, JournalKey::of_entry(kept.parent, kept.name)));
      over.touched.push_back(kept);
      over.renamed.emplace_back(name, std::move(kept));
    }
    over.give(batch, name);
  }
  return true;
}

// Ours has no name any more: theirs gets the other ones too, and what people said of ours.
Result<void> ConflictResolver::give_everything(const InodeState& state, const ArchiveChild& theirs,
                                               Handover& over, Batch& batch) const {
  for (const Name& name : over.names) {
    if (std::find(over.in_base.begin(), over.in_base.end(), name) != over.in_base.end()) continue;
    batch.erase_entry(name.parent, name.name, over.inode);
    --over.left.nlink;
    over.give(batch, name);
  }
  TRY(pass_on(batch, state, over.new_inode, theirs, over.taken));
  batch.put_reap(over.inode, ReapKind::inode);
  batch.erase_journal(JournalKey::of_inode(over.inode));
  return {};
}

// Ours has other names, and is new in the archive. Parts that were only there are lost with the
// version that was replaced; a reader of them gets an error.
Result<void> ConflictResolver::keep_ours(const InodeState& state, const ArchiveChild& theirs,
                                         Handover& over, Batch& batch) const {
  if (state.all_present()) over.left.archived = false;
  TRY(erase_checksums(batch, state));
  TRY(ensure_key(scan_.catalog, batch, JournalKey::of_inode(over.inode)));
  for (const auto& [name, value] : theirs.xattrs) batch.put_xattr(over.new_inode, name, value);
  return {};
}

// Those of the version that the archive has no longer.
Result<void> ConflictResolver::erase_checksums(Batch& batch, const InodeState& state) const {
  TRY_ASSIGN(const auto version, scan_.catalog.version(state.number));
  const uint64_t size_bytes = version ? version->attributes.size_bytes : 0;
  const uint64_t groups = chunks_of(chunks_of(size_bytes, state.chunk_bytes), kChecksumsPerRecord);
  for (uint64_t group = 0; group < groups; ++group) batch.erase_checksums(state.number, group);
  return {};
}

// What people said of the file holds for what has its name now: pins, leases, and attributes that
// are not in the archive yet.
Result<void> ConflictResolver::pass_on(Batch& batch, const InodeState& from, InodeNumber to,
                                       const ArchiveChild& theirs, InodeRecord& record) const {
  TRY_ASSIGN(const auto leases, scan_.catalog.leases(from.number));
  for (const LeaseRecord& lease : leases) {
    batch.put_lease(to, lease);
    batch.erase_lease(from.number, lease.owner);
  }
  TRY_ASSIGN(const auto pending, scan_.catalog.journal_record(JournalKey::of_inode(from.number)));
  if (!pending) {
    TRY_ASSIGN(const auto on_record, scan_.catalog.version(from.number));
    if (on_record)
      keep_owner_and_mode(record.attributes, from.rec().attributes, on_record->attributes);
    TRY_ASSIGN(const Xattrs xattrs,
               successors_xattrs(scan_, from.number, FileKind::file, theirs.xattrs));
    for (const auto& [name, value] : xattrs) batch.put_xattr(to, name, value);
    return {};
  }
  record.attributes.mode = from.rec().attributes.mode;
  record.attributes.uid = from.rec().attributes.uid;
  record.attributes.gid = from.rec().attributes.gid;
  TRY_ASSIGN(const auto xattrs, scan_.catalog.xattrs(from.number));
  for (const auto& [name, value] : xattrs) batch.put_xattr(to, name, value);
  batch.put_journal(JournalKey::of_inode(to), {pending->since, ""});
  return {};
}

// Base has nothing at `name`: ours gets a conflict name, theirs is a new inode under `name`.
Result<ConflictResolver::Outcome> ConflictResolver::step_aside(
    const Name& name, const ArchiveChild& theirs, InodeNumber ours,
    std::optional<InodeNumber>& new_folder) {
  TRY_ASSIGN(const InodeNumber new_inode, scan_.catalog.allocate_inode());
  Name kept;
  {
    TRY_ASSIGN(const HeldInodes held,
               HeldInodes::lock(scan_.inodes, {name.parent, ours, new_inode}));
    InodeState& folder = held.at(name.parent);
    const InodeState& state = held.at(ours);
    TRY_ASSIGN(const auto there, scan_.catalog.lookup(name.parent, name.name));
    if (there != ours || !state.record || !folder.record) return Outcome::later;
    TRY_ASSIGN(kept, free_conflict_name(name, state.rec().attributes.kind, {}));
    Batch batch;
    batch.erase_entry(name.parent, name.name, ours);
    batch.put_entry(kept.parent, kept.name, ours);
    batch.erase_journal(JournalKey::of_entry(name.parent, name.name));
    TRY(ensure_key(scan_.catalog, batch, JournalKey::of_entry(kept.parent, kept.name)));
    TRY(ensure_key(scan_.catalog, batch, JournalKey::of_inode(ours)));
    // A file with several names joins the others when all folders were seen.
    const FileKind kind = theirs.version.attributes.kind;
    const bool joins = kind == FileKind::file && theirs.version.nlink > 1;
    InodeRecord folder_record = folder.rec();
    const InodeRecord taken = imported_record(theirs);
    if (!joins) {
      batch.put_inode(new_inode, taken);
      batch.put_entry(name.parent, name.name, new_inode);
      batch.put_base(name, {new_inode, kind});
      batch.put_version(new_inode, theirs.version);
      for (const auto& [key, value] : theirs.xattrs) batch.put_xattr(new_inode, key, value);
      if (kind == FileKind::directory) ++folder_record.nlink;
      batch.put_inode(name.parent, folder_record);
    }
    fault_point(FaultPoint::conflict_before_commit);
    TRY(scan_.catalog.commit(batch));
    fault_point(FaultPoint::conflict_after_commit);
    if (joins) {
      scan_.new_links.push_back(name);
    } else {
      folder.record = std::move(folder_record);
      held.at(new_inode).record = taken;
      held.at(new_inode).chunk_bytes = scan_.catalog.chunk_bytes();
      if (kind == FileKind::directory) new_folder = new_inode;
    }
  }
  announce(name, kept);
  forget({name, kept}, ours);
  return Outcome::both_kept;
}

// With the parent's lock. `taken`: given away by the same batch.
Result<Name> ConflictResolver::free_conflict_name(const Name& name, FileKind kind,
                                                  const std::vector<Name>& taken) const {
  const Timestamp now = Timestamp::now();
  for (int tries = 1;; ++tries) {
    Name kept{name.parent, conflict_name(name.name, kind, now, tries)};
    TRY_ASSIGN(const auto ours, scan_.catalog.lookup(kept.parent, kept.name));
    TRY_ASSIGN(const auto in_base, scan_.catalog.base(kept));
    const bool given = std::find(taken.begin(), taken.end(), kept) != taken.end();
    if (!ours && !in_base && !given) return kept;
  }
}

void ConflictResolver::announce(const Name& name, const Name& kept) const {
  ++scan_.counts.conflicts;
  metrics().conflicts.add();
  const auto folder = scan_.catalog.path(name.parent);
  log::warning(
      "a file was changed here and in the archive: the archive's version keeps the name, ours was "
      "renamed",
      {{"folder", folder ? folder->value_or("?") : "?"}, {"name", name.name}, {"ours", kept.name}});
}

void ConflictResolver::forget(const std::vector<Name>& names, InodeNumber inode) const {
  for (const Name& name : names) scan_.options.forget_entry(name.parent, name.name);
  scan_.options.forget_content(inode);
}

}  // namespace tierhub
