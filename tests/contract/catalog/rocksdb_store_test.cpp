// What only the store on disk promises: other processes, kill -9, lost power.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <gtest/gtest.h>
#include <stdlib.h>

#include "catalog/encoding.h"
#include "catalog/key_value_store.h"
#include "common/posix.h"
#include "tests/support/temporary_directory.h"

namespace tierhub::rocksdb_store_test {
namespace {

namespace fs = std::filesystem;

std::string key(uint64_t number) { return encoding::inode_key(InodeNumber{number}); }

Result<void> put(KeyValueStore& store, uint64_t number, Durability durability = Durability::wal) {
  WriteSet changes;
  changes.put(Family::inode, key(number), std::string(100, 'x'));
  return store.commit(changes, durability);
}

std::unique_ptr<KeyValueStore> open_store(const std::string& path) {
  auto store = open_rocksdb_store(path);
  EXPECT_TRUE(store.has_value()) << store.error().text();
  return store.has_value() ? *std::move(store) : nullptr;
}

// The numbers in [1, last] that the store has.
std::vector<uint64_t> present(const KeyValueStore& store, uint64_t last) {
  std::vector<uint64_t> numbers;
  for (uint64_t number = 1; number <= last; ++number) {
    if (store.get(Family::inode, key(number))->has_value()) numbers.push_back(number);
  }
  return numbers;
}

// The log that is being written: the one with the highest number.
fs::path newest_log(const std::string& directory) {
  fs::path newest;
  for (const auto& entry : fs::directory_iterator(directory)) {
    if (entry.path().extension() == ".log" && entry.path() > newest) newest = entry.path();
  }
  return newest;
}

// What lost power can leave of the log behind the last sync: `damage` is given the copy of a live
// store's folder.
class LostPower : public ::testing::Test {
 protected:
  static constexpr uint64_t kSynced = 3;
  static constexpr uint64_t kAll = 9;

  void SetUp() override {
    const auto store = open_store(live_);
    for (uint64_t i = 1; i <= kSynced; ++i) ASSERT_TRUE(put(*store, i).has_value());
    ASSERT_TRUE(store->sync().has_value());
    synced_bytes_ = fs::file_size(newest_log(live_));
    for (uint64_t i = kSynced + 1; i <= kAll; ++i) ASSERT_TRUE(put(*store, i).has_value());
    fs::copy(live_, copy_);
    log_ = newest_log(copy_);
    all_bytes_ = fs::file_size(log_);
    record_bytes_ = (all_bytes_ - synced_bytes_) / (kAll - kSynced);
  }

  void overwrite(uint64_t begin, uint64_t end, char with) {
    std::fstream file(log_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(begin));
    file << std::string(end - begin, with);
    ASSERT_TRUE(file.good());
  }

  // The store opens, has everything that was synced, and of the rest a prefix of `more` commits.
  void expect_synced_and(uint64_t more) {
    std::vector<uint64_t> expected(kSynced + more);
    for (uint64_t i = 0; i < expected.size(); ++i) expected[i] = i + 1;
    for (int opens = 0; opens < 2; ++opens) {
      const auto store = open_store(copy_);
      ASSERT_TRUE(store);
      EXPECT_EQ(present(*store, kAll), expected);
    }
    const auto store = open_store(copy_);
    ASSERT_TRUE(put(*store, kAll, Durability::synced).has_value()) << "it goes on from there";
  }

