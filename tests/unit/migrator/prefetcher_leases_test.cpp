// Leases against a model that knows each block of each file.
#include <iostream>
#include <random>
#include <set>
#include <tuple>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "migrator/prefetch/leases.h"

namespace tierhub::prefetcher_leases_test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

LeaseAsk ask(const std::string& owner, uint32_t uid, InodeNumber inode, uint64_t begin,
             uint64_t end) {
  LeaseAsk result{owner, uid, {}};
  result.ranges[inode].add(begin, end);
  return result;
}

const InodeNumber kA{20};
const InodeNumber kB{21};

TEST(Leases, AreGrantedInTheOrderInWhichTheyWereAskedFor) {
  LeaseQueue leases;
  const LeaseLimits limits{100, 0, 100};
  leases.add(1, ask("one", 0, kA, 0, 60));
  leases.add(2, ask("two", 0, kB, 0, 60));
  leases.add(3, ask("three", 0, kB, 100, 110));
  EXPECT_EQ(leases.grant(limits).size(), 1u);
  EXPECT_THAT(leases.reason(2), HasSubstr("waits for room"));
  EXPECT_THAT(leases.reason(3), HasSubstr("waits for prefetch 2"))
      << "a small one behind a large one does not starve it";
  leases.release("one");
  EXPECT_EQ(leases.grant(limits).size(), 2u);
  EXPECT_EQ(leases.leased_bytes(), 70u);
}

TEST(Leases, CountABytesOnceHoweverManyAreOnIt) {
  LeaseQueue leases;
  const LeaseLimits limits{100, 0, 100};
  for (uint64_t id = 1; id <= 20; ++id)
    leases.add(id, ask("job " + std::to_string(id), 0, kA, 0, 80));
  EXPECT_EQ(leases.grant(limits).size(), 20u);
  EXPECT_EQ(leases.leased_bytes(), 80u);
  for (uint64_t id = 1; id < 20; ++id) leases.release("job " + std::to_string(id));
  EXPECT_EQ(leases.leased_bytes(), 80u);
  leases.release("job 20");
  EXPECT_EQ(leases.leased_bytes(), 0u);
}

TEST(Leases, LeaveRoomForWhatIsNotPublished) {
  LeaseQueue leases;
  leases.add(1, ask("one", 0, kA, 0, 60));
  EXPECT_THAT(leases.grant({100, 50, 100}), IsEmpty());
  EXPECT_EQ(leases.grant({100, 40, 100}).size(), 1u);
}

TEST(Leases, OfOneUserHaveALimitThatHoldsUpNobodyElse) {
  LeaseQueue leases;
  const LeaseLimits limits{100, 0, 50};
  leases.add(1, ask("one", 1000, kA, 0, 40));
  leases.add(2, ask("two", 1000, kB, 0, 20));
  leases.add(3, ask("three", 1001, kB, 100, 140));
  const auto granted = leases.grant(limits);
  EXPECT_TRUE(granted.contains(1));
  EXPECT_TRUE(granted.contains(3));
  EXPECT_THAT(leases.reason(2), HasSubstr("same user"));
  EXPECT_THAT(LeaseQueue::never(ask("x", 1000, kA, 0, 60), limits), HasSubstr("a user may"));
  EXPECT_THAT(LeaseQueue::never(ask("x", 0, kA, 0, 60), limits), IsEmpty()) << "root has none";
  EXPECT_THAT(LeaseQueue::never(ask("x", 0, kA, 0, 101), limits), HasSubstr("add SSD"));
}

LeaseAsk sparse(const std::string& owner, uint32_t uid, uint64_t begin, uint64_t end,
                uint64_t data_bytes) {
  LeaseAsk result = ask(owner, uid, kA, begin, end);
  result.data_bytes[kA] = data_bytes;
  return result;
}

