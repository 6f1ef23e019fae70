// How a catalog begins, ends, and is opened after a crash, a reboot and lost power.
#include <latch>
#include <set>
#include <thread>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "catalog/encoding.h"
#include "tests/contract/catalog/catalog_fixture.h"

namespace tierhub::catalog_lifetime_test {
namespace {

constexpr uint64_t kBlock = 1 << 20;

TEST_P(CatalogContract, BeginsWithARootFolderAndNothingElse) {
  EXPECT_TRUE(catalog_->just_made());
  EXPECT_TRUE(catalog_->clean_shutdown());
  EXPECT_TRUE(catalog_->same_boot());
  EXPECT_EQ(catalog_->chunk_bytes(), 8192U);
  const auto root = value_of(catalog_->inode(kRootInode));
  ASSERT_TRUE(root);
  EXPECT_EQ(root->attributes.kind, FileKind::directory);
  EXPECT_EQ(root->attributes.mode, 0755U);
  EXPECT_EQ(root->attributes.uid, 0U);
  EXPECT_EQ(root->nlink, 2U);
  EXPECT_TRUE(value_of(catalog_->is_empty(kRootInode)));
  EXPECT_TRUE(value_of(catalog_->names(kRootInode)).empty());
  EXPECT_EQ(value_of(catalog_->path(kRootInode)), "/");
  EXPECT_EQ(value_of(catalog_->base_path(kRootInode)), "");
}

TEST_P(CatalogContract, KeepsTheChunkSizeItWasMadeWith) {
  catalog_.reset();
  auto store = backend_->open();
  ASSERT_TRUE(store.has_value());
  const auto catalog =
      value_of(Catalog::open(*std::move(store), {.chunk_bytes = 4 << 20, .boot_id = "boot-1"}));
  EXPECT_EQ(catalog->chunk_bytes(), 8192U);
  EXPECT_FALSE(catalog->just_made());
}

TEST_P(CatalogContract, RefusesAChunkSizeThatIsNoMultipleOf4096) {
  const auto backend = GetParam().make();
  for (const uint64_t bytes : {0, 1, 4095, 4097}) {
    auto store = backend->open();
    ASSERT_TRUE(store.has_value());
    const auto catalog =
        Catalog::open(*std::move(store), {.chunk_bytes = bytes, .boot_id = "boot-1"});
    ASSERT_FALSE(catalog.has_value());
    EXPECT_TRUE(catalog.error().is(std::errc::invalid_argument));
  }
}

TEST_P(CatalogContract, RefusesANewerFormat) {
  WriteSet changes;
  changes.put(Family::meta, "catalog.format", encoding::encode_text("2"));
  write_raw(changes);
  const auto catalog = try_open();
  ASSERT_FALSE(catalog.has_value());
  EXPECT_TRUE(catalog.error().is(std::errc::not_supported));
  EXPECT_EQ(catalog.error().text(),
            "the catalog has format 2, this TierHub reads up to 1: install a newer one");
}

TEST_P(CatalogContract, CallsDamageDamageAndGoesOn) {
  WriteSet changes;
  changes.put(Family::inode, encoding::inode_key(kFile), "\x01nonsense");
  changes.put(Family::meta, "mine", "");
  write_raw(changes);
  reopen();
  const auto record = catalog_->inode(kFile);
  ASSERT_FALSE(record.has_value());
  EXPECT_TRUE(record.error().is(std::errc::bad_message));
  EXPECT_EQ(record.error().text(), "the catalog is damaged: inode record of 9 bytes");
  EXPECT_FALSE(catalog_->meta("mine").has_value());
  EXPECT_TRUE(catalog_->inode(kRootInode).has_value());
}

TEST_P(CatalogContract, AllocatesEachNumberOnceForManyThreads) {
  constexpr int kThreads = 4;
  constexpr int kNumbers = 500;
  std::vector<std::vector<uint64_t>> taken(kThreads);
  {
    std::latch start(kThreads);
    std::vector<std::jthread> threads;
    for (auto& mine : taken) {
      threads.emplace_back([&] {
        start.arrive_and_wait();
        for (int i = 0; i < kNumbers; ++i)
          mine.push_back(value_of(catalog_->allocate_inode()).value());
      });
    }
  }
  std::set<uint64_t> all;
  for (const auto& mine : taken) all.insert(mine.begin(), mine.end());
  EXPECT_EQ(all.size(), kThreads * kNumbers);
  EXPECT_EQ(*all.begin(), kFirstFreeInode.value());
}

TEST_P(CatalogContract, AllocatesTheNextNumberAfterACleanShutdown) {
  EXPECT_EQ(value_of(catalog_->allocate_inode()), InodeNumber{16});
  EXPECT_EQ(value_of(catalog_->allocate_sequence()), 1U);
  ASSERT_TRUE(catalog_->mark_clean_shutdown().has_value());
  reopen();
  EXPECT_TRUE(catalog_->clean_shutdown());
  EXPECT_FALSE(catalog_->just_made());
  EXPECT_EQ(value_of(catalog_->allocate_inode()), InodeNumber{17});
  EXPECT_EQ(value_of(catalog_->allocate_sequence()), 2U);
}

TEST_P(CatalogContract, AllocatesFromTheNextBlockAfterAnUncleanStop) {
  EXPECT_EQ(value_of(catalog_->allocate_inode()), InodeNumber{16});
  reopen();
  EXPECT_FALSE(catalog_->clean_shutdown());
  EXPECT_EQ(value_of(catalog_->allocate_inode()), InodeNumber{16 + kBlock});
  EXPECT_EQ(value_of(catalog_->allocate_sequence()), 1 + kBlock);
  reopen();
  EXPECT_EQ(value_of(catalog_->allocate_inode()), InodeNumber{16 + 2 * kBlock});
}

TEST_P(CatalogContract, AllocatesOnOverTheEndOfABlock) {
  uint64_t last = 0;
  for (uint64_t i = 0; i < kBlock + 5; ++i) last = *catalog_->allocate_sequence();
  EXPECT_EQ(last, kBlock + 5);
  reopen();
  EXPECT_EQ(value_of(catalog_->allocate_sequence()), 1 + 2 * kBlock);
}

TEST_P(CatalogContract, TheCleanMarkHoldsForOneOpen) {
  ASSERT_TRUE(catalog_->mark_clean_shutdown().has_value());
  reopen();
  EXPECT_TRUE(catalog_->clean_shutdown());
  reopen();
  EXPECT_FALSE(catalog_->clean_shutdown());
}

TEST_P(CatalogContract, ANumberAllocatedAfterTheCleanMarkTakesItAway) {
  ASSERT_TRUE(catalog_->mark_clean_shutdown().has_value());
  const InodeNumber late = value_of(catalog_->allocate_inode());
  reopen();
  EXPECT_FALSE(catalog_->clean_shutdown());
  EXPECT_GT(value_of(catalog_->allocate_inode()), late);
}

TEST_P(CatalogContract, TellsARebootUntilTheRecoveryIsDone) {
  reopen("boot-1");
  EXPECT_TRUE(catalog_->same_boot());
  reopen("boot-2");
  EXPECT_FALSE(catalog_->same_boot());
  reopen("boot-2");  // killed in the middle of its recovery
  EXPECT_FALSE(catalog_->same_boot());
  ASSERT_TRUE(catalog_->mark_recovered().has_value());
  reopen("boot-2");
  EXPECT_TRUE(catalog_->same_boot());
}

TEST_P(CatalogContract, TellsARebootAfterACleanShutdownToo) {
  ASSERT_TRUE(catalog_->mark_clean_shutdown().has_value());
  reopen("boot-2");
  EXPECT_TRUE(catalog_->clean_shutdown());
  EXPECT_FALSE(catalog_->same_boot());
}

class LostPowerCatalog : public ::testing::Test {
 protected:
  void SetUp() override { reopen(); }

