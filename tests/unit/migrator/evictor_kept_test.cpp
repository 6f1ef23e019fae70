// What is evicted last, and how much of it there may be.
#include <filesystem>
#include <fstream>
#include <random>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/unit/migrator/tier_by_path.h"

namespace tierhub::test::evictor_kept_test {
namespace {

constexpr uint64_t kFileBytes = 4 * kChunk;

std::string random_bytes(uint64_t size, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

void write_file(const std::string& path, std::string_view bytes) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
}

class KeptTest : public ::testing::Test {
 protected:
  void SetUp() override {
    options_.capacity_bytes = 4 << 20;
    start();
  }
  void start() { tier_ = std::make_unique<LocalTier>(place_.path(), options_); }
  // A resident file of four chunks.
  InodeNumber add(const std::string& name) {
    write_file(place_ / ("archive/" + name), random_bytes(kFileBytes, names_++));
    tier_->scan_added();
    const InodeNumber inode = tier_->fs->lookup(kRootInode, name)->inode;
    EXPECT_TRUE(tier_->prefetch(inode));
    return inode;
  }
  void keep(const std::vector<PrefetchItem>& items) {
    const auto kept = tier_->evictor->evict_last(items);
    ASSERT_TRUE(kept) << kept.error().text();
  }
  // A pass in which so many bytes are asked for that do not fit.
  uint64_t make_room(uint64_t bytes) {
    const uint64_t free_bytes = tier_->capacity->limit_bytes() - tier_->capacity->used_bytes();
    EXPECT_FALSE(tier_->capacity->try_reserve(free_bytes + bytes));
    return value_of(tier_->evictor->make_room());
  }
  uint64_t resident(InodeNumber inode) {
    return value_of(tier_->inodes->lock_existing(inode))->resident_bytes();
  }
  IntervalSet clean(InodeNumber inode) {
    return value_of(tier_->inodes->lock_existing(inode))->clean;
  }

