#include "http/body_budget.h"

#include <gtest/gtest.h>

namespace tierhub::http {
namespace {

constexpr uint32_t kRoot = 0;
constexpr uint32_t kAnna = 1001;
constexpr uint32_t kBen = 1002;

class BodyBudgetTest : public ::testing::Test {
 protected:
  BodyBudget budget_{{100, 60, 30}};
};

TEST_F(BodyBudgetTest, AUserHoldsAsMuchAsOneMay) {
  EXPECT_TRUE(budget_.charge(kAnna, 60));
  EXPECT_FALSE(budget_.charge(kAnna, 1));
  EXPECT_TRUE(budget_.charge(kBen, 40)) << "the rest is for others";
  budget_.release(kAnna, 10);
  EXPECT_TRUE(budget_.charge(kAnna, 10));
}

TEST_F(BodyBudgetTest, WhenAllHoldTooMuchThoseWithLessThanAnEqualPartStillGetIt) {
  EXPECT_TRUE(budget_.charge(kAnna, 60));
  EXPECT_TRUE(budget_.charge(kBen, 40));
  constexpr uint32_t kCarol = 1003;
  EXPECT_TRUE(budget_.charge(kCarol, 33));
  EXPECT_FALSE(budget_.charge(kCarol, 1));
  EXPECT_FALSE(budget_.charge(kBen, 1));
}

TEST_F(BodyBudgetTest, RootHasAShareOfItsOwn) {
  EXPECT_TRUE(budget_.charge(kRoot, 30));
  EXPECT_FALSE(budget_.charge(kRoot, 1));
  EXPECT_TRUE(budget_.charge(kAnna, 60));
  EXPECT_TRUE(budget_.charge(kBen, 40));
  budget_.release(kRoot, 30);
  EXPECT_TRUE(budget_.charge(kRoot, 30)) << "whatever users hold";
}

TEST_F(BodyBudgetTest, WhatIsRefusedIsNotHeld) {
  EXPECT_FALSE(budget_.charge(kAnna, 61));
  EXPECT_TRUE(budget_.charge(kAnna, 60));
}

}  // namespace
}  // namespace tierhub::http
