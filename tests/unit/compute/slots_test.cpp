#include "compute/run/slots.h"

#include <gtest/gtest.h>

namespace tierhub::compute {
namespace {

std::vector<std::string> granted(SlotPool& pool) {
  std::vector<std::string> texts;
  for (const SlotPool::Grant& grant : pool.grant()) {
    texts.push_back(std::to_string(grant.client) + ":" + slots_text(grant.slots));
  }
  return texts;
}

using Texts = std::vector<std::string>;

TEST(Slots, AreGivenToThoseWhoAskUntilThereAreNoMore) {
  SlotPool pool(2);
  for (const int client : {1, 2, 3}) pool.want(client, 1);
  EXPECT_EQ(granted(pool), (Texts{"1:0", "2:1"}));
  EXPECT_EQ(granted(pool), Texts{});
  pool.release(1, {0});
  EXPECT_EQ(granted(pool), Texts{"3:0"});
}

TEST(Slots, AreGivenToNoMoreWishesThanTheCallerAllows) {
  SlotPool pool(4);
  for (const int client : {1, 2, 3}) pool.want(client, 1);
  EXPECT_EQ(pool.grant(2).size(), 2u);
  EXPECT_TRUE(pool.has_wishes());
  EXPECT_EQ(pool.grant(0).size(), 0u);
  EXPECT_EQ(granted(pool), Texts{"3:2"});
  EXPECT_FALSE(pool.has_wishes());
}

TEST(Slots, AreGivenAllOfATaskOrNone) {
  SlotPool pool(3);
  pool.want(1, 1);
  pool.want(2, 3);
  EXPECT_EQ(granted(pool), Texts{"1:0"});
  pool.release(1, {0});
  EXPECT_EQ(granted(pool), Texts{"2:0,1,2"});
}

TEST(Slots, ATaskThatNeedsManyIsNotOvertaken) {
  SlotPool pool(2);
  pool.want(1, 1);
  EXPECT_EQ(granted(pool), Texts{"1:0"});
  pool.want(2, 2);
  pool.want(3, 1);
  EXPECT_EQ(granted(pool), Texts{});
  pool.release(1, {0});
  EXPECT_EQ(granted(pool), Texts{"2:0,1"});
}

TEST(Slots, ComeBackWhenTheirHolderLeaves) {
  SlotPool pool(1);
  pool.want(1, 1);
  pool.want(1, 1);
  pool.want(2, 1);
  EXPECT_EQ(granted(pool), Texts{"1:0"});
  pool.leave(1);
  EXPECT_EQ(granted(pool), Texts{"2:0"});
}

TEST(Slots, CannotBeReleasedByOthers) {
  SlotPool pool(1);
  pool.want(1, 1);
  EXPECT_EQ(granted(pool), Texts{"1:0"});
  pool.release(2, {0, 7});
  pool.want(2, 1);
  EXPECT_EQ(granted(pool), Texts{});
}

TEST(Slots, AWishForMoreThanThereAreIsCut) {
  SlotPool pool(2);
  pool.want(1, 64);
  EXPECT_EQ(granted(pool), Texts{"1:0,1"});
}

// --- Between users ---

TEST(Slots, GoToTheUserWhoHasFewest) {
  SlotPool pool(4);
  for (int client = 1; client <= 8; ++client) pool.want(client, 1, 100);
  EXPECT_EQ(granted(pool), (Texts{"1:0", "2:1", "3:2", "4:3"})) << "nobody else wants any";
  pool.want(20, 1, 200);
  pool.want(21, 1, 200);
  pool.want(22, 1, 200);
  pool.release(1, {0});
  EXPECT_EQ(granted(pool), Texts{"20:0"}) << "though others came before";
  pool.release(2, {1});
  EXPECT_EQ(granted(pool), Texts{"21:1"});
  pool.release(3, {2});
  EXPECT_EQ(granted(pool), Texts{"5:2"}) << "one against two";
  pool.release(20, {0});
  EXPECT_EQ(granted(pool), Texts{"22:0"});
}

TEST(Slots, OfUsersWhoHaveTheSameTheOneWhoWaitedLongestIsNext) {
  SlotPool pool(1);
  for (const int client : {1, 2}) pool.want(client, 1, 100);
  pool.want(3, 1, 200);
  pool.want(4, 1, 300);
  std::string order;
  for (int i = 0; i < 4; ++i) {
    const auto grants = pool.grant();
    ASSERT_EQ(grants.size(), 1u);
    order += std::to_string(grants[0].client);
    pool.release(grants[0].client, grants[0].slots);
  }
  EXPECT_EQ(order, "1342");
}

TEST(Slots, AUserCannotHaveMoreThanTheLimitAndHoldsUpNobody) {
  SlotPool pool(4, 2);
  EXPECT_EQ(pool.per_user(), 2u);
  for (const int client : {1, 2, 3}) pool.want(client, 1, 100);
  EXPECT_EQ(granted(pool), (Texts{"1:0", "2:1"})) << "two are free, but not for this user";
  pool.want(4, 9, 200);
  EXPECT_EQ(granted(pool), Texts{"4:2,3"}) << "cut to what a user can have";
  pool.release(2, {1});
  EXPECT_EQ(granted(pool), Texts{"3:1"});
}

TEST(Slots, ATaskThatNeedsManyIsNotOvertakenByOtherUsers) {
  SlotPool pool(2);
  pool.want(1, 1, 100);
  EXPECT_EQ(granted(pool), Texts{"1:0"});
  pool.want(2, 2, 200);
  pool.want(3, 1, 100);
  EXPECT_EQ(granted(pool), Texts{});
  pool.release(1, {0});
  EXPECT_EQ(granted(pool), Texts{"2:0,1"});
}

TEST(Slots, AUserWhoLeftStartsAnew) {
  SlotPool pool(1);
  pool.want(1, 1, 100);
  EXPECT_EQ(granted(pool), Texts{"1:0"});
  pool.leave(1);
  pool.want(2, 1, 200);
  pool.want(3, 1, 100);
  EXPECT_EQ(granted(pool), Texts{"2:0"});
}

TEST(Slots, CrossTheSocket) {
  Result<SocketPair> sockets = make_socket_pair();
  ASSERT_TRUE(sockets);
  SlotClient client(std::move(sockets->runner));
  ASSERT_TRUE(client.want(2));
  EXPECT_TRUE(client.waiting());
  EXPECT_EQ(receive_packet(sockets->agent.get()).value(), "want 2");
  EXPECT_EQ(client.receive().value(), std::nullopt);
  ASSERT_TRUE(send_packet(sockets->agent.get(), "grant 0,3"));
  EXPECT_EQ(client.receive().value(), (std::vector<unsigned>{0, 3}));
  EXPECT_FALSE(client.waiting());
  ASSERT_TRUE(client.release({0, 3}));
  EXPECT_EQ(receive_packet(sockets->agent.get()).value(), "release 0,3");
  sockets->agent.reset();
  EXPECT_TRUE(client.receive().error().is(std::errc::connection_reset));
}

TEST(Slots, AMessageThatIsNoneIsAnError) {
  for (const char* text : {"a", "1,", "1,x", "-1", "99999999999"}) {
    const auto slots = parse_slots(text);
    EXPECT_TRUE(!slots || std::string_view(text) == "1,") << text;
  }
}

}  // namespace
}  // namespace tierhub::compute
