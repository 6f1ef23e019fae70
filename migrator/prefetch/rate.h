// How much prefetches may ask of the archive at once, so that the next request does not wait long
// behind them: what the archive delivers in a quarter of a second, as measured while they run.
//
// A far-away archive needs more in flight than that: for it, the time is twice what a single piece
// takes when nothing else is in flight. Pieces and bytes are limited each by their own rate,
// because small files cost the archive time that their bytes do not show.
#pragma once

#include <cstdint>

#include "common/clock.h"

namespace tierhub {

// Not for several threads at once.
class ArchiveRate {
 public:
  struct Limits {
    uint64_t chunk_bytes = 4 << 20;
    uint64_t most_bytes = 256 << 20;
    uint64_t most_pieces = 256;
    uint64_t largest_piece_bytes = 32 << 20;
  };
  // A piece that is on its way, and what had been delivered when it began.
  struct Piece {
    SteadyClock::time_point begin;
    uint64_t range_bytes = 0;
    uint64_t bytes_before = 0;
    uint64_t pieces_before = 0;
    uint64_t begun_before = 0;
    uint64_t under_way_before = 0;
  };

  explicit ArchiveRate(const Limits& limits) : limits_(limits) {}

  // Whether a piece may begin now. One always may if none is under way.
  bool has_room(uint64_t range_bytes) const;
  Piece begin(uint64_t range_bytes, SteadyClock::time_point now);
  // `copied_bytes` came from the archive for it; 0: it says nothing about the archive.
  void end(const Piece& piece, uint64_t copied_bytes, SteadyClock::time_point now);

  uint64_t piece_bytes() const;  // so large pieces should be
  uint64_t bytes_at_once() const;
  uint64_t pieces_at_once() const;
  uint64_t bytes_under_way() const { return bytes_under_way_; }
  double bytes_per_s() const { return bytes_per_s_; }  // 0: not known yet

 private:
  double time_s() const;

  Limits limits_;
  double bytes_per_s_ = 0;
  double pieces_per_s_ = 0;
  double alone_s_ = 0;  // what a piece takes that is alone on its way; 0: not known yet
  uint64_t bytes_delivered_ = 0;
  uint64_t pieces_delivered_ = 0;
  uint64_t bytes_under_way_ = 0;
  uint64_t pieces_under_way_ = 0;
  uint64_t pieces_begun_ = 0;
  uint64_t pieces_ended_ = 0;
};

}  // namespace tierhub
