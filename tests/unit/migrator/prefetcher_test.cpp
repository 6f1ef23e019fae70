// The prefetch queue: what it accepts, what it records, and what it makes of an earlier process's
// records.
#include "migrator/prefetch/prefetcher.h"

#include <fstream>

#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/posix.h"
#include "tests/support/local_tier.h"
#include "tests/support/temporary_directory.h"
#include "tests/unit/migrator/held_archive.h"

namespace tierhub::test::prefetcher_test {
namespace {

constexpr uint64_t kChunk = 64 << 10;
constexpr uint64_t kSize = 8 * kChunk;
constexpr uint32_t kAlice = 1001;
constexpr uint32_t kBob = 1002;

class PrefetcherTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(posix::make_directories(place_ / "archive", 0755));
    for (const char* name : {"a", "b"})
      std::ofstream(place_ / "archive/" + name, std::ios::binary) << std::string(kSize, *name);
    LocalTier::Options options;
    options.chunk_bytes = kChunk;
    tier_ = std::make_unique<LocalTier>(place_.path(), options);
    tier_->scan_added();
    a_ = tier_->fs->lookup(kRootInode, "a")->inode;
    b_ = tier_->fs->lookup(kRootInode, "b")->inode;
    held_ = std::make_unique<HeldArchive>(*tier_->archive);
    mover_ = std::make_unique<Mover>(*tier_->inodes, *tier_->scratch, *held_, *tier_->capacity,
                                     Mover::Options());
    make();
  }
  void TearDown() override {
    prefetcher_->stop();
    mover_->begin_nothing_more();
    // What is still under way ends before the prefetcher does.
    while (!held_->nothing_is_asked()) held_->let_through();
    mover_->stop();
  }

  void make() { prefetcher_ = std::make_unique<Prefetcher>(*tier_->inodes, *mover_, options_); }
  void start() { ASSERT_TRUE(prefetcher_->start()); }
  // As after a crash: the next process finds what was recorded so far.
  void put(const PrefetchRecord& record, const std::vector<PrefetchItem>& items) {
    Batch batch;
    batch.put_prefetch(record);
    for (uint64_t i = 0; i < items.size(); ++i) batch.put_prefetch_item(record.id, i, items[i]);
    ASSERT_TRUE(tier_->catalog->commit(batch));
  }

  static Prefetcher::Request request(std::vector<PrefetchItem> items, uint32_t owner = kAlice) {
    Prefetcher::Request request;
    request.items = [items = std::move(items)](const Prefetcher::TakeItem& take) -> Result<void> {
      for (const PrefetchItem& item : items) TRY(take(item));
      return {};
    };
    request.label = "label";
    request.owner_uid = owner;
    return request;
  }
  PrefetchState state(uint64_t id) { return prefetcher_->progress(id)->record.state; }
  void until(const std::function<bool()>& condition) {
    for (int i = 0; i < 2000 && !condition(); ++i) ::usleep(5000);
    ASSERT_TRUE(condition());
  }
  // Answers the archive's requests until the prefetch has ended.
  void finish(uint64_t id) {
    until([&] {
      while (!held_->nothing_is_asked()) held_->let_through();
      return prefetcher_->progress(id)->record.ended.ns != 0;
    });
  }
  size_t items_of(uint64_t id) { return tier_->catalog->prefetch_items(id, 0, 100)->size(); }

  const TemporaryDirectory place_;
  Prefetcher::Options options_;
  std::unique_ptr<LocalTier> tier_;
  std::unique_ptr<HeldArchive> held_;
  std::unique_ptr<Mover> mover_;
  std::unique_ptr<Prefetcher> prefetcher_;
  InodeNumber a_, b_;
};

