#include "storage/extents.h"

#include <algorithm>
#include <cerrno>

#include <unistd.h>

namespace tierhub {

Result<std::vector<ByteRange>> data_ranges(int fd, ByteRange range) {
  std::vector<ByteRange> result;
  uint64_t at = range.begin;
  while (at < range.end) {
    const off_t data = ::lseek(fd, static_cast<off_t>(at), SEEK_DATA);
    if (data < 0 && errno == ENXIO) break;  // nothing but a hole from here to the end
    if (data < 0 && (errno == EINVAL || errno == EOPNOTSUPP)) {
      result.push_back({at, range.end});
      break;
    }
    if (data < 0) return Error::from_errno(errno, "find data");
    if (static_cast<uint64_t>(data) >= range.end) break;
    const off_t hole = ::lseek(fd, data, SEEK_HOLE);
    if (hole < 0 && errno == ENXIO) break;  // the file became shorter
    if (hole < 0) return Error::from_errno(errno, "find hole");
    const uint64_t end = std::min(static_cast<uint64_t>(hole), range.end);
    result.push_back({static_cast<uint64_t>(data), end});
    at = end;
  }
  return result;
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
