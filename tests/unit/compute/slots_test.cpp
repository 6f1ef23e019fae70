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