TEST_F(PrefetcherTest, FetchesEachByteOnceHoweverOftenItIsAskedFor) {
  start();
  const auto added =
      prefetcher_->add(request({{a_, std::vector<ByteRange>(200, {0, kSize})}, {b_, {}}}));
  ASSERT_TRUE(added);
  EXPECT_EQ(added->record.total_bytes, 2 * kSize);
  EXPECT_EQ(tier_->catalog->prefetch_items(added->record.id, 0, 1)->front().second.ranges.size(),
            1u);
  finish(added->record.id);
  EXPECT_EQ(state(added->record.id), PrefetchState::done);
  EXPECT_EQ(prefetcher_->progress(added->record.id)->copied_bytes, 2 * kSize);
}

TEST_F(PrefetcherTest, ReadsOldRecordsWhoseRangesOverlap) {
  PrefetchRecord record;
  record.id = 1;
  record.total_bytes = 200 * kSize;
  record.total_files = 1;
  put(record, {{a_, std::vector<ByteRange>(200, {0, kSize})}});
  start();
  finish(1);
  EXPECT_EQ(state(1), PrefetchState::done);
  EXPECT_EQ(prefetcher_->progress(1)->copied_bytes, kSize);
}

TEST_F(PrefetcherTest, ACancelledOneStaysCancelledWhateverComes) {
  start();
  const uint64_t id = prefetcher_->add(request({{a_, {}}, {b_, {}}}))->record.id;
  held_->next();
  ASSERT_TRUE(prefetcher_->cancel(id));
  EXPECT_EQ(state(id), PrefetchState::cancelled);
  // Nothing else is recorded of it, though a piece is still on its way.
  EXPECT_EQ((*tier_->catalog->prefetch(id))->state, PrefetchState::cancelled);
  held_->let_through();
  until([&] { return items_of(id) == 0; });
  EXPECT_TRUE(held_->nothing_is_asked()) << "nothing more is begun";
  EXPECT_EQ((*tier_->catalog->prefetch(id))->state, PrefetchState::cancelled);
}

TEST_F(PrefetcherTest, WhatRanInThreeCrashesInARowIsParkedUntilSomebodyResumesIt) {
  PrefetchRecord record;
  record.id = 1;
  record.state = PrefetchState::running;
  record.total_bytes = kSize;
  record.total_files = 1;
  record.crashed_starts = Prefetcher::kCrashedStarts - 1;
  put(record, {{a_, {}}});
  record.id = 2;
  record.crashed_starts = 0;
  put(record, {{b_, {}}});
  start();
  EXPECT_EQ(prefetcher_->parked(), std::vector<uint64_t>{1});
  EXPECT_THAT(prefetcher_->progress(1)->reason, ::testing::StartsWith("parked: tierd ended"));
  EXPECT_EQ((*tier_->catalog->prefetch(1))->state, PrefetchState::parked);
  finish(2);
  EXPECT_TRUE((*tier_->inodes->lock(a_))->clean.empty());
  EXPECT_FALSE(prefetcher_->resume(2)) << "it is not parked";
  ASSERT_TRUE(prefetcher_->resume(1));
  finish(1);
  EXPECT_EQ(state(1), PrefetchState::done);
  EXPECT_TRUE(prefetcher_->parked().empty());
}

TEST_F(PrefetcherTest, AParkedOneCanBeCancelled) {
  PrefetchRecord record;
  record.id = 1;
  record.state = PrefetchState::parked;
  record.crashed_starts = Prefetcher::kCrashedStarts;
  put(record, {{a_, {}}});
  start();
  ASSERT_TRUE(prefetcher_->cancel(1));
  until([&] { return items_of(1) == 0; });
  EXPECT_TRUE(prefetcher_->parked().empty());
}

