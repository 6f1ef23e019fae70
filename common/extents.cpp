#include "common/extents.h"

#include <algorithm>
#include <cerrno>

#include <unistd.h>

namespace tierhub {

namespace {

constexpr uint64_t kBlockBytes = 4096;
constexpr uint64_t kPiecesPerProgress = 1024;

// The first part of `range` that holds data; empty: none does.
Result<ByteRange> first_data(int fd, ByteRange range) {
  const ByteRange none{range.end, range.end};
  const off_t data = ::lseek(fd, static_cast<off_t>(range.begin), SEEK_DATA);
  if (data < 0 && errno == ENXIO) return none;  // nothing but a hole from here to the end
  if (data < 0 && (errno == EINVAL || errno == EOPNOTSUPP)) return range;
  if (data < 0) return Error::from_errno(errno, "find data");
  if (static_cast<uint64_t>(data) >= range.end) return none;
  const off_t hole = ::lseek(fd, data, SEEK_HOLE);
  if (hole < 0 && errno == ENXIO) return none;  // the file became shorter
  if (hole < 0) return Error::from_errno(errno, "find hole");
  return ByteRange{static_cast<uint64_t>(data), std::min(static_cast<uint64_t>(hole), range.end)};
}

uint64_t in_blocks(ByteRange part) {
  const uint64_t begin = part.begin / kBlockBytes * kBlockBytes;
  return (part.end - begin + kBlockBytes - 1) / kBlockBytes * kBlockBytes;
}

}  // namespace

Result<std::vector<ByteRange>> data_ranges(int fd, ByteRange range) {
  std::vector<ByteRange> result;
  while (!range.empty()) {
    TRY_ASSIGN(const ByteRange data, first_data(fd, range));
    if (data.empty()) break;
    result.push_back(data);
    range.begin = data.end;
  }
  return result;
}

Result<uint64_t> data_bytes(int fd, const std::vector<ByteRange>& ranges,
                            const std::function<void()>& progress, uint64_t most_pieces) {
  uint64_t total = 0;
  uint64_t pieces = 0;
  for (const ByteRange& range : ranges) {
    uint64_t bytes = 0;
    ByteRange left = range;
    while (!left.empty()) {
      if (pieces == most_pieces) {
        bytes += left.size();
        break;
      }
      TRY_ASSIGN(const ByteRange data, first_data(fd, left));
      if (data.empty()) break;
      bytes += in_blocks(data);
      left.begin = data.end;
      if (++pieces % kPiecesPerProgress == 0 && progress) progress();
    }
    total += std::min(bytes, range.size());
  }
  return total;
}

uint64_t bytes_in(const std::vector<ByteRange>& ranges, uint64_t end) {
  uint64_t total = 0;
  for (const ByteRange& range : ranges)
    total += std::min(range.end, end) - std::min(range.begin, end);
  return total;
}

std::vector<ByteRange> gaps(ByteRange range, const std::vector<ByteRange>& ranges) {
  std::vector<ByteRange> result;
  uint64_t at = range.begin;
  for (const ByteRange& part : clip(ranges, range)) {
    if (part.begin > at) result.push_back({at, part.begin});
    at = part.end;
  }
  if (at < range.end) result.push_back({at, range.end});
  return result;
}

std::vector<ByteRange> clip(const std::vector<ByteRange>& ranges, ByteRange range) {
  std::vector<ByteRange> result;
  auto it = std::partition_point(ranges.begin(), ranges.end(),
                                 [&](const ByteRange& r) { return r.end <= range.begin; });
  for (; it != ranges.end() && it->begin < range.end; ++it) {
    const ByteRange part{std::max(it->begin, range.begin), std::min(it->end, range.end)};
    if (!part.empty()) result.push_back(part);
  }
  return result;
}

}  // namespace tierhub
