#include "inodes/read_streams.h"

#include <gtest/gtest.h>

namespace tierhub {
namespace {

constexpr uint64_t kMiB = 1 << 20;

TEST(ReadStreams, CountWhatIsReadOnEnd) {
  ReadStreams streams;
  for (uint64_t i = 1; i <= 20; ++i) EXPECT_EQ(streams.note({(i - 1) * kMiB, i * kMiB}), i * kMiB);
}

TEST(ReadStreams, TakeReadsThatComeOutOfOrder) {
  ReadStreams streams;
  streams.note({0, kMiB});
  streams.note({2 * kMiB, 3 * kMiB});
  streams.note({kMiB, 2 * kMiB});
  EXPECT_EQ(streams.note({3 * kMiB, 4 * kMiB}), 4 * kMiB);
}

TEST(ReadStreams, DoNotGrowByReadingTheSameAgain) {
  ReadStreams streams;
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(streams.note({0, 4096}), 4096u);
}

TEST(ReadStreams, BeginAnewWhereSomebodyJumpsTo) {
  ReadStreams streams;
  uint64_t at = 0;
  for (uint64_t i = 0; i < 1000; ++i) {
    at = (at + 64 * kMiB + i * kMiB) % (uint64_t{1} << 40);
    EXPECT_EQ(streams.note({at, at + 4096}), 4096u);
  }
}

TEST(ReadStreams, FollowAFewReadersOfOneFile) {
  ReadStreams streams;
  for (uint64_t i = 0; i < 10; ++i) {
    for (uint64_t reader = 0; reader < 4; ++reader) {
      const uint64_t begin = reader * 1000 * kMiB + i * kMiB;
      EXPECT_EQ(streams.note({begin, begin + kMiB}), (i + 1) * kMiB);
    }
  }
}

}  // namespace
}  // namespace tierhub
