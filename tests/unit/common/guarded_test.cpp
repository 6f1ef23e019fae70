#include "common/guarded.h"

#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace tierhub {
namespace {

TEST(Guarded, LetsOneThreadAtATimeToTheValue) {
  Guarded<int> counter;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 1000; ++i) counter.with([](int& n) { ++n; });
      });
    }
  }
  EXPECT_EQ(counter.with([](int n) { return n; }), 4000);
}

TEST(Guarded, IsReadableWhenConst) {
  const Guarded<std::vector<int>> three(std::in_place, 3, 7);
  EXPECT_EQ(three.with([](const std::vector<int>& v) { return v; }), (std::vector<int>{7, 7, 7}));
}

}  // namespace
}  // namespace tierhub
