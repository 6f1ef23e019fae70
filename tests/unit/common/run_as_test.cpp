#include "common/run_as.h"

#include <functional>
#include <set>

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "common/spawn.h"

namespace tierhub {
namespace {

const Account kAlice{3001, 4001, {4001, 4002}, "alice", "/home/alice"};
const Account kBob{3002, 4003, {4003}, "bob", "/home/bob"};

bool in_child(const std::function<bool()>& check) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(check() ? 0 : 1);
  return wait_for_end(child) == 0;
}

class RunAs : public ::testing::Test {
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  }
};

TEST(Account, OfAUserWithoutOneHasNoGroups) {
  constexpr uint32_t kUnused = 3'123'456'789;
  const Result<Account> own = find_account(kUnused, kUnused);
  ASSERT_TRUE(own);
  EXPECT_EQ(own->gid, kUnused);
  EXPECT_EQ(own->groups, std::vector<uint32_t>{kUnused});
  const Result<Account> foreign = find_account(kUnused, 0);
  ASSERT_TRUE(foreign);
  EXPECT_NE(foreign->gid, 0u);
  EXPECT_EQ(foreign->groups, std::vector<uint32_t>{foreign->gid});
}

TEST(Account, OfAUserHasItsNameAndGroups) {
  const Result<Account> account = find_account(0, 12345);
  ASSERT_TRUE(account);
  EXPECT_EQ(account->name, "root");
  EXPECT_EQ(account->gid, 0u);
}

TEST_F(RunAs, BecomesTheUserWithTheGroupsAndNoOthers) {
  EXPECT_TRUE(in_child([] {
    if (!become(kAlice)) return false;
    uid_t uids[3];
    gid_t gids[3];
    ::getresuid(&uids[0], &uids[1], &uids[2]);
    ::getresgid(&gids[0], &gids[1], &gids[2]);
    gid_t groups[8];
    const int count = ::getgroups(8, groups);
    return std::set(uids, uids + 3) == std::set<uid_t>{3001} &&
           std::set(gids, gids + 3) == std::set<gid_t>{4001} && count == 2 &&
           std::set(groups, groups + count) == std::set<gid_t>{4001, 4002};
  }));
}

TEST_F(RunAs, CannotGoBack) {
  EXPECT_TRUE(in_child([] {
    return become(kAlice) && ::setresuid(-1, 0, -1) < 0 && ::setresgid(-1, 0, -1) < 0 &&
           ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
  }));
}

TEST_F(RunAs, AnOrdinaryUserCannotBecomeAnotherAndIsToldWhatToDo) {
  EXPECT_TRUE(in_child([] {
    if (!become(kAlice) || !become(kAlice)) return false;
    const auto other = become(kBob);
    return !other && other.error().is(std::errc::operation_not_permitted) &&
           other.error().text() ==
               "this process runs as user 3001 and cannot become bob: start it as root, or as bob "
               "itself";
  }));
}

TEST(RunAsEnvironment, IsTheAccountsAndHoldsNothingElseOfThisProcess) {
  ::setenv("TIERHUB_SECRET", "x", 1);
  const std::vector<std::string> variables = environment_of(kAlice);
  ::unsetenv("TIERHUB_SECRET");
  ASSERT_EQ(variables.size(), 5u);
  EXPECT_EQ(variables[0], "HOME=/home/alice");
  EXPECT_EQ(variables[1], "USER=alice");
  EXPECT_EQ(variables[2], "LOGNAME=alice");
}

}  // namespace
}  // namespace tierhub
