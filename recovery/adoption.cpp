#include "recovery/adoption.h"

#include <algorithm>
#include <functional>
#include <future>
#include <unordered_set>

#include <fcntl.h>

#include <fmt/format.h>

#include "catalog/encoding.h"
#include "common/access_list.h"
#include "common/extents.h"
#include "common/fault_points.h"
#include "common/log.h"
#include "common/posix.h"
#include "inodes/inode_table.h"
#include "recovery/recovered_folder.h"
#include "recovery/view.h"
#include "storage/scratch/object_state.h"

namespace tierhub::recovery {
namespace {

ObjectTag nameless(InodeNumber inode) {
  ObjectTag tag;
  tag.inode = inode;
  tag.mode = 0600;
  return tag;
}

}  // namespace

Result<AdoptionCounts> Adoption::run() {
  TRY(read_tags());
  TRY(find_identities());
  // Folders that were made and are empty come back too.
  std::vector<InodeNumber> folders;
  for (const auto& [inode, tag] : folder_tags_) folders.push_back(inode);
  for (const InodeNumber folder : folders) TRY(folder_for(folder, {}, false));
  for (const auto& [inode, tag] : files_) TRY(adopt(inode, tag));
  for (const auto& [inode, tag] : files_) TRY(add_further_names(inode, tag));
  return counts_;
}

// The newest first: of several that had the same name one after the other it gets the name.
Result<AdoptionCounts> Adoption::run_forgotten(std::vector<InodeNumber> objects) {
  TRY_ASSIGN(const auto unsynced, catalog_.unsynced());
  std::unordered_set<InodeNumber> erased;
  for (const auto& [epoch, inode] : unsynced) erased.insert(inode);
  std::sort(objects.begin(), objects.end(), std::greater<>());
  for (const InodeNumber inode : objects) {
    TRY_ASSIGN(const auto record, catalog_.inode(inode));
    if (record) {
      TRY(give_object(inode, *record));
    } else if (!erased.contains(inode)) {
      TRY(read_tag(inode));
    }
  }
  for (const auto& [inode, tag] : files_) {
    TRY_ASSIGN(const bool promised, may_be_promised(inode, tag));
    if (promised) TRY(adopt_new(inode, tag));
  }
  for (const auto& [inode, tag] : files_) TRY(add_further_names(inode, tag));
  return counts_;
}

Result<bool> Adoption::may_be_promised(InodeNumber inode, const ObjectTag& tag) const {
  if (tag.bytes != ObjectTag::Bytes::all || !tag.base.empty()) return false;
  TRY_ASSIGN(const UniqueFd object, scratch_.open_object(inode, O_RDONLY));
  TRY_ASSIGN(const auto st, posix::stat_fd(object.get()));
  const auto size_bytes = static_cast<uint64_t>(st.st_size);
  if (!tag.name.empty()) return size_bytes > 0;
  // Without a name in its tag it may be one whose content never arrived.
  TRY_ASSIGN(const auto data, data_ranges(object.get(), {0, size_bytes}));
  return !data.empty();
}

// A file that was made without an object (mknod), and that the archive never had, gave none up: the
// log has forgotten this one.
Result<void> Adoption::give_object(InodeNumber inode, const InodeRecord& record) {
  if (record.attributes.kind != FileKind::file || record.archived || record.has_object ||
      record.nlink == 0)
    return {};
  InodeRecord right = record;
  right.generation = record.generation.next();
  right.has_object = right.writing = true;
  right.content = Content::unknown;
  Batch batch;
  batch.put_inode(inode, right);
  batch.put_journal(JournalKey::of_inode(inode), new_key());
  TRY(catalog_.commit(batch));
  fault_point(FaultPoint::adopt_after_commit);
  adopted_.push_back(inode);
  return {};
}

Result<void> Adoption::read_tags() {
  std::vector<InodeNumber> objects;
  TRY(scratch_.for_each_object([&](InodeNumber inode, uint64_t) { objects.push_back(inode); }));
  std::sort(objects.begin(), objects.end());
  for (const InodeNumber inode : objects) TRY(read_tag(inode));
  return {};
}

Result<void> Adoption::read_tag(InodeNumber inode) {
  TRY_ASSIGN(const UniqueFd object, scratch_.open_object(inode, O_RDONLY));
  auto tag = scratch_.read_tag(object.get());
  if (!tag && tag.error().is(std::errc::not_supported)) return tag.error();
  TRY_ASSIGN(const auto st, posix::stat_fd(object.get()));
  if (!tag && st.st_size == 0) return {};
  if (!tag) {
    files_.emplace_back(inode, nameless(inode));
  } else if (tag->removed) {
    return {};
  } else if (tag->kind == FileKind::directory) {
    folder_tags_.emplace(inode, *std::move(tag));
  } else {
    files_.emplace_back(inode, *std::move(tag));
  }
  return {};
}

Result<void> Adoption::find_identities() {
  std::unordered_set<std::string> wanted;
  for (const auto& [inode, tag] : files_) {
    if (!tag.base.empty()) wanted.insert(tag.base.bytes);
  }
  for (const auto& [inode, tag] : folder_tags_) {
    if (!tag.base.empty()) wanted.insert(tag.base.bytes);
  }
  TRY(View(catalog_.store())
          .each(Family::version, "",
                [&](std::string_view key, std::string_view value) -> Result<void> {
                  TRY_ASSIGN(const uint64_t number, encoding::decode_number_key(key));
                  TRY_ASSIGN(const ArchiveVersion version, encoding::decode_version(value));
                  if (wanted.contains(version.identity.bytes))
                    archived_.emplace(version.identity.bytes, InodeNumber(number));
                  return {};
                }));
  // What the archive still has as the tag says needs no object.
  std::optional<Error> failure;
  std::erase_if(files_, [&](const auto& file) {
    if (file.second.is_dirty() || failure) return false;
    const auto same = is_archived_as_tagged(file.second);
    if (!same) failure = same.error();
    return same && *same;
  });
  if (failure) return *failure;
  return {};
}

Result<bool> Adoption::is_archived_as_tagged(const ObjectTag& tag) const {
  const auto found = archived_.find(tag.base.bytes);
  if (tag.base.empty() || found == archived_.end()) return false;
  TRY_ASSIGN(const auto version, catalog_.version(found->second));
  return version && version->attributes.size_bytes == tag.base_size_bytes &&
         version->attributes.mtime == tag.base_mtime;
}

Result<void> Adoption::adopt(InodeNumber inode, const ObjectTag& tag) {
  TRY_ASSIGN(const bool base_stands, is_archived_as_tagged(tag));
  if (base_stands) return adopt_newer(inode, tag, archived_.at(tag.base.bytes));
  return adopt_new(inode, tag);
}

// As of a file that is being written: the next start takes size and times from the object.
Result<InodeRecord> Adoption::record_of(InodeNumber inode, const ObjectTag& tag, Batch& batch) {
  TRY_ASSIGN(const UniqueFd object, scratch_.open_object(inode, O_RDONLY));
  TRY_ASSIGN(const auto st, posix::stat_fd(object.get()));
  const auto size_bytes = static_cast<uint64_t>(st.st_size);
  InodeRecord record;
  record.attributes.mode = tag.mode;
  record.attributes.uid = tag.uid;
  record.attributes.gid = tag.gid;
  record.attributes.size_bytes = size_bytes;
  record.attributes.mtime = posix::modification_time(st);
  record.attributes.atime = tag.atime == Timestamp() ? record.attributes.mtime : tag.atime;
  record.attributes.ctime = record.attributes.btime = Timestamp::now();
  record.generation = tag.generation.next();
  record.writing = true;
  record.has_object = true;
  record.content = Content::unknown;
  if (tag.bytes != ObjectTag::Bytes::some) return record;
  record.content = Content::known;
  IntervalSet dirty;
  TRY_ASSIGN(const auto data, data_ranges(object.get(), {0, size_bytes}));
  for (const ByteRange& range : data) dirty.add(range.begin, range.end);
  for (const ByteRange& range : tag.new_ranges) dirty.add(range.begin, range.end);
  IntervalSet stored;
  for (const auto& range : dirty.intervals())
    batch.change_ranges(inode, RangeKind::dirty, stored.add(range.begin, range.end));
  return record;
}

// The archive has the version that the object's bytes are newer than.
Result<void> Adoption::adopt_newer(InodeNumber inode, const ObjectTag& tag, InodeNumber archived) {
  Batch batch;
  TRY_ASSIGN(InodeRecord record, record_of(inode, tag, batch));
  record.archived = true;
  record.archive_limit_bytes = std::min(tag.archive_limit_bytes, tag.base_size_bytes);
  TRY(take_over(inode, archived, std::move(record), batch));
  TRY(catalog_.commit(batch));
  ++counts_.newer;
  adopted_.push_back(inode);
  Batch moved;
  TRY(move_to(inode, tag, moved));
  return moved.empty() ? Result<void>() : catalog_.commit(moved);
}

// All that the import gave to `archived` is `inode`'s.
Result<void> Adoption::take_over(InodeNumber inode, InodeNumber archived, InodeRecord record,
                                 Batch& batch) {
  TRY_ASSIGN(const auto names, catalog_.names(archived));
  TRY_ASSIGN(const auto in_base, catalog_.base_names(archived));
  TRY_ASSIGN(const auto xattrs, catalog_.xattrs(archived));
  TRY_ASSIGN(const auto version, catalog_.version(archived));
  record.nlink = static_cast<uint32_t>(names.size());
  batch.erase_inode(archived);
  batch.put_inode(inode, record);
  for (const Name& name : names) {
    batch.erase_entry(name.parent, name.name, archived);
    batch.put_entry(name.parent, name.name, inode);
  }
  for (const Name& name : in_base) {
    batch.erase_base(name, archived);
    batch.put_base(name, {inode, FileKind::file});
  }
  for (const auto& [name, value] : xattrs) {
    batch.erase_xattr(archived, name);
    batch.put_xattr(inode, name, value);
  }
  batch.erase_version(archived);
  if (version) batch.put_version(inode, *version);
  batch.put_journal(JournalKey::of_inode(inode), new_key());
  return {};
}

// The file was renamed, and the archive does not know it yet.
Result<void> Adoption::move_to(InodeNumber inode, const ObjectTag& tag, Batch& batch) {
  TRY_ASSIGN(const auto names, catalog_.names(inode));
  TRY_ASSIGN(const auto parent, folder_for(tag.parent, tag.folders, tag.from_root));
  if (!parent || tag.name.empty() || names.size() != 1) return {};
  const Name& old = names.front();
  if (old == Name{*parent, tag.name}) return {};
  TRY_ASSIGN(const auto taken, catalog_.lookup(*parent, tag.name));
  if (taken) return {};
  batch.erase_entry(old.parent, old.name, inode);
  batch.put_entry(*parent, tag.name, inode);
  batch.put_journal(JournalKey::of_entry(old.parent, old.name), new_key());
  batch.put_journal(JournalKey::of_entry(*parent, tag.name), new_key());
  return {};
}

Result<void> Adoption::adopt_new(InodeNumber inode, const ObjectTag& tag) {
  TRY_ASSIGN(auto folder, folder_for(tag.parent, tag.folders, tag.from_root));
  const bool lost_place = !folder || tag.name.empty();
  if (lost_place) {
    TRY_ASSIGN(folder, recovered_folder(catalog_));
  }
  const std::string wanted = tag.name.empty() ? fmt::format("inode {}", inode) : tag.name;
  TRY_ASSIGN(const auto standing, catalog_.lookup(*folder, wanted));
  if (standing && archive_ != nullptr) {
    TRY_ASSIGN(const bool same, equals_archived(inode, *standing));
    if (same) {
      // It was published, and its tag does not know it yet: the object is not wanted any more.
      Batch erased;
      erased.put_unsynced(scratch_.epoch(), inode);
      return catalog_.commit(erased);
    }
  }
  ObjectTag whole = tag;
  if (tag.bytes == ObjectTag::Bytes::some) ++counts_.incomplete;
  whole.bytes = ObjectTag::Bytes::all;
  Batch batch;
  TRY_ASSIGN(InodeRecord record, record_of(inode, whole, batch));
  // Its access list is lost. The group's bits were the list's mask: they may be more than its group
  // had.
  if (archive_ == nullptr) {
    TRY_ASSIGN(const auto list, catalog_.xattr(*folder, kDefaultListXattr));
    if (list) record.attributes.mode &= ~uint32_t{070};
  }
  TRY_ASSIGN(const std::string name, free_name(catalog_, *folder, wanted, inode));
  batch.put_inode(inode, record);
  TRY(give_name(catalog_, batch, *folder, name, inode, FileKind::file));
  TRY(catalog_.commit(batch));
  fault_point(FaultPoint::adopt_after_commit);
  ++(lost_place ? counts_.recovered : standing ? counts_.conflicts : counts_.added);
  adopted_.push_back(inode);
  return {};
}

Result<void> Adoption::add_further_names(InodeNumber inode, const ObjectTag& tag) {
  for (const Name& further : tag.further_names) {
    TRY_ASSIGN(auto record, catalog_.inode(inode));
    TRY_ASSIGN(const auto folder, folder_for(further.parent, {}, false));
    if (!record || !folder) continue;
    TRY_ASSIGN(const auto taken, catalog_.lookup(*folder, further.name));
    if (taken) continue;
    ++record->nlink;
    Batch batch;
    batch.put_inode(inode, *record);
    TRY(give_name(catalog_, batch, *folder, further.name, inode, FileKind::file));
    TRY(catalog_.commit(batch));
  }
  return {};
}

Result<bool> Adoption::equals_archived(InodeNumber object, InodeNumber archived) {
  constexpr uint64_t kPieceChunks = 16;
  TRY_ASSIGN(const auto record, catalog_.inode(archived));
  TRY_ASSIGN(const auto version, catalog_.version(archived));
  TRY_ASSIGN(const auto path, catalog_.base_path(archived));
  TRY_ASSIGN(const UniqueFd fd, scratch_.open_object(object, O_RDONLY));
  TRY_ASSIGN(const auto st, posix::stat_fd(fd.get()));
  const auto size_bytes = static_cast<uint64_t>(st.st_size);
  if (!record || !version || !path || record->attributes.kind != FileKind::file ||
      version->attributes.size_bytes != size_bytes)
    return false;
  TRY_ASSIGN(const UniqueFd copy,
             posix::open_at(AT_FDCWD, scratch_.folder() + "/reap", O_TMPFILE | O_RDWR, 0600));
  const uint64_t chunk_bytes = catalog_.chunk_bytes();
  for (uint64_t begin = 0; begin < size_bytes; begin += kPieceChunks * chunk_bytes) {
    const uint64_t end = std::min(size_bytes, begin + kPieceChunks * chunk_bytes);
    std::promise<Result<FillResult>> promise;
    auto answer = promise.get_future();
    archive_->fill({*path, *version, copy.get(), {begin, end}, size_bytes, chunk_bytes},
                   [&](Result<FillResult> result) { promise.set_value(std::move(result)); });
    TRY_ASSIGN(const FillResult filled, answer.get());
    TRY(posix::punch_hole(copy.get(), begin, end));
    for (size_t i = 0; i < filled.checksums.size(); ++i) {
      const uint64_t at = begin + i * chunk_bytes;
      std::vector<std::byte> bytes(std::min(chunk_bytes, end - at));
      TRY_ASSIGN(const size_t n, posix::read_at(fd.get(), bytes, at));
      if (n != bytes.size() || checksum(bytes) != filled.checksums[i]) return false;
    }
  }
  return true;
}

Result<std::optional<InodeNumber>> Adoption::folder_for(InodeNumber old, const Folders& above,
                                                        bool from_root) {
  using Answer = std::optional<InodeNumber>;
  if (old == kRootInode) return Answer(kRootInode);
  if (old == kNoInode) return Answer();
  if (archive_ == nullptr) {
    TRY_ASSIGN(const auto record, catalog_.inode(old));
    if (record && record->attributes.kind == FileKind::directory) return Answer(old);
  }
  if (const auto known = folders_.find(old); known != folders_.end() && known->second)
    return known->second;
  folders_[old] = std::nullopt;  // tags that lead in a circle end here
  Answer found;
  if (const auto tagged = folder_tags_.find(old); tagged != folder_tags_.end()) {
    TRY_ASSIGN(found, tagged_folder(old, tagged->second));
  } else {
    const auto step = std::find_if(above.begin(), above.end(),
                                   [&](const auto& folder) { return folder.first == old; });
    if (step == above.end()) return Answer();
    const Folders further(above.begin(), step);
    const InodeNumber outer =
        further.empty() ? (from_root ? kRootInode : kNoInode) : further.back().first;
    TRY_ASSIGN(const Answer parent, folder_for(outer, further, from_root));
    if (!parent) return Answer();
    TRY_ASSIGN(found, find_or_make(*parent, step->second, [&]() -> Result<InodeNumber> {
                 TRY_ASSIGN(const InodeNumber number, catalog_.allocate_inode());
                 InodeRecord record;
                 record.attributes.mode = 0700;
                 record.attributes.atime = record.attributes.mtime = Timestamp::now();
                 return make_folder(*parent, step->second, number, record);
               }));
  }
  folders_[old] = found;
  return found;
}

Result<std::optional<InodeNumber>> Adoption::tagged_folder(InodeNumber old, const ObjectTag& tag) {
  TRY_ASSIGN(auto parent, folder_for(tag.parent, tag.folders, tag.from_root));
  const auto in_archive = archived_.find(tag.base.bytes);
  if (!tag.base.empty() && in_archive != archived_.end()) {
    Batch moved;
    TRY(move_to(in_archive->second, tag, moved));
    if (!moved.empty()) TRY(catalog_.commit(moved));
    return std::optional<InodeNumber>(in_archive->second);
  }
  if (!parent) {
    TRY_ASSIGN(parent, recovered_folder(catalog_));
  }
  TRY_ASSIGN(const InodeNumber found, find_or_make(*parent, tag.name, [&]() -> Result<InodeNumber> {
               InodeRecord record;
               record.attributes.mode = tag.mode;
               record.attributes.uid = tag.uid;
               record.attributes.gid = tag.gid;
               record.attributes.atime = record.attributes.mtime =
                   tag.mtime == Timestamp() ? Timestamp::now() : tag.mtime;
               record.has_object = true;
               return make_folder(*parent, tag.name, old, record);
             }));
  return std::optional<InodeNumber>(found);
}

Result<InodeNumber> Adoption::find_or_make(InodeNumber parent, const std::string& name,
                                           const std::function<Result<InodeNumber>()>& make) {
  TRY_ASSIGN(const auto there, catalog_.lookup(parent, name));
  if (!there) return make();
  TRY_ASSIGN(const auto record, catalog_.inode(*there));
  if (record && record->attributes.kind == FileKind::directory) return *there;
  return make();
}

Result<InodeNumber> Adoption::make_folder(InodeNumber parent, const std::string& name,
                                          InodeNumber number, const InodeRecord& record) {
  InodeRecord folder = record;
  folder.attributes.kind = FileKind::directory;
  folder.attributes.ctime = folder.attributes.btime = Timestamp::now();
  folder.nlink = 2;
  Batch batch;
  batch.put_inode(number, folder);
  TRY_ASSIGN(const std::string free, free_name(catalog_, parent, name, number));
  TRY(give_name(catalog_, batch, parent, free, number, FileKind::directory));
  TRY(catalog_.commit(batch));
  ++counts_.folders;
  return number;
}

Result<void> adopt_forgotten(Catalog& catalog, const Scratch& scratch,
                             const std::vector<InodeNumber>& objects) {
  // What an older TierHub erased is not noted.
  if (objects.empty() || !catalog.notes_erasures()) return {};
  Adoption adoption(catalog, scratch);
  TRY_ASSIGN(const AdoptionCounts counts, adoption.run_forgotten(objects));
  if (adoption.adopted().empty()) return {};
  log::warning("the catalog lost newly created files in a power failure; they are back",
               {{"files", adoption.adopted().size()},
                {"folders", counts.folders},
                {"beside_a_taken_name", counts.conflicts},
                {"in_recovered_folder", counts.recovered}});
  TRY(catalog.sync());
  return write_tags(catalog, scratch, adoption.adopted());
}

Result<void> write_tags(Catalog& catalog, const Scratch& scratch,
                        const std::vector<InodeNumber>& inodes) {
  InodeTable table(catalog, kInodesInMemory);
  for (const InodeNumber inode : inodes) {
    TRY_ASSIGN(const InodeLock lock, table.lock(inode));
    if (!lock.exists()) continue;
    TRY_ASSIGN(const UniqueFd object, scratch.open_object(inode, O_RDONLY));
    TRY(tag_object(catalog, scratch, object.get(), *lock, lock->rec()));
  }
  return scratch.sync();
}

}  // namespace tierhub::recovery