TEST_F(PrefetcherTest, OnlyStartsInWhichItRanCountAndAnOrderlyEndForgetsThem) {
  PrefetchRecord record;
  record.id = 1;
  record.total_bytes = kSize;
  record.total_files = 1;
  record.crashed_starts = 1;
  put(record, {{a_, {}}});
  start();
  held_->next();
  EXPECT_EQ((*tier_->catalog->prefetch(1))->state, PrefetchState::running);
  EXPECT_EQ((*tier_->catalog->prefetch(1))->crashed_starts, 1u) << "it was queued, not running";
  prefetcher_->stop();
  EXPECT_EQ((*tier_->catalog->prefetch(1))->state, PrefetchState::queued);
  EXPECT_EQ((*tier_->catalog->prefetch(1))->crashed_starts, 0u);
}

TEST_F(PrefetcherTest, WhatACrashLeftOfARequestIsRemoved) {
  Batch batch;
  for (uint64_t i = 0; i < 5; ++i) batch.put_prefetch_item(9, i, {a_, {}});
  ASSERT_TRUE(tier_->catalog->commit(batch));
  start();
  until([&] { return items_of(9) == 0; });
  EXPECT_TRUE(held_->nothing_is_asked());
}

TEST_F(PrefetcherTest, WhatAsksForTooMuchIsRefusedAndLeavesNothing) {
  options_.limits.files = 1;
  options_.limits.text_bytes = 10;
  make();
  start();
  const auto files = prefetcher_->add(request({{a_, {}}, {b_, {}}}));
  ASSERT_FALSE(files);
  EXPECT_TRUE(files.error().is(std::errc::argument_list_too_long));
  EXPECT_THAT(files.error().text(), ::testing::HasSubstr("at most 1 files"));
  auto wordy = request({{a_, {}}});
  wordy.label = "eleven char";
  EXPECT_THAT(prefetcher_->add(wordy).error().text(), ::testing::HasSubstr("10 bytes"));
  EXPECT_TRUE(prefetcher_->all().empty());
  EXPECT_TRUE(held_->nothing_is_asked());
}

TEST_F(PrefetcherTest, OneUserWithAllTheyMayHaveLeavesTheOthersTheirs) {
  options_.limits.open_prefetches = 2;
  options_.limits.open_ranges = 3;
  make();
  start();
  const uint64_t first =
      prefetcher_->add(request({{a_, {{0, 1}, {kChunk * 2, kSize}}}}))->record.id;
  const auto ranges = prefetcher_->add(request({{b_, {{0, 1}, {10, 11}}}}));
  ASSERT_FALSE(ranges);
  EXPECT_EQ(ranges.error().code(), Prefetcher::too_much_code());
  EXPECT_THAT(ranges.error().text(), ::testing::HasSubstr("at most 3 ranges"));
  ASSERT_TRUE(prefetcher_->add(request({{b_, {}}})));
  const auto third = prefetcher_->add(request({{b_, {}}}));
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().code(), Prefetcher::too_much_code());
  EXPECT_THAT(third.error().text(), ::testing::HasSubstr("at most 2 unfinished prefetches"));
  EXPECT_TRUE(prefetcher_->add(request({{b_, {}}}, kBob)));
  ASSERT_TRUE(prefetcher_->cancel(first));
  EXPECT_TRUE(prefetcher_->add(request({{b_, {}}})));
}

TEST_F(PrefetcherTest, PartsThatOneUserLeasesAreLimited) {
  options_.limits.leased_parts = 2;
  make();
  start();
  auto leased = request({{a_, {{0, 1}, {kChunk * 2, kChunk * 2 + 1}}}});
  leased.lease_name = "one";
  leased.lease_ttl_s = 60;
  ASSERT_TRUE(prefetcher_->add(leased));
  auto more = request({{b_, {}}});
  more.lease_name = "two";
  more.lease_ttl_s = 60;
  const auto refused = prefetcher_->add(more);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().text(), ::testing::HasSubstr("at most 2 files and parts"));
  EXPECT_TRUE(prefetcher_->add(request({{b_, {}}}))) << "without a lease";
}

}  // namespace
}  // namespace tierhub::test::prefetcher_test