TEST(Leases, OfAFileWithHolesCountItsDataOnce) {
  LeaseQueue leases;
  const LeaseLimits limits{100, 0, 50};
  EXPECT_THAT(LeaseQueue::never(sparse("x", 1000, 0, 1000, 30), limits), IsEmpty());
  EXPECT_THAT(LeaseQueue::never(sparse("x", 0, 0, 1000, 101), limits), HasSubstr("add SSD"));
  leases.add(1, sparse("one", 1000, 0, 1000, 30));
  leases.add(2, sparse("two", 1000, 0, 1000, 30));
  leases.add(3, sparse("a part", 1001, 500, 700, 20));
  leases.add(4, ask("another", 0, kB, 0, 70));
  EXPECT_EQ(leases.grant(limits).size(), 4u);
  EXPECT_EQ(leases.leased_bytes(), 100u);
  EXPECT_EQ(leases.leased_bytes(1000), 30u);
  EXPECT_EQ(leases.leased_bytes(1001), 20u);
  leases.release("one");
  leases.release("two");
  EXPECT_EQ(leases.leased_bytes(), 90u);
  leases.release("a part");
  EXPECT_EQ(leases.leased_bytes(), 70u);
}

TEST(Leases, OfPartsOfAFileWithHolesNeverCountLessThanTheirData) {
  LeaseQueue leases;
  const LeaseLimits limits;
  leases.add(1, sparse("one", 0, 0, 100, 10));
  leases.add(2, sparse("two", 0, 50, 150, 20));
  leases.add(3, sparse("two", 0, 140, 150, 10));
  leases.grant(limits);
  EXPECT_EQ(leases.leased_bytes(), 30u);
  leases.add(4, sparse("three", 0, 0, 1000, 25));
  leases.grant(limits);
  EXPECT_EQ(leases.leased_bytes(), 25u) << "all of the file has no more";
}

TEST(Leases, WaitUntilItIsKnownWhatTheyCount) {
  LeaseQueue leases;
  const LeaseLimits limits{100, 0, 100};
  leases.add(1, ask("one", 0, kA, 0, 1000), LeaseQueue::Measure::unmeasured);
  leases.add(2, ask("two", 0, kB, 0, 50));
  EXPECT_THAT(leases.grant(limits), IsEmpty()) << "who comes later does not overtake";
  EXPECT_THAT(leases.reason(1), HasSubstr("asking the archive"));
  ASSERT_EQ(leases.unmeasured()->first, 1u);
  leases.measured(1, {{kA, 50}});
  EXPECT_FALSE(leases.unmeasured());
  EXPECT_EQ(leases.grant(limits).size(), 2u);
  EXPECT_EQ(leases.leased_bytes(), 100u);
}

TEST(Leases, CountWhatIsWrittenIntoHoles) {
  LeaseQueue leases;
  leases.add(1, sparse("one", 1000, 0, 1000, 30));
  leases.add(2, ask("two", 0, kB, 0, 50));
  leases.grant({});
  EXPECT_THAT(leases.with_holes(), ::testing::ElementsAre(kA));
  leases.occupies(kA, 20);
  EXPECT_EQ(leases.leased_bytes(), 80u) << "what is not here yet will be";
  leases.occupies(kA, 200);
  EXPECT_EQ(leases.leased_bytes(), 250u);
  EXPECT_EQ(leases.leased_bytes(1000), 200u);
  leases.occupies(kA, 2000);
  EXPECT_EQ(leases.leased_bytes(), 1050u) << "it has no more";
  EXPECT_THAT(leases.with_holes(), IsEmpty());
  leases.release("one");
  leases.release("two");
  EXPECT_EQ(leases.leased_bytes(), 0u);
  EXPECT_EQ(leases.leased_bytes(1000), 0u);
}

// What the queue should do, byte by byte.
class Model {
 public:
  using Block = std::pair<uint64_t, uint64_t>;  // inode, byte
  struct Job {
    std::string owner;
    uint32_t uid = 0;
    std::set<Block> blocks;
  };
  std::map<uint64_t, Job> waiting;
  std::map<std::string, Job> held;

