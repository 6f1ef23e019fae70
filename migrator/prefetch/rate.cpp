#include "migrator/prefetch/rate.h"

#include <algorithm>

namespace tierhub {
namespace {

constexpr double kTimeAtOnce_s = 0.25;
// So much of each measurement goes into the rate: of one that took a second all, within limits.
constexpr double kLeastWeight = 1.0 / 8;
constexpr double kMostWeight = 1.0 / 2;
// So many pieces may always be under way once one has ended: disks and networks sort a few well.
constexpr uint64_t kFewPieces = 16;
// Of what may be under way at once a piece is so much.
constexpr uint64_t kPiecesOfBytes = 4;
// A clock that stands still measures nothing.
constexpr double kShortest_s = 1e-5;

// What was measured while less was under way than may be says only that the archive is not slower.
enum class Load { partial, full };

void measure(double& rate, uint64_t delivered, double time_s, Load load) {
  const double measured = static_cast<double>(delivered) / time_s;
  if (rate == 0) {
    rate = measured;
  } else if (load == Load::full || measured > rate) {
    rate += (measured - rate) * std::clamp(time_s, kLeastWeight, kMostWeight);
  }
}

}  // namespace

double ArchiveRate::time_s() const { return std::max(kTimeAtOnce_s, 2 * alone_s_); }

uint64_t ArchiveRate::bytes_at_once() const {
  const uint64_t bytes = static_cast<uint64_t>(bytes_per_s_ * time_s());
  return std::min(std::max(bytes, limits_.chunk_bytes), limits_.most_bytes);
}

uint64_t ArchiveRate::pieces_at_once() const {
  if (pieces_ended_ == 0) return 1;
  const uint64_t pieces = static_cast<uint64_t>(pieces_per_s_ * time_s());
  return std::min(std::max(pieces, kFewPieces), limits_.most_pieces);
}

uint64_t ArchiveRate::piece_bytes() const {
  const uint64_t part = std::min(bytes_at_once() / kPiecesOfBytes, limits_.largest_piece_bytes);
  return std::max(part / limits_.chunk_bytes, uint64_t{1}) * limits_.chunk_bytes;
}

bool ArchiveRate::has_room(uint64_t range_bytes) const {
  if (pieces_under_way_ == 0) return true;
  return pieces_under_way_ < pieces_at_once() && bytes_under_way_ + range_bytes <= bytes_at_once();
}

ArchiveRate::Piece ArchiveRate::begin(uint64_t range_bytes, SteadyClock::time_point now) {
  const Piece piece{now,           range_bytes,      bytes_delivered_, pieces_delivered_,
                    pieces_begun_, pieces_under_way_};
  bytes_under_way_ += range_bytes;
  ++pieces_under_way_;
  ++pieces_begun_;
  return piece;
}

void ArchiveRate::end(const Piece& piece, uint64_t copied_bytes, SteadyClock::time_point now) {
  const auto load_of = [](uint64_t under_way, uint64_t at_once) {
    return under_way >= at_once - at_once / 2 ? Load::full : Load::partial;
  };
  const Load bytes_load = load_of(bytes_under_way_, bytes_at_once());
  const Load pieces_load = load_of(pieces_under_way_, pieces_at_once());
  bytes_under_way_ -= piece.range_bytes;
  --pieces_under_way_;
  ++pieces_ended_;
  if (copied_bytes == 0) return;
  bytes_delivered_ += copied_bytes;
  ++pieces_delivered_;
  const double time_s =
      std::max(std::chrono::duration<double>(now - piece.begin).count(), kShortest_s);
  measure(bytes_per_s_, bytes_delivered_ - piece.bytes_before, time_s, bytes_load);
  measure(pieces_per_s_, pieces_delivered_ - piece.pieces_before, time_s, pieces_load);
  const bool was_alone = piece.under_way_before == 0 && pieces_begun_ == piece.begun_before + 1;
  if (was_alone)
    alone_s_ =
        alone_s_ == 0 || time_s < alone_s_ ? time_s : alone_s_ + (time_s - alone_s_) * kLeastWeight;
}

}  // namespace tierhub
