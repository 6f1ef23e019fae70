// Which accounts still exist.
#include "hub/login/accounts.h"

#include <cerrno>

#include <gtest/gtest.h>

namespace tierhub::hub {
namespace {

using namespace std::chrono_literals;

TEST(MissingAccounts, AreGoneAfterTwoMinutes) {
  MissingAccounts missing;
  const auto start = MissingAccounts::Clock::now();
  EXPECT_FALSE(missing.is_gone(1000, start));
  EXPECT_FALSE(missing.is_gone(1000, start + 119s));
  EXPECT_FALSE(missing.is_gone(1001, start + 119s)) << "each for itself";
  EXPECT_TRUE(missing.is_gone(1000, start + 120s));
  missing.forget(1000);
  EXPECT_FALSE(missing.is_gone(1000, start + 121s)) << "it was there in between";
  EXPECT_EQ(missing.uids(), (std::set<uint32_t>{1000, 1001}));
  EXPECT_FALSE(missing.is_gone(1001, start + 300s)) << "nobody has looked for long";
  EXPECT_TRUE(missing.is_gone(1001, start + 420s));
}

TEST(AccountState, TellsAnotherPersonFromNobody) {
  EXPECT_EQ(look_up_account("root", 0), AccountState::same);
  EXPECT_EQ(look_up_account("root", 1), AccountState::another);
  EXPECT_EQ(look_up_account("no such name", 0), AccountState::another) << "it is root's number";
  EXPECT_EQ(look_up_account("no such name", 3'999'999'999), AccountState::not_found);
}

TEST(AccountState, AnErrorIsNoAnswer) {
  for (const int error : {EIO, ETIMEDOUT, ECONNREFUSED, EAGAIN, EMFILE, ENOMEM})
    EXPECT_FALSE(means_not_found(error)) << error;
  for (const int error : {0, ENOENT, ESRCH}) EXPECT_TRUE(means_not_found(error)) << error;
}

}  // namespace
}  // namespace tierhub::hub
