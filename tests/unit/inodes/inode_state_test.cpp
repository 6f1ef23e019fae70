#include <algorithm>
#include <random>

#include <gtest/gtest.h>

#include "inodes/inode_table.h"

namespace tierhub {
namespace {

// The definition, chunk by chunk.
std::vector<IntervalSet::Interval> look_at_each_chunk(const InodeState& state, ByteRange range) {
  std::vector<IntervalSet::Interval> absent;
  const uint64_t recallable = state.recallable_bytes();
  for (uint64_t chunk = 0; chunk * state.chunk_bytes < recallable; ++chunk) {
    const uint64_t begin = chunk * state.chunk_bytes;
    const uint64_t end = std::min(begin + state.chunk_bytes, recallable);
    const bool asked = !range.empty() && begin < range.end && end > range.begin;
    if (!asked || state.clean.contains(chunk) || state.dirty.contains(begin, end)) continue;
    if (!absent.empty() && absent.back().end == chunk) {
      absent.back().end = chunk + 1;
    } else {
      absent.push_back({chunk, chunk + 1});
    }
  }
  return absent;
}

TEST(AbsentChunks, AreThoseThatALookAtEachChunkFinds) {
  std::mt19937 random(1);
  const auto below = [&](uint64_t end) {
    return std::uniform_int_distribution<uint64_t>(0, end - 1)(random);
  };
  for (int round = 0; round < 5'000; ++round) {
    InodeState state;
    state.chunk_bytes = 1 + below(8);
    state.record.emplace();
    state.record->archived = true;
    state.record->attributes.size_bytes = below(100);
    state.record->archive_limit_bytes = below(100);
    for (uint64_t i = below(6); i > 0; --i) {
      const uint64_t begin = below(20);
      state.clean.add(begin, begin + 1 + below(4));
    }
    for (uint64_t i = below(6); i > 0; --i) {
      const uint64_t begin = below(100);
      state.dirty.add(begin, begin + 1 + below(30));
    }
    const uint64_t begin = below(110);
    const ByteRange range{begin, begin + below(110)};
    ASSERT_EQ(state.absent_chunks(range), look_at_each_chunk(state, range)) << "round " << round;
  }
}

TEST(AbsentChunks, OfAHugeFileWithADirtyByteAreFoundAtOnce) {
  InodeState state;
  state.chunk_bytes = 4096;
  state.record.emplace();
  state.record->archived = true;
  state.record->attributes.size_bytes = uint64_t{1} << 60;
  state.record->archive_limit_bytes = uint64_t{1} << 60;
  state.dirty.add(5, 6);
  state.dirty.add(8192, 12288);
  const std::vector<IntervalSet::Interval> absent = {{0, 2}, {3, uint64_t{1} << 48}};
  EXPECT_EQ(state.absent_chunks({0, UINT64_MAX}), absent);
}

}  // namespace
}  // namespace tierhub
