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

TEST(Timestamp, NowIsLaterThanThisCode) {
  EXPECT_GT(Timestamp::now().ns, 1'700'000'000'000'000'000);
}

}  // namespace
}  // namespace tierhub
