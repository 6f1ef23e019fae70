#include "migrator/fill/fills_behind.h"

#include <gtest/gtest.h>

namespace tierhub::fills_behind_test {
namespace {

using std::chrono::milliseconds;
using Chunks = FillsBehind::Chunks;

constexpr auto kQuiet = FillsBehind::kQuiet;

class FillsBehindTest : public ::testing::Test {
 protected:
  static Chunks chunk(uint64_t number) { return {InodeNumber(number), {0, 4096}}; }
  // A reader of the chunk is answered.
  void answer(uint64_t number) {
    behind_.answer_begins();
    behind_.add(chunk(number), now_);
    behind_.answer_ended(now_);
  }
  FillsBehind behind_;
  FillsBehind::Time now_ = SteadyClock::now();
};

TEST_F(FillsBehindTest, WaitUntilNobodyWasAnsweredForAMoment) {
  answer(1);
  now_ += kQuiet / 2;
  answer(2);
  EXPECT_FALSE(behind_.take(now_ + kQuiet - milliseconds(1)));
  EXPECT_EQ(behind_.next(), now_ + kQuiet);
  EXPECT_EQ(behind_.take(now_ + kQuiet), chunk(1));
}

TEST_F(FillsBehindTest, WaitForAnAnswerThatIsUnderWay) {
  answer(1);
  behind_.answer_begins();
  EXPECT_FALSE(behind_.take(now_ + kQuiet));
  behind_.answer_ended(now_ + kQuiet);
  EXPECT_EQ(behind_.take(now_ + 2 * kQuiet), chunk(1));
}

TEST_F(FillsBehindTest, DoNotWaitForEverWhileOthersAreAnswered) {
  answer(1);
  behind_.answer_begins();
  EXPECT_EQ(behind_.take(now_ + FillsBehind::kLongestWait), chunk(1));
}

TEST_F(FillsBehindTest, ComeAtOnceWhereSomebodyReadsMore) {
  answer(1);
  answer(2);
  answer(2);
  EXPECT_EQ(behind_.take(now_), chunk(2));
  EXPECT_FALSE(behind_.take(now_));
}

TEST_F(FillsBehindTest, ComeAFewAtATime) {
  for (uint64_t i = 1; i <= 10; ++i) answer(i);
  now_ += kQuiet;
  for (size_t i = 0; i < FillsBehind::kMostUnderWay; ++i) EXPECT_TRUE(behind_.take(now_));
  EXPECT_FALSE(behind_.take(now_));
  EXPECT_EQ(behind_.next(), std::nullopt);
  behind_.ended();
  EXPECT_EQ(behind_.take(now_), chunk(FillsBehind::kMostUnderWay + 1));
}

TEST_F(FillsBehindTest, AreBounded) {
  for (uint64_t i = 1; i <= FillsBehind::kMostWaiting + 5; ++i) answer(i);
  for (uint64_t i = 1; i <= 5; ++i) EXPECT_EQ(behind_.take(now_), chunk(i));
  EXPECT_FALSE(behind_.take(now_));
  for (size_t i = 0; i < FillsBehind::kMostAnswers; ++i) {
    EXPECT_TRUE(behind_.can_answer());
    behind_.answer_begins();
  }
  EXPECT_FALSE(behind_.can_answer());
}

}  // namespace
}  // namespace tierhub::fills_behind_test