  void lose_power() {
    catalog_.reset();
    keeper_->lose_power();
    reopen("boot-2");
  }
  void reopen(const std::string& boot_id = "boot-1") {
    catalog_.reset();
    auto opened =
        Catalog::open(keeper_->another_handle(), {.chunk_bytes = 4096, .boot_id = boot_id});
    ASSERT_TRUE(opened.has_value()) << opened.error().text();
    catalog_ = *std::move(opened);
  }
  void put_file(InodeNumber inode, Durability durability) {
    Batch batch;
    batch.put_inode(inode, some_file());
    batch.put_entry(kRootInode, fmt::format("{}", inode), inode);
    batch.put_journal(JournalKey::of_inode(inode), {});
    ASSERT_TRUE(catalog_->commit(batch, durability).has_value());
  }

  std::unique_ptr<MemoryStore> keeper_ = MemoryStore::create();
  std::unique_ptr<Catalog> catalog_;
};

TEST_F(LostPowerCatalog, KeepsTheRootOfACatalogThatWasJustMade) {
  lose_power();
  EXPECT_FALSE(catalog_->just_made());
  EXPECT_TRUE(value_of(catalog_->inode(kRootInode)));
}

TEST_F(LostPowerCatalog, DropsWholeBatchesThatWereNeverSynced) {
  put_file(InodeNumber{20}, Durability::wal);
  put_file(InodeNumber{21}, Durability::synced);
  put_file(InodeNumber{22}, Durability::wal);
  lose_power();
  EXPECT_FALSE(catalog_->same_boot());
  EXPECT_EQ(value_of(catalog_->list(kRootInode, 0, "", 10)).size(), 2U);
  EXPECT_EQ(value_of(catalog_->inode(InodeNumber{22})), std::nullopt);
  EXPECT_EQ(value_of(catalog_->lookup(kRootInode, "22")), std::nullopt);
  EXPECT_EQ(value_of(catalog_->journal(std::nullopt, 10)).size(), 2U);
}

TEST_F(LostPowerCatalog, NeverHandsOutANumberTwice) {
  std::set<InodeNumber> inodes;
  std::set<uint64_t> sequences;
  for (int round = 0; round < 5; ++round) {
    for (int i = 0; i < 10; ++i) {
      EXPECT_TRUE(inodes.insert(value_of(catalog_->allocate_inode())).second);
      EXPECT_TRUE(sequences.insert(value_of(catalog_->allocate_sequence())).second);
    }
    lose_power();
  }
}

TEST_F(LostPowerCatalog, KeepsTheCleanMark) {
  ASSERT_TRUE(catalog_->mark_clean_shutdown().has_value());
  lose_power();
  EXPECT_TRUE(catalog_->clean_shutdown());
  lose_power();
  EXPECT_FALSE(catalog_->clean_shutdown());
}

}  // namespace
}  // namespace tierhub::catalog_lifetime_test
