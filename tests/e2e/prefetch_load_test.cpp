// Prefetches that ask for a lot: none takes all memory, none stops the others, and one that ends
// tierd again and again is left alone.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/faulty_folder.h"
#include "tests/support/tier_fixture.h"

namespace tierhub::test::prefetch_load_test {
namespace {

using Clock = std::chrono::steady_clock;
constexpr uint64_t kMiB = 1 << 20;

void make_hole(const std::string& path, uint64_t size_bytes) {
  const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
  check(::ftruncate(file.get(), static_cast<off_t>(size_bytes)), "ftruncate " + path);
}

api::Prefetch started(const TestTier& tier, const api::PrefetchRequest& request) {
  const auto prefetch = tier.client().start_prefetch(request);
  if (!prefetch) throw std::runtime_error("prefetch: " + prefetch.error().text());
  return *prefetch;
}

class PrefetchMemory : public TierTest {
 protected:
  static constexpr uint64_t kHuge = uint64_t{8} << 40;

  // The most memory that tierd has used so far.
  uint64_t peak_bytes() const {
    std::ifstream status(fmt::format("/proc/{}/status", tier.status().pid));
    for (std::string word; status >> word;) {
      uint64_t kib = 0;
      if (word == "VmHWM:" && status >> kib) return kib << 10;
    }
    throw std::runtime_error("tierd has no VmHWM");
  }
};

TEST_F(PrefetchMemory, OfTheSameHugeRangeTwoHundredTimesIsThatOfOne) {
  make_hole(tier.in_archive("huge"), kHuge);
  tier.start();
  const uint64_t before = peak_bytes();
  api::PrefetchRequest request;
  request.files = {{"/huge", std::vector<ByteRange>(200, {0, kHuge})}};
  const auto prefetch = started(tier, request);
  EXPECT_EQ(prefetch.total_bytes, kHuge) << "each byte counts once";
  eventually(
      "it is under way",
      [&] { return tier.client().prefetch(prefetch.id)->done_bytes > 64 * kMiB; },
      std::chrono::seconds(60));
  const uint64_t grown = peak_bytes() - before;
  std::cout << fmt::format("tierd has grown by {} MiB\n", grown / kMiB);
  EXPECT_LT(grown, 100 * kMiB);
  ASSERT_TRUE(tier.client().cancel_prefetch(prefetch.id));
}

// An archive that gives 60 MB a second.
class PrefetchSharing : public TierTest {
 protected:
  static constexpr uint64_t kBytesPerSecond = 60'000'000;
  static constexpr uint64_t kBig = 600'000'000;
  static constexpr uint64_t kSmall = 10'000'000;

  void SetUp() override {
    backing_ = tier.archive;
    std::filesystem::permissions(backing_, std::filesystem::perms(0755));
    tier.archive = tier.folder("slow archive");
    std::string content = random_bytes(kBig / 4, 1);
    for (int i = 0; i < 4; ++i) write_file(backing_ + fmt::format("/big{}", i), content);
    content.resize(kSmall);
    for (int i = 0; i < 8; ++i) write_file(backing_ + fmt::format("/small{}", i), content);
    archive_ =
        std::make_unique<FaultyFolder>(backing_, tier.archive, tier.folder("faults") + "/now");
    tier.start();
    archive_->set({fmt::format("rate {}", kBytesPerSecond)});
  }
  void TearDown() override {
    archive_->clear();
    TierTest::TearDown();
    if (tier.running()) tier.kill();
    archive_.reset();
  }

