#include "common/clock.h"

#include <gtest/gtest.h>

namespace tierhub {
namespace {

TEST(Timestamp, ConvertsToTimespecAndBack) {
  for (const int64_t ns : {0LL, 1LL, 999'999'999LL, 1'000'000'000LL, 1'700'000'000'123'456'789LL}) {
    EXPECT_EQ(Timestamp::from(Timestamp{ns}.to_timespec()).ns, ns);
  }
}

TEST(Timestamp, BeforeTheEpochHasNanosecondsThatAreNotNegative) {
  for (const int64_t ns : {-1LL, -999'999'999LL, -1'000'000'000LL, -1'000'000'001LL}) {
    const timespec t = Timestamp{ns}.to_timespec();
    EXPECT_GE(t.tv_nsec, 0) << ns;
    EXPECT_LT(t.tv_nsec, 1'000'000'000) << ns;
    EXPECT_EQ(Timestamp::from(t).ns, ns);
  }
}

TEST(Timestamp, HoldsTheTimesOfExt4AndXfsInOrder) {
  constexpr timespec kTimes[] = {{-(int64_t{1} << 31), 0},  // the first
                                 {-(int64_t{1} << 31), 1},
                                 {-1, 999'999'999},
                                 {0, 0},
                                 {9'223'372'036, 854'775'807},  // where 63 bits end
                                 {9'223'372'036, 854'775'808},
                                 {15'032'385'535, 999'999'999},  // where ext4 ends
                                 {16'299'260'424, 999'999'999}};
  Timestamp before = Timestamp::from(kTimes[0]);
  for (const timespec& time : kTimes) {
    const Timestamp held = Timestamp::from(time);
    EXPECT_EQ(held.to_timespec().tv_sec, time.tv_sec);
    EXPECT_EQ(held.to_timespec().tv_nsec, time.tv_nsec) << time.tv_sec;
    EXPECT_LE(before, held) << time.tv_sec;
    before = held;
  }
}

TEST(Timestamp, OutOfRangeBecomesTheNearestThatCanBeHeld) {
  constexpr int64_t kFirst_s = -(int64_t{1} << 31);
  for (const int64_t early : {kFirst_s - 1, INT64_MIN})
    EXPECT_EQ(Timestamp::from({early, 5}).to_timespec().tv_sec, kFirst_s);
  for (const int64_t late : {int64_t{16'299'260'425}, INT64_MAX})
    EXPECT_EQ(Timestamp::from({late, 999'999'999}).to_timespec().tv_sec, 16'299'260'425);
}

TEST(Timestamp, TellsHowFarTwoTimesAreApart) {
  const Timestamp now{1'700'000'000'000'000'000};
  EXPECT_EQ(now.ns_since(Timestamp{now.ns - 5}), 5);
  EXPECT_EQ(now.ns_since(Timestamp{now.ns + 5}), -5);
  EXPECT_LT(now.ns_since(Timestamp::from({10'000'000'000, 0})), 0);
}

TEST(Timestamp, NowIsLaterThanThisCode) {
  EXPECT_GT(Timestamp::now().ns, 1'700'000'000'000'000'000);
}

}  // namespace
}  // namespace tierhub
