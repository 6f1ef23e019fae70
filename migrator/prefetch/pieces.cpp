#include "migrator/prefetch/pieces.h"

#include <algorithm>

namespace tierhub {

std::vector<ByteRange> disjoint(std::vector<ByteRange> ranges) {
  std::erase_if(ranges, [](const ByteRange& range) { return range.empty(); });
  std::ranges::sort(ranges, {}, &ByteRange::begin);
  size_t kept = 0;
  for (const ByteRange& range : ranges) {
    if (kept > 0 && range.begin <= ranges[kept - 1].end) {
      ranges[kept - 1].end = std::max(ranges[kept - 1].end, range.end);
    } else {
      ranges[kept++] = range;
    }
  }
  ranges.resize(kept);
  return ranges;
}

std::optional<PieceStream::Piece> PieceStream::next(uint64_t most_bytes) {
  if (index_ == ranges_.size()) return std::nullopt;
  const uint64_t step = std::max<uint64_t>(1, most_bytes / chunk_bytes_) * chunk_bytes_;
  const uint64_t begin = std::max(at_bytes_, ranges_[index_].begin);
  const uint64_t next_border = begin / step * step + step;
  // At the very end of what 64 bits can name there is no border.
  const uint64_t border = next_border > begin ? next_border : UINT64_MAX;
  Piece piece{{begin, begin}, 0};
  while (index_ < ranges_.size()) {
    const ByteRange& range = ranges_[index_];
    const uint64_t from = std::max(at_bytes_, range.begin);
    const uint64_t chunks_so_far = (piece.range.end + chunk_bytes_ - 1) / chunk_bytes_;
    if (from >= border) break;
    if (piece.asked_bytes > 0 && from / chunk_bytes_ > chunks_so_far) break;
    piece.range.end = std::min(range.end, border);
    piece.asked_bytes += piece.range.end - from;
    if (piece.range.end < range.end) break;
    ++index_;
  }
  at_bytes_ = piece.range.end;
  return piece;
}

}  // namespace tierhub