  TemporaryDirectory directory_;
  const std::string live_ = directory_ / "live";
  const std::string copy_ = directory_ / "copy";
  fs::path log_;
  uint64_t synced_bytes_ = 0;
  uint64_t all_bytes_ = 0;
  uint64_t record_bytes_ = 0;
};

TEST_F(LostPower, LosesNothingThatReachedTheLog) { expect_synced_and(kAll - kSynced); }

TEST_F(LostPower, KeepsWhatWasSyncedIfTheRestIsGone) {
  fs::resize_file(log_, synced_bytes_);
  expect_synced_and(0);
}

TEST_F(LostPower, KeepsWhatIsWholeIfARecordIsTorn) {
  fs::resize_file(log_, synced_bytes_ + 2 * record_bytes_ + record_bytes_ / 2);
  expect_synced_and(2);
}

TEST_F(LostPower, KeepsWhatIsWholeIfTheTailIsZeros) {
  overwrite(synced_bytes_ + record_bytes_, all_bytes_, '\0');
  expect_synced_and(1);
}

TEST_F(LostPower, KeepsWhatIsBeforeAHoleInTheMiddle) {
  overwrite(synced_bytes_ + record_bytes_, synced_bytes_ + 2 * record_bytes_, '\0');
  expect_synced_and(1);
}

TEST_F(LostPower, KeepsWhatIsBeforeGarbageInTheMiddle) {
  overwrite(synced_bytes_ + 2 * record_bytes_ + 10, synced_bytes_ + 3 * record_bytes_, '\x5a');
  expect_synced_and(2);
}

TEST(RocksDbStore, RefusesToOpenWhatAnotherHasOpen) {
  const TemporaryDirectory directory;
  auto first = open_store(directory / "catalog");
  const auto second = open_rocksdb_store(directory / "catalog");
  ASSERT_FALSE(second.has_value());
  EXPECT_TRUE(second.error().is(std::errc::device_or_resource_busy));
  EXPECT_EQ(second.error().text(),
            "another process has the catalog in " + directory / "catalog" + " open: stop it first");
  first.reset();
  EXPECT_TRUE(open_store(directory / "catalog"));
}

TEST(RocksDbStore, MakesItsFolderReadableByItsOwnerAlone) {
  const TemporaryDirectory directory;
  const auto store = open_store(directory / "a/b/catalog");
  const auto st = posix::stat_at(AT_FDCWD, directory / "a/b/catalog");
  ASSERT_TRUE(st.has_value());
  EXPECT_EQ(st->st_mode & 0777, 0700U);
}

TEST(RocksDbStore, SaysWhichFolderItCannotMake) {
  const TemporaryDirectory directory;
  ASSERT_TRUE(posix::replace_file(directory / "file", "x").has_value());
  const auto store = open_rocksdb_store(directory / "file/catalog");
  ASSERT_FALSE(store.has_value());
  EXPECT_NE(store.error().text().find(directory / "file"), std::string::npos)
      << store.error().text();
}

TEST(RocksDbStore, CallsADamagedTableDamaged) {
  const TemporaryDirectory directory;
  const std::string path = directory / "catalog";
  open_store(path);
  std::ofstream(path + "/CURRENT") << "nonsense\n";
  const auto store = open_rocksdb_store(path);
  ASSERT_FALSE(store.has_value());
  EXPECT_TRUE(store.error().is(std::errc::bad_message)) << store.error().text();
}

// The death test runs this test again in a child, which finds the folder in the environment.
TEST(RocksDbStoreDeathTest, KeepsWhatACommitReturnedOverKill) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  static const char* const kVariable = "TIERHUB_TEST_KILLED_CATALOG";
  std::optional<TemporaryDirectory> directory;  // the parent's: the child removes nothing
  if (::getenv(kVariable) == nullptr)
    ::setenv(kVariable, (directory.emplace() / "catalog").c_str(), 1);
  const std::string path = ::getenv(kVariable);
  const auto commit_and_die = [&] {
    const auto store = open_store(path);
    for (uint64_t i = 1; i <= 50; ++i) {
      if (!put(*store, i).has_value()) ::_exit(1);
    }
    ::raise(SIGKILL);
  };
  EXPECT_EXIT(commit_and_die(), ::testing::KilledBySignal(SIGKILL), "");
  ::unsetenv(kVariable);
  EXPECT_EQ(present(*open_store(path), 50).size(), 50U);
}

}  // namespace
}  // namespace tierhub::rocksdb_store_test
