#include <random>

#include <gtest/gtest.h>

#include "common/interval_set.h"
#include "migrator/prefetch/pieces.h"

namespace tierhub::prefetcher_pieces_test {
namespace {

constexpr uint64_t kChunk = 4;

std::vector<ByteRange> pieces_of(std::vector<ByteRange> ranges, uint64_t most_bytes) {
  PieceStream stream(std::move(ranges), kChunk);
  std::vector<ByteRange> result;
  while (const auto piece = stream.next(most_bytes)) result.push_back(piece->range);
  EXPECT_TRUE(stream.is_at_end());
  return result;
}

TEST(Disjoint, RangesThatMeetBecomeOne) {
  EXPECT_EQ(disjoint({{8, 9}, {0, 5}, {5, 6}, {3, 4}, {7, 7}, {9, 2}}),
            (std::vector<ByteRange>{{0, 6}, {8, 9}}));
}

TEST(Disjoint, TheSameRangeTwoHundredTimesIsOne) {
  EXPECT_EQ(disjoint(std::vector<ByteRange>(200, {0, UINT64_MAX})),
            (std::vector<ByteRange>{{0, UINT64_MAX}}));
}

TEST(PieceStream, CutsAtBordersOfItsSize) {
  EXPECT_EQ(pieces_of({{3, 20}}, 8), (std::vector<ByteRange>{{3, 8}, {8, 16}, {16, 20}}));
}

TEST(PieceStream, APieceIsAChunkAtLeast) {
  EXPECT_EQ(pieces_of({{0, 8}}, 1), (std::vector<ByteRange>{{0, 4}, {4, 8}}));
}

TEST(PieceStream, ManySmallRangesInAChunkAreOnePiece) {
  EXPECT_EQ(pieces_of({{0, 1}, {2, 3}, {5, 6}, {13, 14}}, 64),
            (std::vector<ByteRange>{{0, 6}, {13, 14}}));
}

TEST(PieceStream, CountsOnlyWhatWasAskedFor) {
  PieceStream stream({{0, 1}, {2, 3}, {5, 6}}, kChunk);
  EXPECT_EQ(stream.next(64)->asked_bytes, 3u);
}

TEST(PieceStream, StartsAHugeRangeWithoutLookingAtAllOfIt) {
  PieceStream stream({{0, UINT64_MAX}}, kChunk);
  EXPECT_EQ(stream.next(8)->range, (ByteRange{0, 8}));
  EXPECT_EQ(stream.next(4)->range, (ByteRange{8, 12}));
  PieceStream end({{UINT64_MAX - 2, UINT64_MAX}}, kChunk);
  EXPECT_EQ(end.next(8)->range, (ByteRange{UINT64_MAX - 2, UINT64_MAX}));
  EXPECT_FALSE(end.next(8));
}

TEST(PieceStream, CoversAllThatWasAskedForAndEachChunkOnce) {
  const uint64_t seed = std::random_device()();
  std::mt19937_64 random(seed);
  SCOPED_TRACE(seed);
  for (int round = 0; round < 2000; ++round) {
    std::vector<ByteRange> ranges;
    for (uint64_t i = 0; i < random() % 8; ++i) {
      const uint64_t begin = random() % 200;
      ranges.push_back({begin, begin + random() % 40});
    }
    ranges = disjoint(ranges);
    IntervalSet asked;
    IntervalSet asked_chunks;
    for (const ByteRange& range : ranges) {
      asked.add(range.begin, range.end);
      asked_chunks.add(range.begin / kChunk, (range.end + kChunk - 1) / kChunk);
    }
    PieceStream stream(ranges, kChunk);
    IntervalSet chunks;
    uint64_t bytes = 0;
    while (const auto piece = stream.next(1 + random() % 30)) {
      const uint64_t begin = piece->range.begin / kChunk;
      const uint64_t end = (piece->range.end + kChunk - 1) / kChunk;
      EXPECT_FALSE(chunks.intersects(begin, end));
      chunks.add(begin, end);
      bytes += piece->asked_bytes;
    }
    EXPECT_EQ(chunks, asked_chunks);
    EXPECT_EQ(bytes, asked.size());
  }
}

}  // namespace
}  // namespace tierhub::prefetcher_pieces_test