  // From the request until all is there.
  double seconds_of(const api::PrefetchRequest& request) const {
    const auto begin = Clock::now();
    const auto prefetch = started(tier, request);
    eventually(
        "the small prefetch ends",
        [&] { return tier.client().prefetch(prefetch.id)->state == "done"; },
        std::chrono::seconds(60));
    return std::chrono::duration<double>(Clock::now() - begin).count();
  }
  double seconds_of_small(int number) const {
    api::PrefetchRequest request;
    request.paths = {fmt::format("/small{}", number)};
    return seconds_of(request);
  }
  api::Prefetch start_big() const {
    api::PrefetchRequest request;
    for (int i = 0; i < 4; ++i) request.paths.push_back(fmt::format("/big{}", i));
    const auto big = started(tier, request);
    eventually("the big prefetch is under way",
               [&] { return tier.client().prefetch(big.id)->done_bytes > kBig / 20; });
    return big;
  }

  std::string backing_;
  std::unique_ptr<FaultyFolder> archive_;
};

TEST_F(PrefetchSharing, TenMegabytesBehindABigPrefetchTakeTwiceTheirIdleTime) {
  const double idle_s = std::min(seconds_of_small(0), seconds_of_small(1));
  const auto big = start_big();
  // The machine may be busy with something else for a moment.
  double behind_s = seconds_of_small(2);
  for (int i = 3; i < 6; ++i) behind_s = std::min(behind_s, seconds_of_small(i));
  std::cout << fmt::format("idle {:.2f} s, behind {} MB at {} MB/s {:.2f} s\n", idle_s,
                           kBig / 1'000'000, kBytesPerSecond / 1'000'000, behind_s);
  EXPECT_LT(behind_s, 2 * idle_s + 0.5);
  EXPECT_EQ(tier.client().prefetch(big.id)->state, "running");
}

TEST_F(PrefetchSharing, WhatIsForLaterLeavesTasksMostOfTheArchive) {
  api::PrefetchRequest later;
  for (int i = 0; i < 4; ++i) later.paths.push_back(fmt::format("/big{}", i));
  later.urgency = "later";
  const auto tonight = started(tier, later);
  eventually("it has all of it while nobody else is there",
             [&] { return tier.client().prefetch(tonight.id)->done_bytes > kBig / 20; });
  api::PrefetchRequest task;
  for (int i = 0; i < 8; ++i) task.paths.push_back(fmt::format("/small{}", i));
  const uint64_t before = tier.client().prefetch(tonight.id)->done_bytes;
  const double task_s = seconds_of(task);
  const uint64_t meanwhile = tier.client().prefetch(tonight.id)->done_bytes - before;
  std::cout << fmt::format("80 MB for a task in {:.2f} s, {:.1f} MB for later meanwhile\n", task_s,
                           static_cast<double>(meanwhile) / 1e6);
  EXPECT_LT(meanwhile, 8 * kSmall / 2);
  EXPECT_GT(meanwhile, 0u) << "it goes on";
}

TEST_F(PrefetchSharing, ManyPrefetchesOfOneUserDoNotSlowDownAnother) {
  std::vector<api::Prefetch> crowd;
  for (int i = 0; i < 4; ++i) {
    api::PrefetchRequest request;
    request.paths = {fmt::format("/big{}", i)};
    crowd.push_back(started(tier, request));
  }
  eventually("all of them are under way", [&] {
    return std::ranges::all_of(
        crowd, [&](const auto& p) { return tier.client().prefetch(p.id)->done_bytes > 0; });
  });
  const auto begin = Clock::now();
  const auto other = run_command({"setpriv", "--reuid=3001", "--regid=4001", "--clear-groups",
                                  program("tierctl"), "prefetch", "--wait", "/small0"},
                                 {"TIERHUB_SOCKET=" + tier.client().socket_path()});
  const double other_s = std::chrono::duration<double>(Clock::now() - begin).count();
  EXPECT_EQ(other.exit_code, 0) << other.text;
  std::cout << fmt::format("10 MB of another user beside four large prefetches: {:.2f} s\n",
                           other_s);
  // Half of the archive, not a fifth: a third of a second, and what the program itself takes.
  EXPECT_LT(other_s, 0.8 + 0.5);
}

class PrefetchCrashes : public TierTest {};

TEST_F(PrefetchCrashes, AfterThreeInARowItIsParkedAndStatusSaysWhatToDo) {
  write_file(tier.in_archive("file"), random_bytes(kMiB, 1));
  tier.start({"TIERHUB_FAULT_POINT=prefetch.before_fill:1"});
  api::PrefetchRequest request;
  request.paths = {"/file"};
  const auto ignored = tier.client().start_prefetch(request);
  ASSERT_GE(tier.wait_for_end(std::chrono::seconds(20)), 128) << tier.log();
  for (int i = 0; i < 2; ++i) {
    tier.spawn({"TIERHUB_FAULT_POINT=prefetch.before_fill:1"});
    ASSERT_GE(tier.wait_for_end(std::chrono::seconds(20)), 128) << tier.log();
  }
  tier.start({"TIERHUB_FAULT_POINT=prefetch.before_fill:1"});
  const auto prefetches = tier.client().prefetches();
  ASSERT_TRUE(prefetches);
  ASSERT_EQ(prefetches->size(), 1u);
  const uint64_t id = prefetches->front().id;
  EXPECT_EQ(prefetches->front().state, "parked");
  EXPECT_EQ(tier.status().parked_prefetches, std::vector<uint64_t>{id});
  const auto status = tier.tierctl({"status"});
  EXPECT_THAT(status.out, ::testing::HasSubstr(fmt::format("prefetch {} is parked", id)));
  EXPECT_THAT(status.out, ::testing::HasSubstr(fmt::format("tierctl prefetch --resume {}", id)));
  tier.stop();
  tier.start();
  EXPECT_EQ(tier.client().prefetch(id)->state, "parked");
  EXPECT_EQ(tier.entry("/file").resident, 0u);
  const auto resumed = tier.tierctl({"prefetch", "--resume", std::to_string(id)});
  EXPECT_EQ(resumed.exit_code, 0) << resumed.text;
  eventually("it ends", [&] { return tier.client().prefetch(id)->state == "done"; });
  EXPECT_TRUE(tier.status().parked_prefetches.empty());
}

using PrefetchLimits = TierTest;

TEST_F(PrefetchLimits, ARequestThatAsksForTooMuchIsToldTheLimit) {
  write_file(tier.in_archive("file"), random_bytes(kMiB, 1));
  tier.start();
  api::PrefetchRequest request;
  request.files = {{"/file", std::vector<ByteRange>(300'000, {0, 1})}};
  const auto ranges = tier.client().start_prefetch(request);
  ASSERT_FALSE(ranges);
  EXPECT_TRUE(ranges.error().is(std::errc::argument_list_too_long));
  EXPECT_THAT(ranges.error().text(), ::testing::HasSubstr("at most 200000"));
  request.files = {};
  request.paths = std::vector<std::string>(200'001, "/file");
  EXPECT_THAT(tier.client().start_prefetch(request).error().text(),
              ::testing::HasSubstr("at most 200000"));
  request.paths = {"/file"};
  request.label = std::string(1001, 'x');
  EXPECT_THAT(tier.client().start_prefetch(request).error().text(),
              ::testing::HasSubstr("1000 bytes"));
  request.label = "";
  request.urgency = "now";
  EXPECT_THAT(tier.client().start_prefetch(request).error().text(),
              ::testing::HasSubstr("task or later"));
}

TEST_F(PrefetchLimits, AFolderThatIsNamedAgainIsFetchedOnce) {
  write_file(tier.in_archive("file"), random_bytes(kMiB, 1));
  tier.start();
  api::PrefetchRequest request;
  request.paths = {"/file", "/", "/", tier.mount};
  request.files = {{"/file", {{0, 10}}}, {"/file", {{5, 20}}}};
  const auto prefetch = started(tier, request);
  EXPECT_EQ(prefetch.total_files, 2u) << "as part of a folder, and by itself";
  EXPECT_EQ(prefetch.total_bytes, kMiB + 20);
}

}  // namespace
}  // namespace tierhub::test::prefetch_load_test
