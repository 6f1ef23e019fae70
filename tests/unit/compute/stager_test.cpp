#include "compute/staging/stager.h"

#include <fstream>
#include <optional>

#include <poll.h>

#include <gtest/gtest.h>

#include "tests/support/temporary_directory.h"

namespace tierhub::compute {
namespace {

// A tierd that finishes a prefetch when it is told to.
class FakeTierClient : public TierClient {
 public:
  struct State {
    bool at_once = true;  // prefetches are done when they are asked for
    bool away = false;    // does not answer
    std::string failure;  // of every prefetch
    std::vector<api::PrefetchRequest> requests;
    std::map<uint64_t, api::Prefetch> prefetches;
    std::vector<std::string> ended_leases;
    std::vector<api::Run> reports;
  };
  Guarded<State> state;

  Result<api::Status> status() override { return api::Status(); }
  Result<api::Prefetch> start_prefetch(const api::PrefetchRequest& request) override {
    return state.with([&](State& s) -> Result<api::Prefetch> {
      if (s.away) return Error(std::errc::connection_refused, "nobody listens");
      s.requests.push_back(request);
      api::Prefetch made;
      made.id = s.requests.size();
      made.state = !s.failure.empty() ? "failed" : s.at_once ? "done" : "running";
      made.first_error = s.failure;
      made.copied_bytes = 10;
      s.prefetches[made.id] = made;
      return made;
    });
  }
  Result<api::Prefetch> prefetch(uint64_t id) override {
    return state.with([&](State& s) -> Result<api::Prefetch> {
      if (s.away) return Error(std::errc::connection_refused, "nobody listens");
      const auto found = s.prefetches.find(id);
      if (found == s.prefetches.end()) {
        return Error(std::errc::no_such_file_or_directory, "no such prefetch");
      }
      return found->second;
    });
  }
  Result<void> cancel_prefetch(uint64_t) override { return {}; }
  Result<void> renew_lease(const std::string& owner, uint64_t ttl_s) override {
    state.with([&](State& s) {
      if (ttl_s == 0) s.ended_leases.push_back(owner);
    });
    return {};
  }
  Result<void> report_run(const api::Run& run) override {
    state.with([&](State& s) { s.reports.push_back(run); });
    return {};
  }
  Result<void> report_agent(const api::Agent&) override { return {}; }
  Result<std::vector<api::Agent>> agents() override { return std::vector<api::Agent>(); }
  Result<api::ResidencyList> residencies(const api::ResidencyRequest&) override {
    return api::ResidencyList();
  }
  Result<api::Entry> totals(const std::string&) override { return api::Entry(); }
  bool may_pass(const Error& error) const override {
    return error.is(std::errc::connection_refused);
  }
  bool is_busy(const Error&) const override { return false; }

