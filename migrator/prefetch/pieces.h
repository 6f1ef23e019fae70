// The pieces in which the ranges of one file are fetched, one after the other: memory does not grow
// with the size of the file.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "common/types.h"

namespace tierhub {

// The same bytes as disjoint ranges in ascending order. Ranges that touch become one; empty ones
// are dropped.
std::vector<ByteRange> disjoint(std::vector<ByteRange> ranges);

// Not for several threads at once.
class PieceStream {
 public:
  struct Piece {
    ByteRange range;
    uint64_t asked_bytes = 0;  // of the range; the rest lies between what was asked for
  };

  // `ranges` are disjoint and ascending.
  PieceStream(std::vector<ByteRange> ranges, uint64_t chunk_bytes)
      : ranges_(std::move(ranges)), chunk_bytes_(chunk_bytes) {}

  // The next piece, of `most_bytes` or of one chunk, whichever is more; none: that was all. No two
  // pieces have a chunk in common, and no piece has a chunk that nobody asked for.
  std::optional<Piece> next(uint64_t most_bytes);
  bool is_at_end() const { return index_ == ranges_.size(); }

 private:
  std::vector<ByteRange> ranges_;
  uint64_t chunk_bytes_;
  size_t index_ = 0;       // of the range that comes next
  uint64_t at_bytes_ = 0;  // what is before it is in earlier pieces
};

}  // namespace tierhub
