// What is evicted and what stays, on real folders.
#include <fcntl.h>
#include <sys/stat.h>

#include <gtest/gtest.h>

#include "common/posix.h"
#include "storage/scratch/object_state.h"
#include "tests/support/local_tier.h"
#include "tests/support/temporary_directory.h"

namespace tierhub::test::evictor_test {
namespace {

constexpr uint64_t kChunk = 4096;

std::optional<Obstacle> obstacle_of(const Eviction& eviction) {
  return eviction.skip ? std::optional(eviction.skip->obstacle) : std::nullopt;
}

class EvictorTest : public ::testing::Test {
 protected:
  void start() { tier_ = std::make_unique<LocalTier>(place_.path(), LocalTier::Options{}); }
  void restart() {
    tier_.reset();
    start();
  }
  // A file of four chunks that is in the archive alone.
  InodeNumber add_cold_file() {
    content_.resize(4 * kChunk);
    for (size_t i = 0; i < content_.size(); ++i)
      content_[i] = static_cast<char>('a' + i * 7 % 26 + i / kChunk);
    EXPECT_TRUE(posix::make_directories(place_ / "archive", 0755));
    const UniqueFd file(::open((place_ / "archive/file").c_str(), O_WRONLY | O_CREAT, 0644));
    EXPECT_EQ(::write(file.get(), content_.data(), content_.size()),
              static_cast<ssize_t>(content_.size()));
    start();
    tier_->scan_added();
    return tier_->fs->lookup(kRootInode, "file")->inode;
  }
  // Through the daemon, so that it is known which bytes changed.
  void overwrite(InodeNumber inode, uint64_t offset_bytes, const std::string& bytes) {
    const auto opened = tier_->open(inode, O_RDWR);
    ASSERT_TRUE(opened);
    ASSERT_TRUE(tier_->write(inode, opened->handle, offset_bytes, bytes));
    content_.replace(offset_bytes, bytes.size(), bytes);
    tier_->fs->release(inode, opened->handle);
    const auto lock = tier_->inodes->lock(inode);
    const auto harvested = harvest(*tier_->catalog, *tier_->scratch, **lock);
    ASSERT_TRUE(harvested && *harvested == Harvest::done);
  }
  void prefetch(InodeNumber inode) {
    const auto prefetched = tier_->prefetch(inode);
    ASSERT_TRUE(prefetched) << prefetched.error().text();
  }
  uint64_t occupied(InodeNumber inode) { return *tier_->scratch->occupied_bytes(inode); }
  std::string read_all(InodeNumber inode) { return tier_->read(inode, 0, content_.size()).value(); }

