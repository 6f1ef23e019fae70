#include "imaging/voxels/parallel.h"

#include <atomic>
#include <stdexcept>
#include <vector>

#include <gtest/gtest.h>

namespace tierhub::imaging {
namespace {

TEST(Parallel, CallsTheBodyOnceForEachNumber) {
  for (const size_t threads : {0, 1, 3, 20}) {
    std::vector<std::atomic<int>> calls(17);
    Parallel(threads).for_each(calls.size(), [&](size_t i) { ++calls[i]; });
    for (const auto& count : calls) EXPECT_EQ(count, 1);
  }
}

TEST(Parallel, CoversAllNumbersWithItsRanges) {
  for (const size_t threads : {1, 2, 5}) {
    for (const size_t count : {0, 1, 7, 100}) {
      std::vector<std::atomic<int>> calls(count);
      Parallel(threads).for_ranges(count, [&](size_t begin, size_t end) {
        for (size_t i = begin; i < end; ++i) ++calls[i];
      });
      for (const auto& visits : calls) EXPECT_EQ(visits, 1);
    }
  }
}

TEST(Parallel, ThrowsWhatTheBodyThrew) {
  const auto fail = [](size_t) { throw std::runtime_error("no"); };
  EXPECT_THROW(Parallel(2).for_each(5, fail), std::runtime_error);
}

}  // namespace
}  // namespace tierhub::imaging
