// What a file says while parts of it are only in the archive, or on their way.
#include <functional>

#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/stat.h>

#include <gtest/gtest.h>

#include "common/fault_points.h"
#include "common/posix.h"
#include "tests/support/local_tier.h"
#include "tests/support/temporary_directory.h"

namespace tierhub::testing {
namespace {

constexpr uint64_t kChunk = 4096;

std::function<void()> at_step;

class ColdContent : public ::testing::Test {
 protected:
  void TearDown() override { arm_fault_point("", 1, nullptr); }
  // `meanwhile` runs when `step` is reached for the n-th time.
  static void at(const char* step, uint64_t n, std::function<void()> meanwhile) {
    at_step = std::move(meanwhile);
    arm_fault_point(step, n, [] { at_step(); });
  }
  // A file of three and a half chunks that is in the archive alone.
  InodeNumber add_cold_file() {
    content_.resize(3 * kChunk + kChunk / 2);
    for (size_t i = 0; i < content_.size(); ++i)
      content_[i] = static_cast<char>('a' + i * 7 % 26 + i / kChunk);
    EXPECT_TRUE(posix::make_directories(place_ / "archive", 0755));
    const UniqueFd file(::open((place_ / "archive/file").c_str(), O_WRONLY | O_CREAT, 0644));
    EXPECT_EQ(::write(file.get(), content_.data(), content_.size()),
              static_cast<ssize_t>(content_.size()));
    tier_ = std::make_unique<LocalTier>(place_.path(), LocalTier::Options{});
    tier_->scan_added();
    return tier_->fs->lookup(kRootInode, "file")->inode;
  }
  std::string read_all(InodeNumber inode) {
    return tier_->read(inode, 0, 2 * content_.size()).value();
  }

  TemporaryDirectory place_;
  std::unique_ptr<LocalTier> tier_;
  std::string content_;
};

// While chunks are on their way into its object, and afterwards.
TEST_F(ColdContent, ARecallLeavesTheTimesOfAFileThatIsBeingWritten) {
  const InodeNumber file = add_cold_file();
  const auto opened = tier_->open(file, O_RDWR);
  ASSERT_TRUE(opened);
  // What is to come is in two parts, around this.
  ASSERT_TRUE(tier_->write(file, opened->handle, kChunk, "new"));
  content_.replace(kChunk, 3, "new");
  AttributeChange change;
  change.mtime = Timestamp{1'500'000'000'000'000'000};
  ASSERT_TRUE(tier_->setattr(file, change));
  const auto object = tier_->scratch->open_object(file, O_RDONLY);
  ASSERT_TRUE(object);
  std::optional<Timestamp> meanwhile;
  at("prefetch.before_fill", 2, [&] {
    char first = '\0';
    while (first != content_[0]) ASSERT_EQ(::pread(object->get(), &first, 1, 0), 1);
    meanwhile = tier_->fs->getattr(file)->attributes.mtime;
  });
  EXPECT_TRUE(read_all(file) == content_);
  EXPECT_EQ(meanwhile, change.mtime);
  EXPECT_EQ(tier_->fs->getattr(file)->attributes.mtime, *change.mtime);
  tier_->fs->release(file, opened->handle);
  EXPECT_EQ(tier_->publish(), 0u);
  struct stat st {};
  ASSERT_EQ(::stat((place_ / "archive/file").c_str(), &st), 0);
  EXPECT_EQ(posix::modification_time(st), *change.mtime);
}

class Allocating : public ColdContent, public ::testing::WithParamInterface<int> {};

// Of a cold chunk, of part of one, and across the end of the file.
TEST_P(Allocating, ChangesNoByteOfAColdFile) {
  const InodeNumber file = add_cold_file();
  const auto opened = tier_->open(file, O_RDWR);
  ASSERT_TRUE(opened);
  ASSERT_TRUE(tier_->fallocate(file, GetParam(), kChunk, kChunk));
  ASSERT_TRUE(tier_->fallocate(file, GetParam(), 2 * kChunk + 100, 100));
  ASSERT_TRUE(tier_->fallocate(file, GetParam(), 3 * kChunk + 100, 2 * kChunk));
  if ((GetParam() & FALLOC_FL_KEEP_SIZE) == 0) content_.resize(5 * kChunk + 100);
  EXPECT_TRUE(read_all(file) == content_);
  tier_->fs->release(file, opened->handle);
  EXPECT_EQ(tier_->publish(), 0u);
  EXPECT_TRUE(*posix::read_file(place_ / "archive/file") == content_);
}

INSTANTIATE_TEST_SUITE_P(Modes, Allocating, ::testing::Values(0, FALLOC_FL_KEEP_SIZE));

}  // namespace
}  // namespace tierhub::testing
