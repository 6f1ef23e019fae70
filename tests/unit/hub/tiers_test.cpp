// What is asked of tierd, and when.
#include <chrono>
#include <thread>

#include <gtest/gtest.h>

#include "tests/unit/hub/hub_fixture.h"

namespace tierhub::hub {
namespace {

using std::chrono::milliseconds;

const FileParts kFirst = {{"/a", {{0, 1000}}}};
const FileParts kBoth = {{"/a", {{0, 1000}, {4000, 5000}}}, {"/b", {}}};

class TiersOverTierd : public ::testing::Test {
 protected:
  TiersOverTierd() {
    tierd_.make_cold("/a");
    tierd_.make_cold("/b");
  }
  // Asks until tierd's answer about its prefetches has been looked at again.
  template <class Holds>
  bool becomes(Holds&& holds) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!holds()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::sleep_for(milliseconds(5));
    }
    return true;
  }

  FakeTierd tierd_;
  std::shared_ptr<Tiers> tiers_ = make_tiers(tierd_.calls());
};

TEST_F(TiersOverTierd, CountWhatIsMissing) {
  EXPECT_EQ(tiers_->missing({{"/hot", {{0, 1000}}}})->bytes, 0u);
  EXPECT_EQ(tiers_->missing({{"/hot", {{0, 1000}}}})->eta.count(), 0);
  EXPECT_EQ(tiers_->missing(kBoth)->bytes, 1'002'000u);
  EXPECT_GT(tiers_->missing(kBoth)->eta.count(), 0);
}

TEST_F(TiersOverTierd, WhatIsBeingFetchedIsNotAskedForAgain) {
  ASSERT_TRUE(tiers_->bring(kFirst, "one"));
  ASSERT_TRUE(tiers_->bring(kFirst, "one"));
  ASSERT_TRUE(tiers_->bring(kBoth, "two"));
  const auto requests = tierd_.requests();
  ASSERT_EQ(requests.size(), 2u);
  ASSERT_EQ(requests[1].files.size(), 2u);
  EXPECT_EQ(requests[1].label, "view of two");
  ASSERT_EQ(requests[1].files[0].ranges.size(), 1u) << "the rest alone";
  EXPECT_EQ(requests[1].files[0].ranges[0].begin, 4000u);
  EXPECT_TRUE(requests[1].files[1].ranges.empty()) << "the whole file";
}

TEST_F(TiersOverTierd, WhatHasEndedIsAskedForAgain) {
  ASSERT_TRUE(tiers_->bring(kFirst, "one"));
  api::Prefetch done;
  done.id = 1;
  done.state = "done";
  tierd_.set_prefetch(done);
  EXPECT_TRUE(becomes([&] {
    EXPECT_TRUE(tiers_->bring(kFirst, "one"));
    return tierd_.requests().size() == 2;
  }));
}

TEST_F(TiersOverTierd, TheTimeFollowsFromTheMeasuredRate) {
  ASSERT_TRUE(tiers_->bring(kBoth, "one"));
  api::Prefetch running;
  running.id = 1;
  running.state = "running";
  running.rate_bytes_per_s = 1000;
  tierd_.set_prefetch(running);
  EXPECT_TRUE(becomes([&] { return tiers_->missing(kFirst)->eta > milliseconds(500); }));
  // 2,000 bytes at 1,000 a second, and the way.
  EXPECT_EQ(tiers_->missing(kFirst)->eta, milliseconds(1050));
  running.state = "done";
  running.rate_bytes_per_s = 0;
  tierd_.set_prefetch(running);
  EXPECT_TRUE(becomes([&] {
    EXPECT_TRUE(tiers_->bring(kFirst, "one"));
    return tierd_.requests().size() == 2;
  }));
  EXPECT_EQ(tiers_->missing(kFirst)->eta, milliseconds(1050)) << "the last known rate";
}

TEST_F(TiersOverTierd, AReasonIsPassedOn) {
  ASSERT_TRUE(tiers_->bring(kFirst, "one"));
  api::Prefetch waits;
  waits.id = 1;
  waits.state = "queued";
  waits.reason = "waits for room";
  tierd_.set_prefetch(waits);
  EXPECT_TRUE(becomes([&] { return tiers_->missing(kFirst)->reason == "waits for room"; }));
  EXPECT_EQ(tiers_->missing({{"/b", {}}})->reason, "");
}

TEST_F(TiersOverTierd, AFailureIsSaidAndTriedAgain) {
  ASSERT_TRUE(tiers_->bring(kFirst, "one"));
  api::Prefetch failed;
  failed.id = 1;
  failed.state = "failed";
  failed.first_error = "/a: Input/output error";
  tierd_.set_prefetch(failed);
  EXPECT_TRUE(becomes([&] { return !tiers_->missing(kFirst)->reason.empty(); }));
  ASSERT_TRUE(tiers_->bring(kFirst, "one"));
  EXPECT_EQ(tierd_.requests().size(), 2u);
}

TEST_F(TiersOverTierd, SumAFileAndAFolder) {
  const auto state = tiers_->state_of("/a");
  ASSERT_TRUE(state && *state);
  EXPECT_EQ((*state)->state, "partial");
  EXPECT_EQ((*state)->resident_bytes, 4u);
  EXPECT_EQ(tiers_->states_in("/hot")->at("/hot").state, "hot");
}

TEST(SingleTier, HasEverything) {
  const auto tiers = make_single_tier();
  EXPECT_EQ(tiers->missing(kBoth)->bytes, 0u);
  EXPECT_FALSE(*tiers->state_of("/a"));
}

}  // namespace
}  // namespace tierhub::hub
