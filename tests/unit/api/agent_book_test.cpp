#include "api/agent_book.h"

#include <gtest/gtest.h>

namespace tierhub::api {
namespace {

using std::chrono::seconds;

constexpr Timestamp kStart{1'000'000'000'000};

Now after(int64_t s) {
  return {SteadyClock::time_point(seconds(1'000 + s)), {kStart.ns + s * 1'000'000'000}};
}

Agent agent_on(const std::string& host, const std::string& state = "watching") {
  Agent agent;
  agent.host = host;
  agent.state = state;
  agent.folders = {"/srv/jobs"};
  return agent;
}

Run run_on(const std::string& host, uint32_t uid, const std::string& state = "running") {
  Run run;
  run.uid = uid;
  run.state = state;
  run.agent = host;
  return run;
}

constexpr uint32_t kAlice = 1'000;
constexpr uint32_t kBob = 1'001;

TEST(AgentBook, AnAgentThatIsSilentIsGone) {
  AgentBook book(after(0));
  ASSERT_TRUE(book.put(Caller{}, agent_on("a"), after(0)));
  EXPECT_FALSE(book.list(Caller{}, after(35)).at(0).gone);
  EXPECT_TRUE(book.list(Caller{}, after(36)).at(0).gone);
  ASSERT_TRUE(book.put(Caller{}, agent_on("a"), after(40)));
  EXPECT_FALSE(book.list(Caller{}, after(41)).at(0).gone);
  EXPECT_EQ(book.list(Caller{}, after(41)).at(0).heard, after(40).wall);
}

TEST(AgentBook, AnAgentThatStoppedIsGoneAtOnce) {
  AgentBook book(after(0));
  ASSERT_TRUE(book.put(Caller{}, agent_on("a", "stopped"), after(1)));
  EXPECT_TRUE(book.list(Caller{}, after(1)).at(0).gone);
  EXPECT_EQ(book.gone_since(run_on("a", kAlice), after(2)), after(1).wall);
}

TEST(AgentBook, ARunIsOfTheAgentOfRootOrOfItsUser) {
  AgentBook book(after(0));
  ASSERT_TRUE(book.put(Caller{}, agent_on("a"), after(0)));
  ASSERT_TRUE(book.put(Caller{kAlice, kAlice, {}}, agent_on("a"), after(60)));
  EXPECT_FALSE(book.gone_since(run_on("a", kAlice), after(61)));
  EXPECT_EQ(book.gone_since(run_on("a", kBob), after(61)), after(0).wall);
  EXPECT_FALSE(book.gone_since(run_on("a", kBob, "done"), after(61)));
  EXPECT_FALSE(book.gone_since(run_on("", kBob), after(61))) << "nobody knows whose it is";
}

TEST(AgentBook, AnAgentThatWasNeverHeardOfHasTimeToSpeak) {
  const AgentBook book(after(0));
  EXPECT_FALSE(book.gone_since(run_on("a", kAlice), after(35)));
  EXPECT_EQ(book.gone_since(run_on("a", kAlice), after(36)), after(0).wall);
}

TEST(AgentBook, UsersSeeTheAgentsOfRootAndTheirs) {
  AgentBook book(after(0));
  for (const uint32_t uid : {0u, kAlice, kBob}) {
    ASSERT_TRUE(book.put(Caller{uid, uid, {}}, agent_on("h" + std::to_string(uid)), after(0)));
  }
  EXPECT_EQ(book.list(Caller{}, after(0)).size(), 3u);
  const auto seen = book.list(Caller{kAlice, kAlice, {}}, after(0));
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[0].uid, 0u);
  EXPECT_EQ(seen[1].uid, kAlice);
}

TEST(AgentBook, NobodySpeaksForTheAgentOfAnother) {
  AgentBook book(after(0));
  Agent forged = agent_on("a");
  forged.uid = 0;
  ASSERT_TRUE(book.put(Caller{kBob, kBob, {}}, forged, after(100)));
  EXPECT_EQ(book.gone_since(run_on("a", kAlice), after(100)), after(0).wall);
}

TEST(AgentBook, IsBounded) {
  AgentBook book(after(0));
  const Caller alice{kAlice, kAlice, {}};
  for (size_t i = 0; i < AgentBook::kMostOfAUser; ++i) {
    ASSERT_TRUE(book.put(alice, agent_on("h" + std::to_string(i)), after(0)));
  }
  EXPECT_FALSE(book.put(alice, agent_on("more"), after(1)));
  EXPECT_TRUE(book.put(alice, agent_on("h0"), after(30)));
  EXPECT_TRUE(book.put(alice, agent_on("more"), after(36))) << "a gone one makes room";
  EXPECT_EQ(book.list(alice, after(36)).size(), AgentBook::kMostOfAUser);
  for (uint32_t uid = 2'000; uid < 2'000 + 2 * AgentBook::kMost; ++uid) {
    static_cast<void>(book.put(Caller{uid, uid, {}}, agent_on("x"), after(36)));
  }
  EXPECT_EQ(book.list(Caller{}, after(36)).size(), AgentBook::kMost);
}

TEST(AgentBook, RefusesWhatIsNoAgent) {
  AgentBook book(after(0));
  for (const std::string& host : {std::string(), std::string("a b"), std::string("a\nb"),
                                  std::string("../x"), std::string(256, 'a')}) {
    EXPECT_FALSE(book.put(Caller{}, agent_on(host), after(0))) << host;
  }
  EXPECT_FALSE(book.put(Caller{}, agent_on("a", "dancing"), after(0)));
  Agent agent = agent_on("a");
  agent.folders.assign(AgentBook::kMostFolders + 1, "/x");
  EXPECT_FALSE(book.put(Caller{}, agent, after(0)));
  agent.folders = {std::string(5'000, 'x')};
  EXPECT_FALSE(book.put(Caller{}, agent, after(0)));
  EXPECT_TRUE(book.list(Caller{}, after(0)).empty());
}

}  // namespace
}  // namespace tierhub::api
