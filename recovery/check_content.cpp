// Bytes: what the catalog says of them against the objects of scratch and the archive.
#include <algorithm>

#include <fcntl.h>

#include <fmt/format.h>

#include "common/posix.h"
#include "inodes/inode_table.h"
#include "recovery/check.h"

namespace tierhub::recovery {
namespace {

// Sorted, not empty, and with a gap between any two.
bool are_legal(const std::vector<IntervalSet::Interval>& ranges) {
  for (size_t i = 0; i < ranges.size(); ++i) {
    if (ranges[i].begin >= ranges[i].end) return false;
    if (i > 0 && ranges[i].begin <= ranges[i - 1].end) return false;
  }
  return true;
}

bool touch(const std::vector<IntervalSet::Interval>& ranges, uint64_t begin, uint64_t end) {
  return std::any_of(ranges.begin(), ranges.end(), [&](const IntervalSet::Interval& range) {
    return range.begin < end && range.end > begin;
  });
}

}  // namespace

bool Checker::FileState::has_new_bytes() const {
  return record.writing || !dirty.empty() ||
         (record.content == Content::unknown &&
          (record.has_object || record.attributes.size_bytes > 0));
}

Result<void> Checker::check_file(InodeNumber inode, const InodeRecord& record) {
  FileState file{inode, record, {}, {}, {}};
  TRY_ASSIGN(file.clean, view_.ranges(inode, RangeKind::clean));
  TRY_ASSIGN(file.dirty, view_.ranges(inode, RangeKind::dirty));
  TRY_ASSIGN(file.version, view_.version(inode));
  TRY_ASSIGN(const bool ranges_ok, check_ranges(file));
  if (!ranges_ok) return {};
  TRY_ASSIGN(const bool archived_ok, check_archived(file));
  if (!archived_ok) return {};
  return check_object(file);
}

Result<bool> Checker::check_ranges(const FileState& file) {
  const uint64_t size_bytes =
      std::max(file.record.attributes.size_bytes,
               file.version ? file.version->attributes.size_bytes : uint64_t{0});
  const uint64_t chunks = (size_bytes + chunk_bytes_ - 1) / chunk_bytes_;
  const bool beyond = !file.record.writing && !file.clean.empty() && file.clean.back().end > chunks;
  if (are_legal(file.clean) && are_legal(file.dirty) && !beyond) return true;
  TRY(report(FindingCode::residency_ranges, file.inode, "", Remedy::join_ranges));
  return false;
}

// What is not in scratch must be in the archive, and what has changed must have a key.
Result<bool> Checker::check_archived(const FileState& file) {
  const InodeRecord& record = file.record;
  if (record.nlink == 0) return true;
  if (!file.clean.empty() && !file.in_archive()) {
    TRY(report(FindingCode::residency_unarchived, file.inode, "", Remedy::count_as_new));
    return false;
  }
  const uint64_t recallable =
      record.archived && record.content == Content::known
          ? std::min(record.attributes.size_bytes, record.archive_limit_bytes)
          : 0;
  InodeState state;
  state.record = record;
  state.chunk_bytes = chunk_bytes_;
  for (const auto& range : file.clean) state.clean.add(range.begin, range.end);
  for (const auto& range : file.dirty) state.dirty.add(range.begin, range.end);
  if (!state.absent_chunks({0, recallable}).empty()) {
    TRY_ASSIGN(const auto path, view_.base_path(file.inode));
    if (!path || !file.version) {
      const Remedy remedy = file.has_new_bytes() ? Remedy::none : Remedy::forget_inode;
      TRY(report(FindingCode::content_unreachable, file.inode, "", remedy));
      return false;
    }
  }
  if (!state.is_dirty()) return true;
  const JournalKey key = JournalKey::of_inode(file.inode);
  TRY_ASSIGN(const bool has_key, view_.has_key(key));
  if (has_key) return true;
  Batch fix;
  fix.put_journal(key, {Timestamp::now(), ""});
  TRY(report(FindingCode::journal_missing, file.inode, "new bytes", Remedy::apply, std::move(fix)));
  return false;
}

Result<void> Checker::check_object(const FileState& file) {
  auto object = scratch_.open_object(file.inode, O_RDONLY);
  if (!object && !is_missing(object.error())) return object.error();
  if (!object || !file.record.has_object) return check_missing_object(file);
  TRY_ASSIGN(const auto st, posix::stat_fd(object->get()));
  TRY(check_size(file, static_cast<uint64_t>(st.st_size)));
  if (is_blamed(file.inode)) return {};
  TRY(check_tag(file, object->get()));
  if (options_.data == CheckOptions::Data::read) return check_data(file, object->get());
  return {};
}

// There is no object, or none that the record knows of.
Result<void> Checker::check_missing_object(const FileState& file) {
  const bool wanted = file.record.has_object || !file.clean.empty() || file.has_new_bytes();
  if (!wanted) return {};
  // An object that the record does not know of is judged with the objects.
  if (!file.record.has_object && scratch_.open_object(file.inode, O_RDONLY)) {
    return report(FindingCode::object_stray, file.inode, "its bytes count as present",
                  Remedy::adopt_object);
  }
  if (set_aside_.contains(file.inode))
    return report(FindingCode::left_to_tierd, file.inode, "object in reap", Remedy::none);
  if (!file.has_new_bytes() && file.in_archive())
    return report(FindingCode::object_missing, file.inode, "", Remedy::drop_object);
  return report(FindingCode::object_lost, file.inode, "", Remedy::lose_object);
}

Result<void> Checker::check_size(const FileState& file, uint64_t object_bytes) {
  const InodeRecord& record = file.record;
  if (record.writing || record.pending_truncate) return {};
  if (record.content == Content::unknown || !record.archived) {
    if (object_bytes == record.attributes.size_bytes) return {};
    return report(FindingCode::object_short, file.inode,
                  fmt::format("{} bytes of {}", object_bytes, record.attributes.size_bytes),
                  Remedy::take_object_size);
  }
  uint64_t needed = 0;
  if (!file.clean.empty()) needed = file.clean.back().end * chunk_bytes_;
  if (!file.dirty.empty()) needed = std::max(needed, file.dirty.back().end);
  needed = std::min(needed, record.attributes.size_bytes);
  if (object_bytes >= needed) return {};
  return report(FindingCode::object_short, file.inode,
                fmt::format("{} bytes of {}", object_bytes, needed), Remedy::join_ranges);
}

Result<void> Checker::check_tag(const FileState& file, int object_fd) {
  const auto tag = scratch_.read_tag(object_fd);
  if (tag && tag->inode == file.inode && (tag->is_dirty() || !file.has_new_bytes())) return {};
  std::string detail = "marks new bytes as clean";
  if (!tag) detail = "no tag";
  if (tag && tag->inode != file.inode) detail = fmt::format("names inode {}", tag->inode);
  return report(FindingCode::object_tag, file.inode, detail, Remedy::write_tag);
}

Result<void> Checker::check_data(const FileState& file, int object_fd) {
  if (file.record.writing || file.record.content == Content::unknown || !file.in_archive())
    return {};
  // From the device: the page cache would tell what was written, not what is there.
  static_cast<void>(::posix_fadvise(object_fd, 0, 0, POSIX_FADV_DONTNEED));
  const uint64_t archived_bytes = file.version->attributes.size_bytes;
  std::optional<ChecksumGroup> group;
  uint64_t group_number = UINT64_MAX;
  for (const auto& range : file.clean) {
    for (uint64_t chunk = range.begin; chunk < range.end; ++chunk) {
      tick("chunks");
      const uint64_t begin = chunk * chunk_bytes_;
      const uint64_t end = std::min(begin + chunk_bytes_, archived_bytes);
      const bool changed = touch(file.dirty, begin, end) || end > file.record.archive_limit_bytes;
      if (changed || begin >= end) continue;
      if (chunk / kChecksumsPerRecord != group_number) {
        group_number = chunk / kChecksumsPerRecord;
        TRY_ASSIGN(group, view_.checksums(file.inode, group_number));
      }
      if (!group || !group->chunks[chunk % kChecksumsPerRecord]) continue;
      TRY(check_chunk(file, object_fd, chunk, *group->chunks[chunk % kChecksumsPerRecord]));
    }
  }
  return {};
}

Result<void> Checker::check_chunk(const FileState& file, int object_fd, uint64_t chunk,
                                  const Checksum& expected) {
  const uint64_t begin = chunk * chunk_bytes_;
  const uint64_t end = std::min(begin + chunk_bytes_, file.version->attributes.size_bytes);
  std::vector<std::byte> bytes(end - begin);
  const auto n = posix::read_at(object_fd, bytes, begin);
  if (n && *n == bytes.size() && checksum(bytes) == expected) return {};
  const std::string detail = fmt::format("chunk {}{}", chunk, n ? "" : ": " + n.error().text());
  bool fetchable = true;
  if (options_.archive != nullptr) {
    TRY_ASSIGN(const auto path, view_.base_path(file.inode));
    if (!path) return {};
    TRY_ASSIGN(const auto there, options_.archive->stat(*path));
    fetchable = there && is_on_record(*there, *file.version);
  }
  if (!fetchable) return report(FindingCode::chunk_lost, file.inode, detail, Remedy::none);
  return report(FindingCode::chunk_differs, file.inode, detail, Remedy::drop_chunk, {}, chunk);
}

// Objects that no record wants.
Result<void> Checker::check_objects() {
  Result<void> outcome;
  TRY(scratch_.for_each_object([&](InodeNumber inode, uint64_t) {
    tick("objects");
    if (!outcome || is_blamed(inode)) return;
    const auto look = [&]() -> Result<void> {
      TRY_ASSIGN(const auto record, view_.inode(inode));
      if (record && record->has_object) return {};
      if (!clean_stop_)
        return report(FindingCode::left_to_tierd, inode, "object without a record", Remedy::none);
      return report(FindingCode::object_stray, inode, "", Remedy::adopt_object);
    };
    outcome = look();
  }));
  return outcome;
}

Result<void> Checker::check_archive() {
  return view_.each(
      Family::version, "", [&](std::string_view key, std::string_view value) -> Result<void> {
        tick("archive");
        const auto number = encoding::decode_number_key(key);
        const auto version = encoding::decode_version(value);
        if (!number || !version) return {};
        const InodeNumber inode(*number);
        TRY_ASSIGN(const auto path, view_.base_path(inode));
        if (!path || inode == kRootInode) return {};
        TRY_ASSIGN(const auto there, options_.archive->stat(*path));
        if (there && is_on_record(*there, *version)) return {};
        return report(FindingCode::archive_differs, inode,
                      fmt::format("{} {}", *path, there ? "was changed" : "is not there"),
                      Remedy::none);
      });
}

}  // namespace tierhub::recovery
