#include "catalog/first_live.h"

#include <gtest/gtest.h>

namespace tierhub {
namespace {

void put(FirstLive& first_live, std::string_view key) {
  first_live.begin_put(key);
  first_live.end_put();
}

TEST(FirstLive, BeginsAtTheStartBeforeAnythingIsKnown) {
  const FirstLive first_live;
  EXPECT_EQ(first_live.begin_scan().begin, "");
}

TEST(FirstLive, BeginsWhereTheLastScanMetItsFirstKey) {
  FirstLive first_live;
  first_live.end_scan(first_live.begin_scan(), "k5");
  EXPECT_EQ(first_live.begin_scan().begin, "k5");
  put(first_live, "k7");
  EXPECT_EQ(first_live.begin_scan().begin, "k5");
  put(first_live, "k3");
  EXPECT_EQ(first_live.begin_scan().begin, "k3");
}

TEST(FirstLive, KnowsThatAQueueIsEmptyUntilAPut) {
  FirstLive first_live;
  first_live.end_scan(first_live.begin_scan(), std::nullopt);
  EXPECT_EQ(first_live.begin_scan().begin, std::nullopt);
  put(first_live, "k");
  EXPECT_EQ(first_live.begin_scan().begin, "k");
}

TEST(FirstLive, LearnsNothingFromAScanThatAPutOvertook) {
  FirstLive first_live;
  const auto scan = first_live.begin_scan();
  put(first_live, "k1");
  first_live.end_scan(scan, "k5");
  EXPECT_EQ(first_live.begin_scan().begin, "");
}

TEST(FirstLive, LearnsNothingFromAScanThatBeganDuringAPut) {
  FirstLive first_live;
  first_live.begin_put("k1");
  const auto scan = first_live.begin_scan();  // may have missed k1, which is not committed yet
  first_live.end_put();
  first_live.end_scan(scan, std::nullopt);
  EXPECT_EQ(first_live.begin_scan().begin, "");
}

}  // namespace
}  // namespace tierhub