  void finish(uint64_t id) {
    state.with([&](State& s) { s.prefetches.at(id).state = "done"; });
  }
  size_t requests() {
    return state.with([](State& s) { return s.requests.size(); });
  }
};

class StagerTest : public ::testing::Test {
 protected:
  void start(uint64_t limit_bytes = 1 << 30) {
    Result<std::unique_ptr<Stager>> started =
        Stager::start(tier, "run", limit_bytes, [](TaskId task) -> Result<TaskInput> {
          if (task.index == 99) return Error(std::errc::permission_denied, "cannot read /x");
          const uint64_t begin = 100 * task.index;
          return TaskInput{{{"/data", 100'000, {{begin, begin + 150}}}}, {}};
        });
    ASSERT_TRUE(started);
    stager = *std::move(started);
  }

  Stager::Outcome next_outcome() {
    for (int i = 0; i < 300; ++i) {
      pollfd polled{stager->event_fd(), POLLIN, 0};
      ::poll(&polled, 1, 100);
      for (Stager::Outcome& outcome : stager->take_outcomes())
        outcomes.push_back(std::move(outcome));
      if (outcomes.empty()) continue;
      Stager::Outcome first = std::move(outcomes.front());
      outcomes.erase(outcomes.begin());
      return first;
    }
    throw std::runtime_error("no outcome came");
  }

  void until(const std::function<bool()>& condition) {
    for (int i = 0; i < 3000 && !condition(); ++i) ::poll(nullptr, 0, 10);
    ASSERT_TRUE(condition());
  }

  std::shared_ptr<FakeTierClient> tier = std::make_shared<FakeTierClient>();
  std::unique_ptr<Stager> stager;
  std::vector<Stager::Outcome> outcomes;
};

TEST_F(StagerTest, ATaskIsResidentWhenItsPrefetchIsDone) {
  tier->state.with([](auto& s) { s.at_once = false; });
  start();
  stager->stage({0, 0});
  until([&] { return tier->requests() == 1; });
  EXPECT_TRUE(stager->take_outcomes().empty());
  tier->finish(1);
  const Stager::Outcome outcome = next_outcome();
  EXPECT_EQ(outcome.task, (TaskId{0, 0}));
  EXPECT_TRUE(outcome.resident);
  tier->state.with([](auto& s) {
    EXPECT_TRUE(s.requests[0].lease_owner.starts_with("run"));
    EXPECT_GT(s.requests[0].lease_ttl_s, 0u);
    EXPECT_EQ(s.requests[0].urgency, "task");
    EXPECT_EQ(s.requests[0].files[0].path, "/data");
    EXPECT_EQ(s.requests[0].files[0].ranges, (std::vector<ByteRange>{{0, 150}}));
  });
}

TEST_F(StagerTest, BytesThatTwoTasksReadAreCountedOnce) {
  start();
  stager->stage({0, 0});
  stager->stage({0, 1});
  EXPECT_TRUE(next_outcome().resident);
  EXPECT_TRUE(next_outcome().resident);
  EXPECT_EQ(stager->progress().staged_bytes, 250u);
  EXPECT_EQ(stager->progress().copied_bytes, 20u);
}

TEST_F(StagerTest, NoMoreIsLeasedAheadThanTheLimit) {
  start(200);
  for (size_t i : {0, 10, 20}) stager->stage({0, i});
  EXPECT_EQ(next_outcome().task.index, 0u);
  EXPECT_EQ(tier->requests(), 1u);
  stager->started({0, 0});
  EXPECT_EQ(next_outcome().task.index, 10u);
  EXPECT_EQ(tier->requests(), 2u);
  stager->release({0, 10});
  EXPECT_EQ(next_outcome().task.index, 20u);
}

TEST_F(StagerTest, ALeaseEndsWithItsTask) {
  start();
  stager->stage({0, 3});
  EXPECT_TRUE(next_outcome().resident);
  stager->release({0, 3});
  until([&] { return tier->state.with([](auto& s) { return !s.ended_leases.empty(); }); });
  tier->state.with(
      [](auto& s) { EXPECT_EQ(s.ended_leases.front(), s.requests.front().lease_owner); });
}

TEST_F(StagerTest, AllLeasesEndWithTheRun) {
  start();
  stager->stage({0, 3});
  EXPECT_TRUE(next_outcome().resident);
  stager.reset();
  tier->state.with([](auto& s) {
    EXPECT_EQ(s.ended_leases, (std::vector<std::string>{s.requests[0].lease_owner, "run"}));
  });
}

TEST_F(StagerTest, WhatCannotBeStagedFailsByName) {
  tier->state.with([](auto& s) { s.failure = "/data: Permission denied"; });
  start();
  stager->stage({0, 0});
  const Stager::Outcome outcome = next_outcome();
  ASSERT_FALSE(outcome.resident);
  EXPECT_NE(outcome.resident.error().text().find("/data: Permission denied"), std::string::npos);
}

TEST_F(StagerTest, AnInputThatCannotBeFoundOutFailsItsTask) {
  start();
  stager->stage({0, 99});
  EXPECT_EQ(next_outcome().resident.error().text(), "cannot read /x");
}

TEST_F(StagerTest, ItWaitsForATierdThatIsAway) {
  tier->state.with([](auto& s) { s.away = true; });
  start();
  stager->stage({0, 0});
  until([&] { return !stager->progress().trouble.empty(); });
  tier->state.with([](auto& s) { s.away = false; });
  EXPECT_TRUE(next_outcome().resident);
  EXPECT_EQ(stager->progress().trouble, "");
}

TEST_F(StagerTest, APrefetchThatTierdForgotIsAskedForAgain) {
  tier->state.with([](auto& s) { s.at_once = false; });
  start();
  stager->stage({0, 0});
  until([&] { return tier->requests() == 1; });
  tier->state.with([](auto& s) {
    s.prefetches.clear();
    s.at_once = true;
  });
  EXPECT_TRUE(next_outcome().resident);
  EXPECT_EQ(tier->requests(), 2u);
}

TEST_F(StagerTest, TheLastReportIsAlwaysSent) {
  start();
  for (const char* state : {"staging", "running", "done"}) {
    stager->report({"run", 0, state, "w", {}, "{}"});
  }
  stager.reset();
  tier->state.with([](auto& s) {
    ASSERT_FALSE(s.reports.empty());
    EXPECT_LE(s.reports.size(), 2u);
    EXPECT_EQ(s.reports.back().state, "done");
  });
}

TEST(StagingTree, PreparesFilesWithOnePrefetch) {
  const TemporaryDirectory folder;
  for (const char* name : {"a", "b", "c"}) std::ofstream(folder / name) << "text";
  std::ofstream(folder / "empty");
  std::vector<size_t> asked;
  const auto tree = StagingTree::open(folder.path(), "/scan", [&](const TaskInput& input) {
    asked.push_back(input.files.size());
    return Result<void>();
  });
  ASSERT_TRUE(tree);
  std::array<std::byte, 4> buffer{};
  EXPECT_EQ((*tree)->read_at("a", buffer, 0).value(), 4u);
  EXPECT_TRUE((*tree)->prepare({"a", "b", "c", "empty", "none"}));
  EXPECT_EQ(asked, (std::vector<size_t>{1, 2})) << "what was asked for is not asked for again";
  EXPECT_TRUE((*tree)->prepare({"b", "c"}));
  EXPECT_EQ((*tree)->read_at("c", buffer, 0).value(), 4u);
  EXPECT_EQ(asked.size(), 2u);
}

TEST(StagingTree, PrefetchesBeforeItReadsAndEachFileOnce) {
  const TemporaryDirectory folder;
  std::ofstream(folder / ".zattrs") << "0123456789";
  std::vector<TaskInput> asked;
  const auto tree = StagingTree::open(folder.path(), "/scan", [&](const TaskInput& input) {
    asked.push_back(input);
    return Result<void>();
  });
  ASSERT_TRUE(tree);
  std::array<std::byte, 4> buffer;
  EXPECT_EQ((*tree)->size_of(".zattrs").value(), 10u);
  EXPECT_TRUE(asked.empty());
  EXPECT_EQ((*tree)->read_at(".zattrs", buffer, 0).value(), 4u);
  EXPECT_EQ((*tree)->read_at(".zattrs", buffer, 8).value(), 2u);
  ASSERT_EQ(asked.size(), 1u);
  EXPECT_EQ(asked[0].files[0].path, "/scan/.zattrs");
  EXPECT_EQ(asked[0].files[0].ranges, (std::vector<ByteRange>{{0, 10}}));
}

}  // namespace
}  // namespace tierhub::compute
