#include <queue>

#include <gtest/gtest.h>

#include "migrator/prefetch/rate.h"

namespace tierhub::prefetcher_rate_test {
namespace {

constexpr uint64_t kMiB = 1 << 20;
using Seconds = std::chrono::duration<double>;

// An archive with a latency that delivers bytes, and pieces, one after the other.
class ArchiveModel {
 public:
  double bytes_per_s = 1e12;
  double pieces_per_s = 1e9;
  double latency_s = 0;
  ArchiveRate rate{ArchiveRate::Limits()};

  // Fetches as much as may be under way of pieces of this size (0: as large as they should be) for
  // so long; returns what the archive needed for the last of them, from its begin to its end.
  double run(double seconds, uint64_t piece_bytes) {
    const double end_s = now_s_ + seconds;
    double last_s = 0;
    while (now_s_ < end_s) {
      for (;;) {
        const uint64_t bytes = piece_bytes > 0 ? piece_bytes : rate.piece_bytes();
        if (!rate.has_room(bytes)) break;
        begin(bytes);
      }
      last_s = end_first();
    }
    while (!under_way_.empty()) end_first();
    return last_s;
  }

 private:
  struct UnderWay {
    double begin_s, end_s;
    ArchiveRate::Piece piece;
  };
  SteadyClock::time_point now() const {
    return SteadyClock::time_point() +
           std::chrono::duration_cast<SteadyClock::duration>(Seconds(now_s_));
  }
  void begin(uint64_t bytes) {
    const double work_s = static_cast<double>(bytes) / bytes_per_s + 1 / pieces_per_s;
    idle_from_s_ = std::max(idle_from_s_, now_s_) + work_s;
    under_way_.push({now_s_, idle_from_s_ + latency_s, rate.begin(bytes, now())});
  }
  double end_first() {
    const UnderWay first = under_way_.front();
    under_way_.pop();
    now_s_ = first.end_s;
    rate.end(first.piece, first.piece.range_bytes, now());
    return first.end_s - first.begin_s;
  }

  double now_s_ = 0;
  double idle_from_s_ = 0;
  std::queue<UnderWay> under_way_;
};

TEST(ArchiveRateTest, NoMoreIsUnderWayThanAQuarterOfASecond) {
  for (const double bytes_per_s : {40e6, 60e6, 150e6, 500e6}) {
    ArchiveModel archive;
    archive.bytes_per_s = bytes_per_s;
    archive.latency_s = 0.005;
    EXPECT_LT(archive.run(5, 0), 0.27) << bytes_per_s;
    EXPECT_NEAR(archive.rate.bytes_per_s(), bytes_per_s, bytes_per_s / 10);
  }
}

TEST(ArchiveRateTest, ASlowArchiveGetsOneChunkAtATime) {
  ArchiveModel archive;
  archive.bytes_per_s = 5e6;
  archive.run(20, 0);
  EXPECT_EQ(archive.rate.piece_bytes(), 4 * kMiB);
  EXPECT_LE(archive.rate.bytes_at_once(), 2 * 4 * kMiB);
}

TEST(ArchiveRateTest, SmallFilesAreLimitedByTheTimeOfTheirPieces) {
  ArchiveModel archive;
  archive.pieces_per_s = 200;
  EXPECT_LT(archive.run(5, 4096), 0.3);
  EXPECT_GE(archive.rate.pieces_at_once(), 40u);
}

TEST(ArchiveRateTest, AFarArchiveGetsAsMuchAsFillsItsLine) {
  ArchiveModel archive;
  archive.bytes_per_s = 200e6;
  archive.latency_s = 0.4;
  archive.run(60, 0);
  EXPECT_GT(archive.rate.bytes_per_s(), 150e6);
  ArchiveModel files;
  files.latency_s = 0.05;
  files.run(5, 4096);
  EXPECT_EQ(files.rate.pieces_at_once(), 256u);
}

TEST(ArchiveRateTest, FollowsAnArchiveThatBecomesSlower) {
  ArchiveModel archive;
  archive.bytes_per_s = 2e9;
  archive.run(5, 0);
  EXPECT_GT(archive.rate.bytes_at_once(), 200 * kMiB);
  archive.bytes_per_s = 60e6;
  EXPECT_LT(archive.run(10, 0), 0.27);
}

TEST(ArchiveRateTest, ALittleNowAndThenDoesNotMakeItSlow) {
  ArchiveModel archive;
  archive.bytes_per_s = 500e6;
  archive.latency_s = 0.01;
  archive.run(5, 0);
  const uint64_t before = archive.rate.bytes_at_once();
  SteadyClock::time_point now;
  for (int i = 0; i < 50; ++i) {
    const auto piece = archive.rate.begin(4096, now);
    archive.rate.end(piece, 4096, now + std::chrono::milliseconds(10));
  }
  EXPECT_EQ(archive.rate.bytes_at_once(), before);
}

TEST(ArchiveRateTest, WhatWasResidentSaysNothingAboutTheArchive) {
  ArchiveRate rate{ArchiveRate::Limits()};
  const SteadyClock::time_point now;
  for (int i = 0; i < 10; ++i) rate.end(rate.begin(4 * kMiB, now), 0, now);
  EXPECT_EQ(rate.bytes_per_s(), 0);
  EXPECT_TRUE(rate.has_room(100 * kMiB)) << "one may always be under way";
}

}  // namespace
}  // namespace tierhub::prefetcher_rate_test
