#include "catalog/heat.h"

#include <gtest/gtest.h>

namespace tierhub {
namespace {

constexpr int64_t kDay_ns = int64_t{24} * 3600 * 1'000'000'000;
const Timestamp kToday{1000 * kDay_ns};
Timestamp days_ago(int64_t days) { return {kToday.ns - days * kDay_ns}; }

TEST(Heat, OfOneUseIsItsTime) { EXPECT_EQ(warmed(Timestamp{}, kToday, 1), kToday); }

TEST(Heat, OfAFileUsedDailyIsAboveOneThatWasJustReadOnce) {
  Timestamp daily;
  for (int64_t day = 14; day >= 1; --day) daily = warmed(daily, days_ago(day), 1);
  EXPECT_GT(daily, warmed(Timestamp{}, kToday, 1));
}

TEST(Heat, OfAFileUsedOftenLongAgoIsBelowOneThatWasJustRead) {
  Timestamp often;
  for (int64_t day = 200; day >= 100; --day) often = warmed(often, days_ago(day), 1);
  EXPECT_LT(often, warmed(Timestamp{}, kToday, 1));
}

TEST(Heat, TwoUsesAtATimeAreAHalfLifeAhead) {
  const Timestamp twice = warmed(warmed(Timestamp{}, kToday, 1), kToday, 1);
  EXPECT_NEAR(static_cast<double>(twice.ns - kToday.ns), static_cast<double>(kHeatHalfLife_ns),
              1e6);
}

TEST(Heat, OfALookAtTheHeaderIsLittle) {
  EXPECT_EQ(use_of(1 << 20, 1 << 20), 1.0);
  EXPECT_EQ(use_of(5 << 20, 1 << 20), 1.0) << "one use at most";
  EXPECT_LT(warmed(Timestamp{}, kToday, use_of(4096, 1 << 20)), days_ago(30));
  EXPECT_EQ(warmed(days_ago(3), kToday, 0), days_ago(3));
}

}  // namespace
}  // namespace tierhub
