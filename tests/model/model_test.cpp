// Random operations against a naive model. The tier must show the same tree after each step that
// could have changed it, after a crash, and in the archive after a publish. A sequence that fails
// is printed again with the fewest steps that still fail.
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

#include "tests/model/minimise.h"
#include "tests/model/model_run.h"
#include "tests/support/temporary_directory.h"

namespace tierhub::test {
namespace {

using Steps = std::vector<ModelStep>;

// What a sequence of steps did, in words, up to the first that failed.
struct Outcome {
  std::vector<std::string> log;
  std::string failure;  // empty: none
};

// Performs the steps and checks everything, after each of a few, more seldom among many; failures
// are reported to nobody else.
Outcome try_steps(const Steps& steps, ModelRun::Model model) {
  Outcome outcome;
  ::testing::TestPartResultArray results;
  const ::testing::ScopedFakeTestPartResultReporter reporter(
      ::testing::ScopedFakeTestPartResultReporter::INTERCEPT_ONLY_CURRENT_THREAD, &results);
  const TemporaryDirectory folder;
  ModelRun run(folder.path(), model);
  const size_t steps_per_check = steps.size() / 20 + 1;
  for (size_t i = 0; i < steps.size() && results.size() == 0; ++i) {
    run.perform(steps[i]);
    outcome.log.push_back(run.trace());
    if (i % steps_per_check != 0) continue;
    run.check_everything();
    run.check_catalog();
  }
  if (results.size() == 0) run.publish_and_check_archive();
  if (results.size() > 0) outcome.failure = results.GetTestPartResult(0).message();
  return outcome;
}

// Empty if the steps do not fail when they are performed again.
Steps fewest_steps(const Steps& steps, ModelRun::Model model) {
  constexpr std::chrono::seconds kTimeLimit(60);
  const auto fails = [&](const Steps& tried) { return !try_steps(tried, model).failure.empty(); };
  if (!fails(steps)) return {};
  return minimise(steps, fails, kTimeLimit);
}

void print_fewest(const Steps& steps, ModelRun::Model model) {
  const Steps fewest = fewest_steps(steps, model);
  if (fewest.empty()) {
    std::cout << "the same steps do not fail again\n";
    return;
  }
  const Outcome outcome = try_steps(fewest, model);
  std::cout << "these " << fewest.size() << " of " << steps.size() << " steps fail too:\n";
  for (const std::string& words : outcome.log) std::cout << "  " << words << "\n";
  std::cout << outcome.failure << "\n";
}

uint64_t setting(const char* name, uint64_t fallback) {
  const char* value = std::getenv(name);
  return value == nullptr ? fallback : std::strtoull(value, nullptr, 10);
}

// False: something differed; which steps it takes is printed.
bool equals_the_model(uint64_t seed, uint64_t count,
                      std::array<uint64_t, kOpNames.size()>& counts) {
  const TemporaryDirectory folder;
  ModelRun run(folder.path());
  const Steps steps = random_steps(seed, count);
  for (size_t i = 0; i < steps.size(); ++i) {
    run.perform(steps[i]);
    if (i % 10 == 9) run.check_everything();
    if (i % 20 == 19) run.check_catalog();
    if (i % 100 == 99) run.publish_and_check_archive();
    if (!::testing::Test::HasFailure()) continue;
    std::cout << "seed " << seed << " failed at step " << i << ": " << run.trace() << "\n";
    print_fewest(Steps(steps.begin(), steps.begin() + static_cast<std::ptrdiff_t>(i + 1)),
                 ModelRun::Model::right);
    return false;
  }
  for (size_t i = 0; i < counts.size(); ++i) counts[i] += run.counts()[i];
  return true;
}

// TIERHUB_MODEL_SEED, TIERHUB_MODEL_SEEDS and TIERHUB_MODEL_STEPS choose other runs.
TEST(Model, RandomOperationsLeaveTheTreeOfTheModel) {
  const uint64_t first_seed = setting("TIERHUB_MODEL_SEED", 1);
  const uint64_t seeds = setting("TIERHUB_MODEL_SEEDS", 12);
  const uint64_t steps = setting("TIERHUB_MODEL_STEPS", 400);
  std::array<uint64_t, kOpNames.size()> counts{};
  for (uint64_t seed = first_seed; seed < first_seed + seeds; ++seed) {
    ASSERT_TRUE(equals_the_model(seed, steps, counts)) << "seed " << seed;
  }
  std::cout << "seeds " << first_seed << " to " << first_seed + seeds - 1 << ", " << steps
            << " steps each:\n";
  for (size_t i = 0; i < counts.size(); ++i) {
    std::cout << "  " << kOpNames[i] << ": " << counts[i] << "\n";
    EXPECT_GT(counts[i], 0u) << kOpNames[i] << " never ran";
  }
}

TEST(Model, ShowsAFailureByItsFewestSteps) {
  const Steps steps = {{Op::mkdir, 1}, {Op::create, 2}, {Op::symlink, 3},  {Op::write, 4},
                       {Op::chmod, 5}, {Op::create, 6}, {Op::truncate, 7}, {Op::set_xattr, 8}};
  const Steps fewest = fewest_steps(steps, ModelRun::Model::forgets_truncate);
  ASSERT_FALSE(fewest.empty()) << "a model that is wrong must fail";
  EXPECT_LE(fewest.size(), 3u) << "a file, something in it, and its truncation";
  EXPECT_EQ(fewest.back().op, Op::truncate);
  EXPECT_EQ(try_steps(fewest, ModelRun::Model::right).failure, "");
}

TEST(Minimise, KeepsWhatFailsInItsOrder) {
  std::vector<int> numbers(100);
  for (int i = 0; i < 100; ++i) numbers[static_cast<size_t>(i)] = i;
  const auto fails = [](const std::vector<int>& tried) {
    const auto has = [&](int n) { return std::find(tried.begin(), tried.end(), n) != tried.end(); };
    return has(17) && has(42) && has(99);
  };
  EXPECT_EQ(minimise(numbers, fails, std::chrono::seconds(10)), (std::vector<int>{17, 42, 99}));
}

}  // namespace
}  // namespace tierhub::test
