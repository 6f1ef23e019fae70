#include "recovery/repair.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <vector>

#include <fcntl.h>

#include <fmt/format.h>

#include "common/extents.h"
#include "common/fault_points.h"
#include "common/posix.h"
#include "inodes/inode_table.h"
#include "recovery/recovered_folder.h"
#include "storage/scratch/object_state.h"

namespace tierhub::recovery {
namespace {

// What one round keeps in memory.
constexpr size_t kFindingsPerRound = 100'000;

class Repairer {
 public:
  Repairer(Catalog& catalog, const Scratch& scratch) : catalog_(catalog), scratch_(scratch) {}

  Result<void> apply(const Finding& finding);

 private:
  Result<void> act(const Finding& finding, Batch& batch);
  Result<void> recreate_inode(InodeNumber inode, Batch& batch);
  Result<void> recover_nameless(InodeNumber inode, Batch& batch);
  Result<void> break_loop(InodeNumber inode, Batch& batch);
  Result<void> join_ranges(InodeNumber inode, Batch& batch);
  Result<void> count_as_new(InodeNumber inode, Batch& batch);
  Result<void> forget_inode(InodeNumber inode, Batch& batch);
  Result<void> drop_object(InodeNumber inode, Batch& batch);
  Result<void> lose_object(InodeNumber inode, Batch& batch);
  Result<void> take_object_size(InodeNumber inode, Batch& batch);
  Result<void> adopt_object(InodeNumber inode, Batch& batch);
  Result<void> write_tag(InodeNumber inode);
  Result<void> drop_chunk(InodeNumber inode, uint64_t chunk, Batch& batch);

  Result<void> erase_ranges(InodeNumber inode, RangeKind kind, Batch& batch);
  Result<IntervalSet> joined_ranges(InodeNumber inode, RangeKind kind) const;
  Result<InodeRecord> record_of_object(InodeNumber inode, const ObjectTag& tag, int fd) const;

