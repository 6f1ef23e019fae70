// What happens to a catalog whose disk is full. The disk is a small tmpfs, which needs root.
#include <filesystem>

#include <fcntl.h>
#include <sys/mount.h>

#include <gtest/gtest.h>

#include "catalog/ballast.h"
#include "catalog/encoding.h"
#include "catalog/key_value_store.h"
#include "common/posix.h"
#include "tests/support/temporary_directory.h"

namespace tierhub::full_disk_test {
namespace {

constexpr uint64_t kDiskBytes = 48 << 20;
constexpr uint64_t kBallastBytes = 16 << 20;

class FullDisk : public ::testing::Test {
 protected:
  void SetUp() override {
    const TemporaryDirectory mount_point;
    const std::string size = fmt::format("size={}", kDiskBytes);
    ASSERT_EQ(::mount("tmpfs", mount_point.path().c_str(), "tmpfs", 0, size.c_str()), 0)
        << "this test mounts a small tmpfs: run it as root";
    disk_ = *posix::open_at(AT_FDCWD, mount_point.path(), O_RDONLY | O_DIRECTORY);
    // From here on it is reached by its descriptor alone, and gone when that is closed.
    ASSERT_EQ(::umount2(mount_point.path().c_str(), MNT_DETACH), 0);
    root_ = fmt::format("/proc/self/fd/{}", disk_.get());
    reopen();
  }

  void reopen() {
    store_.reset();
    auto store = open_rocksdb_store(root_ + "/catalog", {.ballast_bytes = kBallastBytes});
    ASSERT_TRUE(store.has_value()) << store.error().text();
    store_ = *std::move(store);
  }

  static std::string key(uint64_t number) { return encoding::inode_key(InodeNumber{number}); }
  Result<void> put(uint64_t number) {
    WriteSet changes;
    changes.put(Family::inode, key(number), std::string(1000, 'x'));
    return store_->commit(changes, Durability::wal);
  }
  bool has(uint64_t number) { return store_->get(Family::inode, key(number))->has_value(); }

  // Takes all room that the disk has left.
  void fill_disk() {
    const auto filler = posix::open_at(disk_.get(), "filler", O_WRONLY | O_CREAT | O_APPEND, 0600);
    const std::string block(4096, 'x');
    while (posix::write_all(filler->get(), block).has_value()) {
    }
  }
  bool has_ballast() { return posix::stat_at(disk_.get(), "catalog/ballast").has_value(); }

  UniqueFd disk_;
  std::string root_;
  std::unique_ptr<KeyValueStore> store_;
};

TEST_F(FullDisk, TheBallastTakesItsRoom) {
  const auto st = posix::stat_at(disk_.get(), "catalog/ballast");
  ASSERT_TRUE(st.has_value());
  EXPECT_GE(static_cast<uint64_t>(st->st_blocks) * 512, kBallastBytes);
}

TEST_F(FullDisk, CommitsGoOnInTheRoomOfTheBallast) {
  fill_disk();
  uint64_t last = 0;
  while (has_ballast()) ASSERT_TRUE(put(++last).has_value());
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(put(++last).has_value());
  EXPECT_TRUE(store_->sync().has_value());
  reopen();
  for (uint64_t number = 1; number <= last; ++number)
    ASSERT_TRUE(has(number)) << number << " of " << last;
}

TEST_F(FullDisk, ACommitWithoutRoomFailsAndGoesOnWhenThereIsRoom) {
  fill_disk();
  uint64_t failed = 0;
  for (uint64_t number = 1; failed == 0; ++number) {
    const auto result = put(number);
    if (result.has_value()) continue;
    EXPECT_TRUE(result.error().is(std::errc::no_space_on_device)) << result.error().text();
    failed = number;
  }
  EXPECT_FALSE(has_ballast());
  EXPECT_FALSE(has(failed));
  EXPECT_TRUE(has(failed - 1)) << "reads go on";
  EXPECT_TRUE(store_->sync().has_value()) << "what was committed can be synced";

  ASSERT_TRUE(posix::unlink_at(disk_.get(), "filler").has_value());
  EXPECT_TRUE(put(failed).has_value());
  reopen();
  EXPECT_TRUE(has(failed - 1));
  EXPECT_TRUE(has(failed));
  EXPECT_TRUE(has_ballast()) << "it is back";
}

TEST_F(FullDisk, ItOpensOnAFullDisk) {
  fill_disk();
  reopen();
  EXPECT_TRUE(put(1).has_value());
}

TEST_F(FullDisk, ABallastIsNotTakenWhereNoRoomWouldBeLeft) {
  Ballast ballast(root_ + "/other", kDiskBytes / 2);
  EXPECT_FALSE(ballast.arm());
  EXPECT_FALSE(ballast.release());
  EXPECT_FALSE(std::filesystem::exists(root_ + "/other"));
}

}  // namespace
}  // namespace tierhub::full_disk_test
