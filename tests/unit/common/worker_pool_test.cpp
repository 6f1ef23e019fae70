#include "common/worker_pool.h"

#include <atomic>
#include <stdexcept>
#include <vector>

#include <gtest/gtest.h>

namespace tierhub {
namespace {

TEST(WorkerPool, RunsEveryIndexOnce) {
  WorkerPool pool(4);
  std::vector<std::atomic<int>> runs(1000);
  pool.for_each(runs.size(), 4, [&](size_t i) { ++runs[i]; });
  for (const auto& count : runs) EXPECT_EQ(count, 1);
}

TEST(WorkerPool, MakesProgressInTheCallersThreadWhenAllOthersAreStuck) {
  std::atomic<bool> stuck = true;
  WorkerPool pool(2);
  for (int i = 0; i < 2; ++i) {
    pool.submit([&] { stuck.wait(true); });
  }
  std::atomic<int> runs = 0;
  pool.for_each(100, 8, [&](size_t) { ++runs; });
  EXPECT_EQ(runs, 100);
  stuck = false;
  stuck.notify_all();
}

TEST(WorkerPool, WhatOneThrowsEndsTheLoopAndIsThrownOnTheCallingThread) {
  std::atomic<int> runs = 0;
  const auto body = [&](size_t i) {
    ++runs;
    if (i == 20) throw std::runtime_error("the 20th");
  };
  EXPECT_THROW(in_lanes(4, 1'000'000, body), std::runtime_error);
  EXPECT_LT(runs, 1'000'000);
  EXPECT_THROW(in_lanes(1, 100, body), std::runtime_error);
}

}  // namespace
}  // namespace tierhub