  Catalog& catalog_;
  const Scratch& scratch_;
  std::vector<InodeNumber> unwanted_;  // objects to be moved aside after the batch
};

void put_key(Batch& batch, InodeNumber inode) {
  batch.put_journal(JournalKey::of_inode(inode), new_key());
}

}  // namespace

Result<void> Repairer::apply(const Finding& finding) {
  Batch batch = finding.fix;
  unwanted_.clear();
  TRY(act(finding, batch));
  fault_point(FaultPoint::fsck_before_commit);
  if (!batch.empty()) TRY(catalog_.commit(batch, Durability::synced));
  fault_point(FaultPoint::fsck_after_commit);
  for (const InodeNumber inode : unwanted_) TRY(scratch_.set_aside(inode));
  return {};
}

Result<void> Repairer::act(const Finding& finding, Batch& batch) {
  switch (finding.remedy) {
    case Remedy::none:
    case Remedy::apply:
      return {};
    case Remedy::reserve_number:
      return catalog_.reserve_above(finding.inode);
    case Remedy::recreate_inode:
      return recreate_inode(finding.inode, batch);
    case Remedy::recover_nameless:
      return recover_nameless(finding.inode, batch);
    case Remedy::break_loop:
      return break_loop(finding.inode, batch);
    case Remedy::join_ranges:
      return join_ranges(finding.inode, batch);
    case Remedy::count_as_new:
      return count_as_new(finding.inode, batch);
    case Remedy::forget_inode:
      return forget_inode(finding.inode, batch);
    case Remedy::drop_object:
      return drop_object(finding.inode, batch);
    case Remedy::lose_object:
      return lose_object(finding.inode, batch);
    case Remedy::take_object_size:
      return take_object_size(finding.inode, batch);
    case Remedy::adopt_object:
      return adopt_object(finding.inode, batch);
    case Remedy::write_tag:
      return write_tag(finding.inode);
    case Remedy::drop_chunk:
      return drop_chunk(finding.inode, finding.chunk, batch);
  }
  return {};
}

Result<InodeRecord> Repairer::record_of_object(InodeNumber inode, const ObjectTag& tag,
                                               int fd) const {
  TRY_ASSIGN(const auto st, posix::stat_fd(fd));
  TRY_ASSIGN(const auto names, catalog_.names(inode));
  InodeRecord record;
  record.attributes.kind = tag.kind;
  record.attributes.mode = tag.mode;
  record.attributes.uid = tag.uid;
  record.attributes.gid = tag.gid;
  record.attributes.size_bytes = tag.kind == FileKind::file ? static_cast<uint64_t>(st.st_size) : 0;
  record.attributes.atime = tag.atime;
  record.attributes.mtime = posix::modification_time(st);
  record.attributes.ctime = record.attributes.btime = Timestamp::now();
  record.generation = tag.generation.next();
  record.has_object = true;
  record.nlink = std::max<uint32_t>(1, static_cast<uint32_t>(names.size()));
  if (tag.kind == FileKind::directory) record.nlink = 2;
  if (tag.kind != FileKind::file) return record;
  record.content = Content::unknown;
  // The next start takes size and times from the object.
  record.writing = true;
  return record;
}

// From what else tells of it: its object if that has new bytes, the archive's version, its
// children.
Result<void> Repairer::recreate_inode(InodeNumber inode, Batch& batch) {
  TRY_ASSIGN(const auto known, catalog_.inode(inode));
  if (known) return {};
  TRY_ASSIGN(const auto version, catalog_.version(inode));
  TRY_ASSIGN(const bool childless, catalog_.is_empty(inode));
  TRY_ASSIGN(const auto names, catalog_.names(inode));
  const auto object = scratch_.open_object(inode, O_RDONLY);
  auto tag = object ? scratch_.read_tag(object->get())
                    : Result<ObjectTag>(Error(std::errc::no_such_file_or_directory, "no object"));
  const bool tagged = tag && tag->inode == inode;
  if (tagged && (tag->is_dirty() || !version)) {
    TRY_ASSIGN(InodeRecord record, record_of_object(inode, *tag, object->get()));
    record.archived = version.has_value();
    if (version) record.archive_limit_bytes = version->attributes.size_bytes;
    TRY(erase_ranges(inode, RangeKind::clean, batch));
    TRY(erase_ranges(inode, RangeKind::dirty, batch));
    batch.put_inode(inode, record);
    put_key(batch, inode);
    return {};
  }
  if (version || inode == kRootInode || !childless) {
    InodeRecord record;
    record.attributes.kind = FileKind::directory;
    record.attributes.mode = inode == kRootInode ? 0755 : 0700;
    if (version) record.attributes = version->attributes;
    const bool folder = record.attributes.kind == FileKind::directory;
    record.nlink = folder ? 2 : std::max<uint32_t>(1, static_cast<uint32_t>(names.size()));
    record.archived = record.attributes.kind == FileKind::file;
    record.archive_limit_bytes = record.archived ? record.attributes.size_bytes : 0;
    TRY(erase_ranges(inode, RangeKind::clean, batch));
    TRY(erase_ranges(inode, RangeKind::dirty, batch));
    batch.put_inode(inode, record);
    put_key(batch, inode);
    if (object) unwanted_.push_back(inode);
    return {};
  }
  for (const Name& name : names) batch.erase_entry(name.parent, name.name, inode);
  return {};
}

Result<void> Repairer::recover_nameless(InodeNumber inode, Batch& batch) {
  TRY_ASSIGN(const auto record, catalog_.inode(inode));
  TRY_ASSIGN(const auto names, catalog_.names(inode));
  if (!record || !names.empty()) return {};
  std::string wanted = fmt::format("inode {}", inode);
  if (const auto object = scratch_.open_object(inode, O_RDONLY)) {
    if (const auto tag = scratch_.read_tag(object->get()); tag && !tag->name.empty())
      wanted = tag->name;
  }
  TRY_ASSIGN(const auto in_base, catalog_.base_names(inode));
  if (!in_base.empty()) wanted = in_base.front().name;
  TRY_ASSIGN(const InodeNumber folder, recovered_folder(catalog_));
  TRY_ASSIGN(const std::string name, free_name(catalog_, folder, wanted, inode));
  TRY(give_name(catalog_, batch, folder, name, inode, record->attributes.kind));
  for (const Name& old : in_base)
    batch.put_journal(JournalKey::of_entry(old.parent, old.name), {Timestamp::now(), ""});
  if (record->attributes.kind == FileKind::directory) return {};
  InodeRecord named = *record;
  named.nlink = 1;
  batch.put_inode(inode, named);
  return {};
}

Result<void> Repairer::break_loop(InodeNumber inode, Batch& batch) {
  TRY_ASSIGN(const auto names, catalog_.names(inode));
  TRY_ASSIGN(const InodeNumber folder, recovered_folder(catalog_));
  if (names.empty() || names.front().parent == folder) return {};
  const Name& old = names.front();
  TRY_ASSIGN(auto parent, catalog_.inode(old.parent));
  batch.erase_entry(old.parent, old.name, inode);
  if (parent && parent->nlink > 2) {
    --parent->nlink;
    batch.put_inode(old.parent, *parent);
  }
  batch.put_journal(JournalKey::of_entry(old.parent, old.name), {Timestamp::now(), ""});
  TRY_ASSIGN(const std::string name, free_name(catalog_, folder, old.name, inode));
  return give_name(catalog_, batch, folder, name, inode, FileKind::directory);
}

Result<void> Repairer::erase_ranges(InodeNumber inode, RangeKind kind, Batch& batch) {
  const std::string prefix = encoding::residency_prefix(inode, kind);
  return catalog_.store().scan(Family::residency, prefix, encoding::prefix_end(prefix),
                               [&](std::string_view key, std::string_view) {
                                 batch.erase_record(Family::residency, key);
                                 return true;
                               });
}

Result<IntervalSet> Repairer::joined_ranges(InodeNumber inode, RangeKind kind) const {
  TRY_ASSIGN(const auto ranges, View(catalog_.store()).ranges(inode, kind));
  IntervalSet set;
  for (const auto& range : ranges) set.add(range.begin, range.end);
  return set;
}

// Dirty ranges only grow by it; clean chunks can be fetched again.
Result<void> Repairer::join_ranges(InodeNumber inode, Batch& batch) {
  TRY_ASSIGN(const IntervalSet dirty, joined_ranges(inode, RangeKind::dirty));
  TRY(erase_ranges(inode, RangeKind::clean, batch));
  TRY(erase_ranges(inode, RangeKind::dirty, batch));
  IntervalSet stored;
  for (const auto& range : dirty.intervals())
    batch.change_ranges(inode, RangeKind::dirty, stored.add(range.begin, range.end));
  return {};
}

// What lies in the object and does not count as clean may be new: of a file that the archive has,
// the parts with data; of any other, all of it.
Result<void> Repairer::count_as_new(InodeNumber inode, Batch& batch) {
  TRY_ASSIGN(const auto record, catalog_.inode(inode));
  TRY_ASSIGN(const auto version, catalog_.version(inode));
  auto object = scratch_.open_object(inode, O_RDONLY);
  if (!object && !is_missing(object.error())) return object.error();
  if (!record || !object) return {};
  InodeRecord right = *record;
  put_key(batch, inode);
  if (!version || !record->archived) {
    TRY(erase_ranges(inode, RangeKind::clean, batch));
    TRY(erase_ranges(inode, RangeKind::dirty, batch));
    right.content = Content::unknown;
    batch.put_inode(inode, right);
    return {};
  }
  TRY_ASSIGN(IntervalSet dirty, joined_ranges(inode, RangeKind::dirty));
  TRY_ASSIGN(const IntervalSet clean, joined_ranges(inode, RangeKind::clean));
  TRY(erase_ranges(inode, RangeKind::dirty, batch));
  TRY_ASSIGN(const auto data, data_ranges(object->get(), {0, record->attributes.size_bytes}));
  const uint64_t chunk_bytes = catalog_.chunk_bytes();
  for (const ByteRange& range : data) {
    for (uint64_t begin = range.begin; begin < range.end;) {
      const uint64_t end = std::min(range.end, (begin / chunk_bytes + 1) * chunk_bytes);
      if (!clean.contains(begin / chunk_bytes)) dirty.add(begin, end);
      begin = end;
    }
  }
  IntervalSet stored;
  for (const auto& range : dirty.intervals())
    batch.change_ranges(inode, RangeKind::dirty, stored.add(range.begin, range.end));
  return {};
}

// It has no byte of its own: the next scan takes the archive's file in again, under a new number.
Result<void> Repairer::forget_inode(InodeNumber inode, Batch& batch) {
  TRY_ASSIGN(const auto names, catalog_.names(inode));
  TRY_ASSIGN(const auto in_base, catalog_.base_names(inode));
  TRY_ASSIGN(const auto xattrs, catalog_.xattrs(inode));
  TRY_ASSIGN(const auto record, catalog_.inode(inode));
  for (const Name& name : names) {
    batch.erase_entry(name.parent, name.name, inode);
    batch.erase_journal(JournalKey::of_entry(name.parent, name.name));
  }
  for (const Name& name : in_base) batch.erase_base(name, inode);
  for (const auto& [name, value] : xattrs) batch.erase_xattr(inode, name);
  TRY(erase_ranges(inode, RangeKind::clean, batch));
  TRY(erase_ranges(inode, RangeKind::dirty, batch));
  const std::string prefix = encoding::inode_key(inode);
  TRY(catalog_.store().scan(Family::checksum, prefix, encoding::prefix_end(prefix),
                            [&](std::string_view key, std::string_view) {
                              batch.erase_record(Family::checksum, key);
                              return true;
                            }));
  batch.erase_version(inode);
  batch.erase_heat(inode);
  batch.erase_journal(JournalKey::of_inode(inode));
  batch.erase_inode(inode);
  if (record && record->has_object) {
    batch.put_unsynced(scratch_.epoch(), inode);
    unwanted_.push_back(inode);
  }
  return {};
}

Result<void> Repairer::drop_object(InodeNumber inode, Batch& batch) {
  TRY_ASSIGN(const auto record, catalog_.inode(inode));
  if (!record || !record->has_object) return {};
  InodeRecord right = *record;
  right.has_object = false;
  TRY(erase_ranges(inode, RangeKind::clean, batch));
  batch.put_inode(inode, right);
  return {};
}

// The bytes are gone. What the archive has of the file is all there is.
Result<void> Repairer::lose_object(InodeNumber inode, Batch& batch) {
  TRY_ASSIGN(const auto record, catalog_.inode(inode));
  TRY_ASSIGN(const auto version, catalog_.version(inode));
  if (!record) return {};
  if (!version || !record->archived) return forget_inode(inode, batch);
  InodeRecord right = *record;
  right.attributes.size_bytes = version->attributes.size_bytes;
  right.attributes.mtime = version->attributes.mtime;
  right.generation = record->generation.next();
  right.writing = false;
  right.content = Content::known;
  right.has_object = false;
  right.pending_truncate.reset();
  right.archive_limit_bytes = version->attributes.size_bytes;
  TRY(erase_ranges(inode, RangeKind::clean, batch));
  TRY(erase_ranges(inode, RangeKind::dirty, batch));
  batch.put_inode(inode, right);
  return {};
}

// The object is the only copy: the next start takes its size and times, as after a crash.
Result<void> Repairer::take_object_size(InodeNumber inode, Batch& batch) {
  TRY_ASSIGN(const auto record, catalog_.inode(inode));
  TRY_ASSIGN(const UniqueFd object, scratch_.open_object(inode, O_RDONLY));
  TRY_ASSIGN(const auto st, posix::stat_fd(object.get()));
  if (!record) return {};
  InodeRecord right = *record;
  right.attributes.size_bytes = static_cast<uint64_t>(st.st_size);
  right.attributes.mtime = posix::modification_time(st);
  batch.put_inode(inode, right);
  put_key(batch, inode);
  return {};
}

Result<void> Repairer::adopt_object(InodeNumber inode, Batch& batch) {
  TRY_ASSIGN(const UniqueFd object, scratch_.open_object(inode, O_RDONLY));
  TRY_ASSIGN(const auto st, posix::stat_fd(object.get()));
  const auto tag = scratch_.read_tag(object.get());
  TRY_ASSIGN(const auto known, catalog_.inode(inode));
  if (known && known->has_object) return {};
  const bool empty = st.st_blocks == 0 && st.st_size == 0;
  const bool clean = tag && !tag->is_dirty();
  if (empty || clean) {
    unwanted_.push_back(inode);
    return {};
  }
  if (known) {
    InodeRecord right = *known;
    right.has_object = true;
    right.writing = true;
    batch.put_inode(inode, right);
    put_key(batch, inode);
    return {};
  }
  TRY(catalog_.reserve_above(inode));
  ObjectTag place = tag ? *tag : ObjectTag{};
  place.kind = FileKind::file;
  if (!tag) place.mode = 0600;
  TRY_ASSIGN(const InodeRecord record, record_of_object(inode, place, object.get()));
  InodeNumber folder = place.parent;
  TRY_ASSIGN(const auto parent, catalog_.inode(folder));
  if (!parent || parent->attributes.kind != FileKind::directory) {
    TRY_ASSIGN(folder, recovered_folder(catalog_));
  }
  const std::string wanted = place.name.empty() ? fmt::format("inode {}", inode) : place.name;
  TRY_ASSIGN(const std::string name, free_name(catalog_, folder, wanted, inode));
  batch.put_inode(inode, record);
  return give_name(catalog_, batch, folder, name, inode, FileKind::file);
}

Result<void> Repairer::write_tag(InodeNumber inode) {
  InodeTable inodes(catalog_, 1000);
  TRY_ASSIGN(const InodeLock lock, inodes.lock_existing(inode));
  TRY_ASSIGN(const UniqueFd object, scratch_.open_object(inode, O_RDONLY));
  TRY(tag_object(catalog_, scratch_, object.get(), *lock, lock->rec()));
  return posix::sync_fd(object.get());
}

Result<void> Repairer::drop_chunk(InodeNumber inode, uint64_t chunk, Batch& batch) {
  TRY_ASSIGN(IntervalSet clean, joined_ranges(inode, RangeKind::clean));
  batch.change_ranges(inode, RangeKind::clean, clean.remove(chunk, chunk + 1));
  return {};
}

Result<RepairCounts> repair(Catalog& catalog, const Scratch& scratch, const CheckOptions& options,
                            const std::function<void(const Finding&)>& found) {
  RepairCounts counts;
  constexpr int kTries = 3;
  std::map<std::tuple<FindingCode, InodeNumber, std::string>, int> tries;
  Repairer repairer(catalog, scratch);
  // To open the catalog for changes has taken its mark away.
  CheckOptions check = options;
  if (catalog.clean_shutdown()) check.ended = CheckOptions::Ended::well;
  for (;;) {
    std::vector<Finding> findings;
    Checker checker(catalog.store(), scratch, check, [&](Finding finding) {
      if (findings.size() < kFindingsPerRound) findings.push_back(std::move(finding));
    });
    TRY(checker.run());
    check.numbers = CheckOptions::Numbers::given_out_since;
    uint64_t repaired = 0;
    counts.left = 0;
    for (const Finding& finding : findings) {
      int& tried = tries[{finding.code, finding.inode, finding.detail}];
      if (tried++ == 0) found(finding);
      if (!finding.is_damage()) continue;
      // What is still there after its repair is left to people.
      if (finding.remedy == Remedy::none || tried > kTries) {
        ++counts.left;
        continue;
      }
      TRY(repairer.apply(finding));
      ++repaired;
    }
    counts.repaired += repaired;
    if (repaired == 0) return counts;
  }
}

}  // namespace tierhub::recovery
