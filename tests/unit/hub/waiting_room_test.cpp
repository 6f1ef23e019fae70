// Nobody keeps others from signing in by leaving attempts half way.
#include "hub/login/waiting_room.h"

#include <algorithm>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace tierhub::hub {
namespace {

using namespace std::chrono_literals;

class WaitingRoom : public ::testing::Test {
 protected:
  // What becomes of somebody who begins, and has to answer something at once; false: there is no room.
  bool begin(const std::string& user, const std::string& machine) {
    const OpenAttempt newcomer{fmt::format("{}@{}-{}", user, machine, number_++), user, machine,
                               now_, now_};
    const auto leaving = who_makes_room(open_, newcomer);
    if (!leaving) return false;
    for (const std::string& name : *leaving) {
      left_.push_back(name);
      std::erase_if(open_, [&](const OpenAttempt& one) { return one.name == name; });
    }
    open_.push_back(newcomer);
    open_.back().waits_for_person = true;
    now_ += 100ms;
    return true;
  }
  ptrdiff_t count_of(const std::string& machine) const {
    return std::count_if(open_.begin(), open_.end(),
                         [&](const OpenAttempt& one) { return one.machine == machine; });
  }

  int number_ = 0;
  OpenAttempt::Clock::time_point now_ = OpenAttempt::Clock::now();
  std::vector<OpenAttempt> open_;
  std::vector<std::string> left_;
};

TEST_F(WaitingRoom, WhoeverBeginsAgainAndAgainEndsTheirOwn) {
  EXPECT_TRUE(begin("ada", "home"));
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(begin("ada", "evil")) << "her password is known";
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(begin(fmt::format("u{}", i), "evil"));
  EXPECT_EQ(count_of("home"), 1) << "she is looking for her code";
  EXPECT_EQ(count_of("evil"), 8);
  EXPECT_TRUE(begin("ada", "office"));
  EXPECT_EQ(count_of("home"), 1);
}

TEST_F(WaitingRoom, OfAFullHouseThoseWhoHaveMostMakeRoom) {
  for (int i = 0; i < 8; ++i) EXPECT_TRUE(begin(fmt::format("u{}", i), "evil"));
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(begin(fmt::format("v{}", i), "evil, too"));
  for (const char* machine : {"a", "b", "c"}) EXPECT_TRUE(begin("grace", machine));
  EXPECT_TRUE(left_.empty());
  EXPECT_TRUE(begin("mary", "d"));
  EXPECT_EQ(left_, (std::vector<std::string>{"u0@evil-0"})) << "the one that began first";
  EXPECT_EQ(open_.size(), 16u);
}

// People of one institute have one address.
TEST_F(WaitingRoom, OfOneMachineTheUserWhoHasMostMakesRoom) {
  EXPECT_TRUE(begin("grace", "institute"));
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(begin("eve", "institute"));
  for (const char* user : {"mary", "ida", "joan"}) EXPECT_TRUE(begin(user, "institute"));
  EXPECT_TRUE(begin("ruth", "institute"));
  EXPECT_EQ(left_, (std::vector<std::string>{"eve@institute-1"}));
}

TEST_F(WaitingRoom, TheOnlyOneOfItsMachineHasTimeToFindItsTelephone) {
  for (int i = 0; i < 16; ++i) EXPECT_TRUE(begin(fmt::format("u{}", i), fmt::format("m{}", i)));
  EXPECT_FALSE(begin("late", "elsewhere"));
  EXPECT_TRUE(begin("u3", "m3")) << "in place of their own";
  EXPECT_EQ(left_, (std::vector<std::string>{"u3@m3-3"}));
  now_ += 20s;
  EXPECT_TRUE(begin("late", "elsewhere"));
  EXPECT_EQ(left_.back(), "u0@m0-0");
}

TEST_F(WaitingRoom, WhatIsBeingJudgedNeverEnds) {
  for (int i = 0; i < 4; ++i) {
    EXPECT_TRUE(begin("ada", "evil"));
    open_.back().waits_for_person = false;
  }
  EXPECT_FALSE(begin("ada", "evil"));
  EXPECT_TRUE(begin("grace", "evil"));
  EXPECT_TRUE(left_.empty());
}

}  // namespace
}  // namespace tierhub::hub
