// Which bytes of files are on the SSD.
#include <algorithm>

#include <fmt/format.h>

#include "api/errors.h"
#include "daemon/control.h"
#include "storage/scratch/object_state.h"

namespace tierhub {
namespace {

constexpr auto kLookingTime = std::chrono::seconds(1);

ByteRange cut(ByteRange range, uint64_t size_bytes) {
  range.end = std::min(range.end, size_bytes);
  range.begin = std::min(range.begin, range.end);
  return range;
}

// What of `part`, which lies in the file, must come from the archive before it can be read.
std::vector<ByteRange> absent_bytes(const InodeState& inode, ByteRange part) {
  std::vector<ByteRange> absent;
  for (const auto& chunks : inode.absent_chunks(part)) {
    absent.push_back(
        {std::max(part.begin, chunks.begin * inode.chunk_bytes),
         std::min({part.end, chunks.end * inode.chunk_bytes, inode.recallable_bytes()})});
  }
  return absent;
}

uint64_t resident_bytes(const InodeState& inode, ByteRange part) {
  uint64_t resident = part.size();
  for (const ByteRange& range : absent_bytes(inode, part)) resident -= range.size();
  return resident;
}

uint64_t dirty_bytes(const InodeState& inode, ByteRange part) {
  if (!inode.is_dirty()) return 0;
  if (inode.rec().content == Content::unknown || !inode.rec().archived) return part.size();
  uint64_t dirty = 0;
  for (const auto& range : inode.dirty.present(part.begin, part.end))
    dirty += range.end - range.begin;
  return dirty;
}

}  // namespace

Result<void> Control::check_readable_file(const api::Caller& caller, const FoundNode& node) const {
  if (node.record.attributes.kind == FileKind::directory) {
    return Error(std::errc::is_a_directory,
                 node.path + " is a folder: name a file, or use ls with totals=true");
  }
  if (node.record.attributes.kind != FileKind::file)
    return Error(std::errc::invalid_argument, node.path + " is not a file");
  TRY_ASSIGN(const bool readable, walk_.may(caller, node, Access::read));
  if (readable) return {};
  return Error(std::errc::permission_denied, node.path + ": you may not read it");
}

Result<api::Residency> Control::residency(const api::Caller& caller, const std::string& path,
                                          ByteRange part, size_t limit) {
  limit = std::min(limit, kMaxResidentRanges);
  TRY_ASSIGN(const FoundNode node, walk_.resolve(caller, path));
  TRY(check_readable_file(caller, node));
  TRY_ASSIGN(const InodeLock lock, parts_.inodes.lock_existing(node.inode));
  TRY_ASSIGN(const Attributes current, current_attributes(parts_.scratch, *lock));
  part = cut(part, current.size_bytes);
  api::Residency answer;
  answer.path = node.path;
  answer.size = current.size_bytes;
  answer.begin = part.begin;
  answer.end = part.end;
  answer.resident = part.size();
  answer.dirty = dirty_bytes(*lock, part);
  const auto add = [&](ByteRange range) {
    if (range.empty()) return;
    answer.more = answer.ranges.size() == limit;
    if (!answer.more) answer.ranges.push_back(range);
  };
  uint64_t at = part.begin;
  for (const ByteRange& absent : absent_bytes(*lock, part)) {
    answer.resident -= absent.size();
    add({at, absent.begin});
    at = absent.end;
  }
  add({at, part.end});
  return answer;
}

Result<void> Control::add_residency(const api::Caller& caller, NamespaceWalk::Nearby& nearby,
                                    const api::FileRanges& file, api::FileResidency& sums) {
  TRY_ASSIGN(const FoundNode node, nearby.resolve(file.path));
  TRY(check_readable_file(caller, node));
  TRY_ASSIGN(const InodeLock lock, parts_.inodes.lock_existing(node.inode));
  TRY_ASSIGN(const Attributes current, current_attributes(parts_.scratch, *lock));
  sums.size = current.size_bytes;
  sums.generation = lock->rec().generation.value();
  sums.writing = lock->rec().writing;
  IntervalSet bytes;
  if (file.ranges.empty()) bytes.add(0, sums.size);
  for (const ByteRange& range : file.ranges) {
    const ByteRange part = cut(range, sums.size);
    if (!part.empty()) bytes.add(part.begin, part.end);
  }
  for (const auto& part : bytes.intervals()) {
    sums.bytes += part.end - part.begin;
    sums.resident += resident_bytes(*lock, {part.begin, part.end});
    sums.dirty += dirty_bytes(*lock, {part.begin, part.end});
  }
  return {};
}

Result<api::ResidencyList> Control::residencies(const api::Caller& caller,
                                                const api::ResidencyRequest& request) {
  size_t ranges = 0;
  for (const api::FileRanges& file : request.files) {
    ranges += file.ranges.size();
    for (const ByteRange& range : file.ranges) {
      if (range.begin > range.end) {
        return Error(std::errc::invalid_argument, fmt::format("{}: begin {} is larger than end {}",
                                                              file.path, range.begin, range.end));
      }
    }
  }
  if (request.files.size() > kMaxResidencyFiles || ranges > kMaxResidencyRanges) {
    return Error(
        std::errc::argument_list_too_long,
        fmt::format("the request has {} files and {} ranges, at most {} and {} fit in one: "
                    "split it",
                    request.files.size(), ranges, kMaxResidencyFiles, kMaxResidencyRanges));
  }
  const auto end = SteadyClock::now() + kLookingTime;
  NamespaceWalk::Nearby nearby(walk_, caller);
  api::ResidencyList list;
  for (const api::FileRanges& file : request.files) {
    list.more = !list.files.empty() && SteadyClock::now() >= end;
    if (list.more) break;
    api::FileResidency sums;
    sums.path = file.path;
    const auto added = add_residency(caller, nearby, file, sums);
    if (!added) {
      sums.code = api::error_name(added.error());
      sums.error = added.error().text();
    }
    list.files.push_back(std::move(sums));
  }
  return list;
}

}  // namespace tierhub
