#include "catalog/group_sync.h"

#include <atomic>
#include <latch>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace tierhub {
namespace {

TEST(GroupSync, EachCallerAloneGetsASyncOfItsOwn) {
  GroupSync group;
  int syncs = 0;
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(group
                    .run([&]() -> Result<void> {
                      ++syncs;
                      return {};
                    })
                    .has_value());
  }
  EXPECT_EQ(syncs, 3);
}

TEST(GroupSync, CallersThatComeDuringASyncShareTheNextOne) {
  GroupSync group;
  constexpr size_t kLate = 8;
  std::atomic<int> syncs{0};
  std::latch first_runs(1);
  std::latch first_may_end(1);
  const auto sync = [&]() -> Result<void> {
    if (++syncs == 1) {
      first_runs.count_down();
      first_may_end.wait();
    }
    return {};
  };
  {
    std::vector<std::jthread> threads;
    threads.emplace_back([&] { EXPECT_TRUE(group.run(sync).has_value()); });
    first_runs.wait();
    for (size_t i = 0; i < kLate; ++i) {
      threads.emplace_back([&] {
        EXPECT_TRUE(group.run(sync).has_value());
        EXPECT_EQ(syncs, 2) << "the first one began before this call";
      });
    }
    while (group.waiting() < 1 + kLate) std::this_thread::yield();
    first_may_end.count_down();
  }
  EXPECT_EQ(syncs, 2);
  EXPECT_EQ(group.waiting(), 0U);
}

TEST(GroupSync, AFailureIsFinal) {
  GroupSync group;
  const auto fail = []() -> Result<void> { return Error(std::errc::io_error, "sync: it broke"); };
  const auto succeed = []() -> Result<void> { return {}; };
  EXPECT_TRUE(group.state().has_value());
  EXPECT_FALSE(group.run(fail).has_value());
  const auto later = group.run(succeed);
  ASSERT_FALSE(later.has_value());
  EXPECT_EQ(later.error().text(), "sync: it broke");
  EXPECT_FALSE(group.state().has_value());
}

TEST(GroupSync, AFailedWriteEndsTheSyncsToo) {
  GroupSync group;
  EXPECT_EQ(group.fail(Error(std::errc::io_error, "write: it broke")).text(), "write: it broke");
  EXPECT_EQ(group.fail(Error(std::errc::io_error, "later")).text(), "write: it broke");
  int syncs = 0;
  const auto result = group.run([&]() -> Result<void> {
    ++syncs;
    return {};
  });
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().text(), "write: it broke");
  EXPECT_EQ(syncs, 0);
}

}  // namespace
}  // namespace tierhub