  TemporaryDirectory place_;
  std::unique_ptr<LocalTier> tier_;
  std::string content_;
};

TEST_F(EvictorTest, DropsTheCleanChunksOfAFileThatIsPartlyDirty) {
  const InodeNumber file = add_cold_file();
  prefetch(file);
  overwrite(file, kChunk + 10, "changed");
  const uint64_t before = occupied(file);
  const auto eviction = tier_->evict(file);
  ASSERT_TRUE(eviction) << eviction.error().text();
  EXPECT_FALSE(eviction->evicted);
  EXPECT_EQ(eviction->bytes, 3 * kChunk);
  EXPECT_EQ(obstacle_of(*eviction), Obstacle::unpublished);
  EXPECT_EQ(occupied(file), before - 3 * kChunk);
  EXPECT_EQ(read_all(file), content_) << "what was dropped is recalled, what is dirty stayed";
}

TEST_F(EvictorTest, PublishesAFileWhoseCleanChunksWereDropped) {
  const InodeNumber file = add_cold_file();
  prefetch(file);
  overwrite(file, kChunk + 10, "changed");
  ASSERT_TRUE(tier_->evict(file));
  EXPECT_EQ(tier_->publish(), 0u);
  EXPECT_EQ(*posix::read_file(place_ / "archive/file"), content_);
  EXPECT_EQ(read_all(file), content_);
}

TEST_F(EvictorTest, DropsNoChunkWhileSomebodyHasTheObjectOpen) {
  const InodeNumber file = add_cold_file();
  prefetch(file);
  overwrite(file, 0, "changed");
  const uint64_t before = occupied(file);
  {
    // As a publish has it while it stages the file.
    const auto user = tier_->scratch->open_object(file, O_RDONLY);
    const auto eviction = tier_->evict(file);
    ASSERT_TRUE(eviction);
    EXPECT_EQ(obstacle_of(*eviction), Obstacle::in_use);
    EXPECT_EQ(occupied(file), before);
  }
  EXPECT_EQ(tier_->evict(file)->bytes, 3 * kChunk);
}

TEST_F(EvictorTest, DropsNoChunkThatTheArchiveHasInAnotherVersion) {
  const InodeNumber file = add_cold_file();
  prefetch(file);
  overwrite(file, 0, "changed");
  {
    const UniqueFd other(::open((place_ / "archive/file").c_str(), O_WRONLY | O_TRUNC));
    ASSERT_EQ(::write(other.get(), "theirs", 6), 6);
  }
  const auto eviction = tier_->evict(file);
  EXPECT_EQ(obstacle_of(*eviction), Obstacle::conflict);
  EXPECT_EQ(read_all(file), content_);
}

// Killed in the middle of a file's first fill: nothing lists what it left.
TEST_F(EvictorTest, RecoveryFreesWhatAFillLeftThatNeverCommitted) {
  const InodeNumber file = add_cold_file();
  {
    const auto lock = tier_->inodes->lock(file);
    ASSERT_TRUE(ensure_object(*tier_->catalog, *tier_->scratch, **lock));
    const auto object = tier_->scratch->open_object(file, O_RDWR);
    ASSERT_EQ(::pwrite(object->get(), content_.data(), kChunk, 0), static_cast<ssize_t>(kChunk));
  }
  EXPECT_GT(occupied(file), 0u);
  restart();
  EXPECT_EQ(occupied(file), 0u);
  EXPECT_EQ(tier_->capacity->used_bytes(), 0u);
  EXPECT_EQ(read_all(file), content_);
}

TEST_F(EvictorTest, RemovesADeletedFileThoughAThousandBeforeItAreStillOpen) {
  start();
  constexpr int kOpen = 1100;  // more than a reap looks at in one go
  InodeNumber last;
  for (int i = 0; i <= kOpen; ++i) {
    const auto created =
        tier_->fs->create(kRootInode, "file" + std::to_string(i), 0644, O_RDWR, FsCaller{0, 0});
    ASSERT_TRUE(created);
    last = created->node.inode;
    if (i == kOpen) tier_->fs->release(last, created->opened.handle);
    ASSERT_TRUE(tier_->fs->unlink(kRootInode, "file" + std::to_string(i)));
  }
  ASSERT_TRUE(tier_->evictor->reap());
  ASSERT_TRUE(tier_->evictor->reap());
  EXPECT_FALSE(*tier_->catalog->inode(last));
}

TEST_F(EvictorTest, AFileOfHolesFreesNoMoreThanItOccupies) {
  ASSERT_TRUE(posix::make_directories(place_ / "archive", 0755));
  const UniqueFd file(::open((place_ / "archive/file").c_str(), O_WRONLY | O_CREAT, 0644));
  ASSERT_EQ(::ftruncate(file.get(), 1 << 20), 0);
  ASSERT_EQ(::pwrite(file.get(), "x", 1, 10 * kChunk), 1);
  start();
  tier_->scan_added();
  const InodeNumber inode = tier_->fs->lookup(kRootInode, "file")->inode;
  prefetch(inode);
  EXPECT_EQ((*tier_->inodes->lock(inode))->resident_bytes(), uint64_t{1} << 20);
  const auto eviction = tier_->evict(inode);
  ASSERT_TRUE(eviction) << eviction.error().text();
  EXPECT_TRUE(eviction->evicted);
  EXPECT_EQ(eviction->bytes, kChunk) << "else a pass ends before it made room";
}

TEST_F(EvictorTest, PassesLeaveWhatIsPinnedAndStopWhenTheArchiveIsAway) {
  const InodeNumber file = add_cold_file();
  prefetch(file);
  // More is wanted than there is.
  const auto want_room = [&] { ASSERT_FALSE(tier_->capacity->try_reserve(uint64_t{1} << 60)); };
  tier_->evictor->archive_is_up = [] { return false; };
  want_room();
  EXPECT_EQ(*tier_->evictor->make_room(), 0u);
  tier_->evictor->archive_is_up = [] { return true; };
  Batch pin;
  LeaseRecord lease;
  lease.pin = true;
  lease.owner = "root";
  pin.put_lease(file, lease);
  ASSERT_TRUE(tier_->catalog->commit(pin));
  want_room();
  EXPECT_EQ(*tier_->evictor->make_room(), 0u);
  Batch unpin;
  unpin.erase_lease(file, "root");
  ASSERT_TRUE(tier_->catalog->commit(unpin));
  want_room();
  EXPECT_EQ(*tier_->evictor->make_room(), 4 * kChunk);
  EXPECT_EQ(read_all(file), content_);
}

}  // namespace
}  // namespace tierhub::test::evictor_test