  TemporaryDirectory place_;
  LocalTier::Options options_;
  std::unique_ptr<LocalTier> tier_;
  uint64_t names_ = 0;
};

TEST_F(KeptTest, FilesGoAfterAllOthers) {
  std::vector<InodeNumber> kept, others;
  for (int i = 0; i < 2; ++i) kept.push_back(add(fmt::format("kept{}", i)));
  for (int i = 0; i < 10; ++i) others.push_back(add(fmt::format("other{}", i)));
  keep({{kept[0], {}}, {kept[1], {}}});
  EXPECT_EQ(make_room(10 * kFileBytes), 10 * kFileBytes);
  for (const InodeNumber inode : kept) EXPECT_EQ(resident(inode), kFileBytes);
  for (const InodeNumber inode : others) EXPECT_EQ(resident(inode), 0u);
}

TEST_F(KeptTest, FilesGoWhenNothingElseIsLeft) {
  const InodeNumber kept = add("kept");
  const InodeNumber other = add("other");
  keep({{kept, {}}});
  EXPECT_EQ(make_room(kFileBytes + 1), 2 * kFileBytes);
  EXPECT_EQ(resident(kept), 0u);
  EXPECT_EQ(resident(other), 0u);
  EXPECT_EQ(value_of(tier_->read(kept, 0, kFileBytes)), random_bytes(kFileBytes, 0));
}

TEST_F(KeptTest, PartsOfAFileStayWhenTheRestGoes) {
  const InodeNumber file = add("file");
  keep({{file, {{kChunk + 10, kChunk + 20}}}});
  const uint64_t before = *tier_->scratch->occupied_bytes(file);
  EXPECT_EQ(make_room(3 * kChunk), 3 * kChunk);
  EXPECT_EQ(*tier_->scratch->occupied_bytes(file), before - 3 * kChunk);
  IntervalSet second;
  second.add(1, 2);
  EXPECT_EQ(clean(file), second);
  EXPECT_EQ(value_of(tier_->read(file, 0, kFileBytes)), random_bytes(kFileBytes, 0))
      << "what went is recalled";
  EXPECT_EQ(make_room(100 * kChunk), 4 * kChunk) << "in the end all of it goes";
  EXPECT_EQ(value_of(tier_->read(file, 0, kFileBytes)), random_bytes(kFileBytes, 0));
}

TEST_F(KeptTest, PartsThatAreNotResidentKeepNoFile) {
  const InodeNumber file = add("file");
  ASSERT_TRUE(tier_->evict(file));
  keep({{file, {{0, kChunk}}}});
  ASSERT_TRUE(tier_->read(file, 3 * kChunk, 1));
  EXPECT_EQ(make_room(kChunk), kChunk);
  EXPECT_EQ(resident(file), 0u);
}

TEST_F(KeptTest, AnEvictionThatSomebodyAskedForTakesAll) {
  const InodeNumber file = add("file");
  keep({{file, {}}});
  const auto eviction = tier_->evict(file);
  ASSERT_TRUE(eviction);
  EXPECT_TRUE(eviction->evicted);
  EXPECT_EQ(resident(file), 0u);
}

// A hundredth of 4 MiB are ten chunks: two files and a half.
TEST_F(KeptTest, AHundredthOfTheCapacityIsKeptAndTheOldestGivesWay) {
  std::vector<InodeNumber> files;
  for (int i = 0; i < 4; ++i) files.push_back(add(fmt::format("file{}", i)));
  keep({{files[0], {}}});
  keep({{files[1], {}}});
  keep({{files[0], {}}});  // is now the newest
  keep({{files[2], {}}});  // so that the other one gives way
  EXPECT_EQ(make_room(2 * kFileBytes), 2 * kFileBytes);
  EXPECT_EQ(resident(files[0]), kFileBytes);
  EXPECT_EQ(resident(files[1]), 0u);
  EXPECT_EQ(resident(files[2]), kFileBytes);
  EXPECT_EQ(resident(files[3]), 0u);
}

TEST_F(KeptTest, WhatIsTooLargeByItselfIsRefusedAndPushesOutNothing) {
  const InodeNumber small = add("small");
  write_file(place_ / "archive/large", random_bytes(11 * kChunk, 9));
  tier_->scan_added();
  const InodeNumber large = tier_->fs->lookup(kRootInode, "large")->inode;
  ASSERT_TRUE(tier_->prefetch(large));
  keep({{small, {}}});
  const auto refused = tier_->evictor->evict_last({{large, {}}});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().text(),
            "the metadata takes 0.04 MiB in chunks of 0.00 MiB, but at most 0.04 MiB (1 % of the "
            "capacity) can be kept: ask for less, or prefetch it without keeping it");
  EXPECT_TRUE(refused.error().is(std::errc::no_space_on_device));
  EXPECT_EQ(make_room(11 * kChunk), 11 * kChunk);
  EXPECT_EQ(resident(small), kFileBytes);
  EXPECT_EQ(resident(large), 0u);
}

TEST_F(KeptTest, ManyFilesThatAreKeptDoNotHideTheOthers) {
  constexpr int kKept = 3'000;
  options_.capacity_bytes = uint64_t{4} << 30;
  tier_.reset();
  start();
  for (int i = 0; i < kKept; ++i) write_file(place_ / ("archive/" + fmt::format("kept{}", i)), "x");
  tier_->scan_added();
  std::vector<PrefetchItem> items;
  for (int i = 0; i < kKept; ++i) {
    const InodeNumber inode = tier_->fs->lookup(kRootInode, fmt::format("kept{}", i))->inode;
    ASSERT_TRUE(tier_->prefetch(inode));
    items.push_back({inode, {}});
  }
  keep(items);
  const InodeNumber other = add("other");
  EXPECT_EQ(make_room(kFileBytes), kFileBytes);
  EXPECT_EQ(resident(other), 0u);
  EXPECT_EQ(resident(items.front().inode), 1u);
}

TEST_F(KeptTest, OutlivesARestart) {
  const InodeNumber kept = add("kept");
  const InodeNumber other = add("other");
  const InodeNumber removed = add("removed");
  keep({{removed, {}}});
  keep({{kept, {{0, kChunk}, {2 * kChunk, 3 * kChunk}}}});
  ASSERT_TRUE(tier_->fs->unlink(kRootInode, "removed"));
  tier_->publish();
  tier_.reset();
  start();
  EXPECT_EQ(make_room(6 * kChunk), 6 * kChunk);
  EXPECT_EQ(resident(other), 0u);
  IntervalSet chunks;
  chunks.add(0, 1);
  chunks.add(2, 3);
  EXPECT_EQ(clean(kept), chunks);
}

TEST_F(KeptTest, ARecordThatMakesNoSenseIsForgotten) {
  const InodeNumber file = add("file");
  Batch batch;
  batch.put_meta("evict.kept_last", fmt::format("{} 4096 0-1;\nnonsense", file));
  ASSERT_TRUE(tier_->catalog->commit(batch));
  tier_.reset();
  start();
  EXPECT_EQ(make_room(kFileBytes), kFileBytes);
  EXPECT_EQ(resident(file), 0u);
}

}  // namespace
}  // namespace tierhub::test::evictor_kept_test
