#include "compute/jobs/start_rate.h"

#include <gtest/gtest.h>

namespace tierhub::compute {
namespace {
using namespace std::chrono_literals;

TEST(StartRate, AllowsSoManyInAnySecond) {
  StartRate rate(10u);
  const SteadyClock::time_point begin{100s};
  EXPECT_EQ(rate.left(begin), 10u);
  rate.note(4, begin);
  rate.note(6, begin + 500ms);
  EXPECT_EQ(rate.left(begin + 999ms), 0u);
  EXPECT_EQ(rate.next(begin + 999ms), begin + 1s);
  EXPECT_EQ(rate.left(begin + 1s), 4u);
  EXPECT_FALSE(rate.next(begin + 1s));
  rate.note(4, begin + 1s);
  EXPECT_EQ(rate.left(begin + 1499ms), 0u);
  EXPECT_EQ(rate.left(begin + 1500ms), 6u);
  EXPECT_EQ(rate.left(begin + 9s), 10u);
}

TEST(StartRate, WithoutALimitAllowsAnyNumber) {
  StartRate rate({});
  rate.note(1'000'000, SteadyClock::time_point{});
  EXPECT_GT(rate.left(SteadyClock::time_point{}), 1'000'000u);
  EXPECT_FALSE(rate.next(SteadyClock::time_point{}));
}

}  // namespace
}  // namespace tierhub::compute
