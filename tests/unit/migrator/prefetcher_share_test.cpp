#include <map>

#include <gtest/gtest.h>

#include "migrator/prefetch/share.h"

namespace tierhub::prefetcher_share_test {
namespace {

using enum PrefetchUrgency;
constexpr uint32_t kAlice = 1001;
constexpr uint32_t kBob = 1002;

class FairShares : public ::testing::Test {
 protected:
  void add(uint64_t id, uint32_t owner, PrefetchUrgency urgency = task,
           const std::string& label = "", const std::string& lease_owner = "") {
    PrefetchRecord record;
    record.id = id;
    record.owner_uid = owner;
    record.urgency = urgency;
    record.label = label;
    record.lease_owner = lease_owner;
    share_.add(record);
    share_.set(id, FairShare::Readiness::ready);
  }
  void wait(uint64_t id) { share_.set(id, FairShare::Readiness::waits); }
  // How many bytes each gets of so many pieces.
  std::map<uint64_t, uint64_t> turns(int pieces, const std::map<uint64_t, uint64_t>& sizes = {}) {
    std::map<uint64_t, uint64_t> had;
    for (int i = 0; i < pieces; ++i) {
      const auto id = share_.next();
      if (!id) break;
      const auto size = sizes.find(*id);
      const uint64_t bytes = size == sizes.end() ? 1 : size->second;
      share_.charge(*id, bytes);
      had[*id] += bytes;
    }
    return had;
  }
  using Had = std::map<uint64_t, uint64_t>;

  FairShare share_;
};

TEST_F(FairShares, NobodyIsNextAmongNobody) { EXPECT_EQ(share_.next(), std::nullopt); }

TEST_F(FairShares, ANewOneHasItsTurnAtOnceAndDoesNotCatchUp) {
  add(1, kAlice);
  EXPECT_EQ(turns(100), (Had{{1, 100}}));
  add(2, kAlice);
  EXPECT_EQ(turns(10), (Had{{1, 5}, {2, 5}}));
}

TEST_F(FairShares, OwnersGetTheSameHoweverManyPrefetchesTheyHave) {
  for (uint64_t id = 1; id <= 9; ++id) add(id, kAlice);
  add(10, kBob);
  EXPECT_EQ(turns(180)[10], 90u);
}

TEST_F(FairShares, ThoseOfARunAreFetchedOneAfterAnother) {
  add(1, kAlice, task, "run", "run task 1");
  add(2, kAlice, task, "run", "run task 2");
  add(3, kAlice);
  EXPECT_EQ(turns(20), (Had{{1, 10}, {3, 10}}));
  wait(1);
  EXPECT_EQ(turns(20), (Had{{2, 10}, {3, 10}}));
  share_.set(1, FairShare::Readiness::ready);
  EXPECT_EQ(turns(20), (Had{{1, 10}, {3, 10}}));
  share_.remove(1);
  EXPECT_EQ(turns(20), (Had{{2, 10}, {3, 10}}));
}

TEST_F(FairShares, WithoutALeaseALabelIsNoQueue) {
  add(1, kAlice, task, "view");
  add(2, kAlice, task, "view");
  EXPECT_EQ(turns(20), (Had{{1, 10}, {2, 10}}));
}

TEST_F(FairShares, ARunOfAnotherOwnerOrUrgencyIsAnother) {
  add(1, kAlice, task, "run", "run task 1");
  add(2, kBob, task, "run", "run task 2");
  EXPECT_EQ(turns(20), (Had{{1, 10}, {2, 10}}));
  add(3, kAlice, later, "run", "run task 3");
  EXPECT_EQ(turns(90).at(3), 10u);
}

TEST_F(FairShares, LargePiecesComeLessOften) {
  add(1, kAlice);
  add(2, kBob);
  const Had had = turns(110, {{1, 10}, {2, 1}});
  EXPECT_EQ(had, (Had{{1, 100}, {2, 100}}));
}

TEST_F(FairShares, WhatDidNotHaveToBeFetchedIsNotCounted) {
  add(1, kAlice);
  add(2, kBob);
  for (int i = 0; i < 50; ++i) {
    share_.charge(1, 10);
    share_.refund(1, 10);
  }
  EXPECT_EQ(turns(10), (Had{{1, 5}, {2, 5}}));
}

TEST_F(FairShares, WhoWaitsHoldsUpNobodyAndDoesNotCatchUp) {
  add(1, kAlice);
  add(2, kBob);
  wait(2);
  EXPECT_EQ(turns(20), (Had{{1, 20}}));
  share_.set(2, FairShare::Readiness::ready);
  EXPECT_EQ(turns(10), (Had{{1, 5}, {2, 5}}));
}

TEST_F(FairShares, LaterGetsASmallShareWhileTasksWaitAndElseAll) {
  add(1, kAlice, later);
  add(2, kBob, task);
  const Had had = turns(90);
  EXPECT_EQ(had.at(1), 10u);
  wait(2);
  EXPECT_EQ(turns(10), (Had{{1, 10}}));
  share_.set(2, FairShare::Readiness::ready);
  EXPECT_EQ(turns(90).at(1), 10u);
}

TEST_F(FairShares, OneThatEndedIsForgotten) {
  add(1, kAlice);
  add(2, kAlice);
  share_.remove(1);
  share_.charge(1, 100);
  share_.refund(1, 100);
  EXPECT_FALSE(share_.contains(1));
  EXPECT_EQ(turns(3), (Had{{2, 3}}));
  share_.remove(2);
  EXPECT_EQ(share_.next(), std::nullopt);
}

}  // namespace
}  // namespace tierhub::prefetcher_share_test