  std::set<Block> leased(std::optional<uint32_t> uid) const {
    std::set<Block> all;
    for (const auto& [owner, job] : held) {
      if (!uid || job.uid == *uid) all.insert(job.blocks.begin(), job.blocks.end());
    }
    return all;
  }
  std::set<uint64_t> grant(const LeaseLimits& limits) {
    std::set<uint64_t> granted;
    bool blocked = false;
    for (auto it = waiting.begin(); it != waiting.end();) {
      const Job& job = it->second;
      auto with = leased(std::nullopt);
      const size_t before = with.size();
      with.insert(job.blocks.begin(), job.blocks.end());
      auto users = leased(job.uid);
      users.insert(job.blocks.begin(), job.blocks.end());
      const bool needs_room = with.size() > before;
      const bool over_user = job.uid != 0 && users.size() > limits.user_bytes;
      const bool over = with.size() + limits.held_bytes > limits.room_bytes;
      if (over_user || (needs_room && (blocked || over))) {
        blocked = blocked || (!over_user && needs_room);
        ++it;
        continue;
      }
      Job& mine = held[job.owner];
      mine.owner = job.owner;
      mine.uid = job.uid;
      mine.blocks.insert(job.blocks.begin(), job.blocks.end());
      granted.insert(it->first);
      it = waiting.erase(it);
    }
    return granted;
  }
};

class LeasesUnderARandomSchedule : public ::testing::TestWithParam<uint64_t> {};

TEST_P(LeasesUnderARandomSchedule, NeverHoldMoreThanFitsAndNeverDeadlock) {
  const uint64_t seed = GetParam();
  std::mt19937_64 random(seed);
  const auto below = [&](uint64_t n) { return random() % n; };
  std::cout << "seed " << seed << "\n";
  LeaseQueue leases;
  Model model;
  LeaseLimits limits{200, 0, 120};
  uint64_t next_id = 0;
  size_t grants = 0;
  const auto grant = [&] {
    const auto expected = model.grant(limits);
    std::set<uint64_t> granted;
    for (const auto& [id, what] : leases.grant(limits)) granted.insert(id);
    ASSERT_EQ(granted, expected);
    grants += granted.size();
    ASSERT_EQ(leases.leased_bytes(), model.leased(std::nullopt).size());
    for (uint32_t uid = 0; uid < 3; ++uid)
      ASSERT_EQ(leases.leased_bytes(uid), model.leased(uid).size());
    ASSERT_LE(leases.leased_bytes(), limits.room_bytes);
    for (uint32_t uid = 1; uid < 3; ++uid) ASSERT_LE(leases.leased_bytes(uid), limits.user_bytes);
    for (const auto& [id, job] : model.waiting) ASSERT_FALSE(leases.reason(id).empty());
  };
  for (int step = 0; step < 400; ++step) {
    switch (below(5)) {
      case 0:
      case 1: {  // a job asks for parts of some of four files
        const auto uid = static_cast<uint32_t>(below(3));
        const std::string owner = std::to_string(uid) + ":job" + std::to_string(below(12));
        LeaseAsk asked{owner, uid, {}};
        Model::Job job{owner, uid, {}};
        for (uint64_t parts = below(3) + 1; parts > 0; --parts) {
          const uint64_t inode = 20 + below(4);
          const uint64_t begin = below(100);
          const uint64_t end = begin + below(40) + 1;
          asked.ranges[InodeNumber{inode}].add(begin, end);
          for (uint64_t at = begin; at < end; ++at) job.blocks.emplace(inode, at);
        }
        leases.add(++next_id, asked);
        model.waiting[next_id] = job;
        break;
      }
      case 2: {  // a job ends, or its leases run out
        if (model.held.empty()) break;
        const auto it =
            std::next(model.held.begin(), static_cast<ptrdiff_t>(below(model.held.size())));
        leases.release(it->first);
        model.held.erase(it);
        break;
      }
      case 3:
        limits.held_bytes = below(100);
        break;
      case 4:
        if (!model.waiting.empty() && below(4) == 0) {
          const uint64_t id = model.waiting.begin()->first;
          leases.cancel(id);
          model.waiting.erase(id);
        }
        break;
    }
    ASSERT_NO_FATAL_FAILURE(grant());
  }
  // Everything is published, and whoever has a grant runs and ends: so does everybody.
  limits.held_bytes = 0;
  for (int rounds = 0; !model.waiting.empty(); ++rounds) {
    ASSERT_LT(rounds, 2000) << "deadlock";
    ASSERT_NO_FATAL_FAILURE(grant());
    while (!model.held.empty()) {
      leases.release(model.held.begin()->first);
      model.held.erase(model.held.begin());
    }
  }
  EXPECT_GT(grants, 20u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, LeasesUnderARandomSchedule, ::testing::Range<uint64_t>(1, 7));

}  // namespace
}  // namespace tierhub::prefetcher_leases_test
