#include "common/result.h"

#include <future>
#include <memory>

#include <gtest/gtest.h>

namespace tierhub {
namespace {

Result<int> half(int number) {
  if (number % 2 != 0) return Error(std::errc::invalid_argument, "it is odd");
  return number / 2;
}

Result<int> quarter(int number) {
  TRY_ASSIGN(const int once, half(number));
  TRY_ASSIGN(const int twice, half(once));
  return twice;
}

Result<void> check_even(int number) {
  TRY(half(number));
  return {};
}

Result<std::unique_ptr<int>> make_box(int number) {
  TRY_ASSIGN(auto box, Result<std::unique_ptr<int>>(std::make_unique<int>(number)));
  return box;
}

TEST(Result, TryGoesOnWithTheValueOrReturnsTheError) {
  EXPECT_EQ(*quarter(12), 3);
  ASSERT_FALSE(quarter(6).has_value());
  EXPECT_EQ(quarter(6).error().text(), "it is odd");
  EXPECT_TRUE(check_even(2).has_value());
  EXPECT_FALSE(check_even(1).has_value());
}

TEST(Result, HoldsWhatCanOnlyBeMoved) { EXPECT_EQ(**make_box(5), 5); }

TEST(Error, ReadsOutward) {
  const Error error = Error::from_errno(ENOSPC, "write").in("publish inode 42");
  EXPECT_EQ(error.text(), "publish inode 42: write: No space left on device");
  EXPECT_TRUE(error.is(std::errc::no_space_on_device));
  EXPECT_EQ(error.errno_value(), ENOSPC);
}

TEST(Error, OfAnotherCategoryIsEioForTheKernel) {
  EXPECT_EQ(Error(std::make_error_code(std::future_errc::no_state), "x").errno_value(), EIO);
}

}  // namespace
}  // namespace tierhub
