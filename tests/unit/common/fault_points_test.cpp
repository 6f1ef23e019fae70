#include "common/fault_points.h"

#include <set>
#include <string>

#include <gtest/gtest.h>
#include <stdlib.h>

namespace tierhub {
namespace {

int reached = 0;
void count_reach() { ++reached; }

class FaultPoints : public ::testing::Test {
 protected:
  void SetUp() override { reached = 0; }
  void TearDown() override {
    arm_fault_point("", 1, nullptr);
    ::unsetenv("TIERHUB_FAULT_POINT");
  }
};

TEST_F(FaultPoints, AreSilentUnlessArmed) {
  fault_point(FaultPoint::create_before_commit);
  EXPECT_EQ(reached, 0);
}

TEST_F(FaultPoints, ActAtTheNthReachOfTheirNameOnly) {
  arm_fault_point("create.after_commit", 2, count_reach);
  fault_point(FaultPoint::create_after_commit);
  EXPECT_EQ(reached, 0);
  fault_point(FaultPoint::create_before_commit);
  EXPECT_EQ(reached, 0);
  fault_point(FaultPoint::create_after_commit);
  EXPECT_EQ(reached, 1);
  fault_point(FaultPoint::create_after_commit);
  EXPECT_EQ(reached, 1) << "once is enough";
}

TEST_F(FaultPoints, AnEmptyNameDisarms) {
  arm_fault_point("create.after_commit", 1, count_reach);
  arm_fault_point("", 1, count_reach);
  fault_point(FaultPoint::create_after_commit);
  EXPECT_EQ(reached, 0);
}

TEST_F(FaultPoints, HaveDifferentNames) {
  const std::set<std::string_view> names(kFaultPointNames.begin(), kFaultPointNames.end());
  EXPECT_EQ(names.size(), kFaultPointNames.size());
  EXPECT_EQ(names.count(""), 0U);
}

TEST_F(FaultPoints, AMisspeltNameInTheEnvironmentIsReported) {
  ::setenv("TIERHUB_FAULT_POINT", "create.after_comit:3", 1);
  EXPECT_EQ(arm_fault_point_from_environment(), "create.after_comit");
}

TEST_F(FaultPoints, NothingInTheEnvironmentArmsNothing) {
  ::unsetenv("TIERHUB_FAULT_POINT");
  EXPECT_EQ(arm_fault_point_from_environment(), std::nullopt);
  for (size_t i = 0; i < kFaultPointNames.size(); ++i) fault_point(static_cast<FaultPoint>(i));
}

using FaultPointsDeathTest = FaultPoints;

TEST_F(FaultPointsDeathTest, KillTheProcessWhenArmedByTheEnvironment) {
  ::setenv("TIERHUB_FAULT_POINT", "publish.after_intent:2", 1);
  const auto reach_twice = [] {
    if (arm_fault_point_from_environment()) ::exit(1);
    fault_point(FaultPoint::publish_after_intent);
    fault_point(FaultPoint::publish_after_intent);
    ::exit(2);
  };
  EXPECT_EXIT(reach_twice(), ::testing::KilledBySignal(SIGKILL), "");
}

}  // namespace
}  // namespace tierhub
