#include "common/interval_set.h"

#include <random>
#include <set>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace tierhub {
namespace {

using Interval = IntervalSet::Interval;
using Intervals = std::vector<Interval>;

// The maximal runs of consecutive numbers.
Intervals runs_of(const std::set<uint64_t>& numbers) {
  Intervals runs;
  for (const uint64_t n : numbers) {
    if (!runs.empty() && runs.back().end == n) {
      ++runs.back().end;
    } else {
      runs.push_back({n, n + 1});
    }
  }
  return runs;
}

// Records on disk, as Change is documented: first erase, then put.
void apply_to_records(const IntervalSet::Change& change, std::map<uint64_t, uint64_t>& records) {
  for (const uint64_t begin : change.erased)
    EXPECT_EQ(records.erase(begin), 1U) << "erases what is not there";
  for (const auto& [begin, end] : change.added) {
    EXPECT_TRUE(records.emplace(begin, end).second) << "puts over a record that is still there";
  }
}

TEST(IntervalSet, JoinsIntervalsThatTouch) {
  IntervalSet set;
  set.add(0, 2);
  set.add(4, 6);
  set.add(2, 4);
  EXPECT_EQ(set.intervals(), (Intervals{{0, 6}}));
}

TEST(IntervalSet, CutsAHoleIntoAnInterval) {
  IntervalSet set;
  set.add(0, 10);
  const auto change = set.remove(3, 5);
  EXPECT_EQ(set.intervals(), (Intervals{{0, 3}, {5, 10}}));
  EXPECT_EQ(change.erased, (std::vector<uint64_t>{0}));
  EXPECT_EQ(change.added, (Intervals{{0, 3}, {5, 10}}));
}

TEST(IntervalSet, SaysThatNothingChanged) {
  IntervalSet set;
  set.add(0, 10);
  EXPECT_TRUE(set.add(2, 5).empty());
  EXPECT_TRUE(set.add(5, 5).empty());
  EXPECT_TRUE(set.remove(10, 20).empty());
  EXPECT_TRUE(set.remove(5, 3).empty());
}

TEST(IntervalSet, GoesUpToTheGreatestNumber) {
  IntervalSet set;
  set.add(5, UINT64_MAX);
  EXPECT_TRUE(set.contains(UINT64_MAX - 1));
  EXPECT_EQ(set.size(), UINT64_MAX - 5);
  set.remove(6, UINT64_MAX);
  EXPECT_EQ(set.intervals(), (Intervals{{5, 6}}));
}

TEST(IntervalSet, ContainsNothingAlways) {
  EXPECT_TRUE(IntervalSet().contains(3, 3));
  EXPECT_FALSE(IntervalSet().intersects(3, 3));
}

class IntervalSetAgainstASet : public ::testing::Test {
 protected:
  static constexpr uint64_t kLimit = 60;

  void step() {
    const uint64_t begin = random_() % kLimit;
    const uint64_t end = begin + random_() % 12;
    IntervalSet::Change change;
    const auto action = random_() % 20;
    if (action == 0) {
      change = set_.clear();
      expected_.clear();
    } else if (action < 10) {
      change = set_.add(begin, end);
      for (uint64_t n = begin; n < end; ++n) expected_.insert(n);
    } else {
      change = set_.remove(begin, end);
      for (uint64_t n = begin; n < end; ++n) expected_.erase(n);
    }
    apply_to_records(change, records_);
  }

  void check_queries() {
    const uint64_t begin = random_() % kLimit;
    const uint64_t end = begin + random_() % 20;
    std::set<uint64_t> inside;
    std::set<uint64_t> outside;
    for (uint64_t n = begin; n < end; ++n) (expected_.count(n) != 0 ? inside : outside).insert(n);
    EXPECT_EQ(set_.present(begin, end), runs_of(inside));
    EXPECT_EQ(set_.missing(begin, end), runs_of(outside));
    EXPECT_EQ(set_.contains(begin, end), outside.empty());
    EXPECT_EQ(set_.intersects(begin, end), !inside.empty());
    EXPECT_EQ(set_.contains(begin), expected_.count(begin) != 0);
  }

  const uint64_t seed_ = std::random_device{}();
  std::mt19937_64 random_{seed_};
  IntervalSet set_;
  std::set<uint64_t> expected_;
  std::map<uint64_t, uint64_t> records_;
};

TEST_F(IntervalSetAgainstASet, AgreesAfterEachOfManyRandomChanges) {
  SCOPED_TRACE(fmt::format("seed {}", seed_));
  for (int i = 0; i < 5000 && !HasFailure(); ++i) {
    step();
    check_queries();
    ASSERT_EQ(set_.intervals(), runs_of(expected_)) << "step " << i;
    ASSERT_EQ(set_.size(), expected_.size());
    ASSERT_EQ(set_.empty(), expected_.empty());
    Intervals records;
    for (const auto& [begin, end] : records_) records.push_back({begin, end});
    ASSERT_EQ(records, set_.intervals())
        << "the change does not lead from the old records to the new ones";
  }
}

}  // namespace
}  // namespace tierhub
