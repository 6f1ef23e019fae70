// What a file says while parts of it are only in the archive, or on their way.
#include <functional>

#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/stat.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/fault_points.h"
#include "common/posix.h"
#include "tests/support/local_tier.h"
#include "tests/support/temporary_directory.h"

namespace tierhub::test::cold_content_test {
namespace {

using ::testing::HasSubstr;

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
  // A file that is in the archive alone; the last chunk is not whole.
  InodeNumber add_cold_file(uint64_t chunks = 4) {
    content_.resize(chunks * kChunk - kChunk / 2);
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
  // What the archive's disk changes by itself moves no ctime.
  void take_ctime_for_the_one_on_record() {
    const InodeNumber file = tier_->fs->lookup(kRootInode, "file")->inode;
    ArchiveVersion version = **tier_->catalog->version(file);
    version.content_ctime = (**tier_->archive->stat("file")).content_ctime;
    Batch batch;
    batch.put_version(file, version);
    ASSERT_TRUE(tier_->catalog->commit(batch));
  }
  std::string parked_reason() {
    const auto pending = tier_->publisher->pending({"/"});
    return pending && !pending->waiting.empty() ? pending->waiting[0].reason : "";
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

// A copy that the archive held up for too long was given up, and may still write into the object.
class CopyAtLarge : public ColdContent {
 protected:
  void SetUp() override {
    file_ = add_cold_file();
    ASSERT_EQ(tier_->read(file_, 0, 1).value(), content_.substr(0, 1));
    copy_ = tier_->scratch->open_object(file_, O_RDWR).value();
    (*tier_->inodes->lock(file_))->lost_fill = true;
    const auto opened = tier_->open(file_, O_RDWR);
    ASSERT_TRUE(opened);
    writer_ = opened->handle;
  }
  Result<size_t> write(const std::string& bytes) {
    return tier_->write(file_, writer_, 2 * kChunk + 100, bytes);
  }
  template <typename T>
  static void expect_refused(const Result<T>& result) {
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().errno_value(), EIO) << "as a read of an archive that hangs";
    EXPECT_THAT(result.error().text(), HasSubstr("a copy from it has not finished"));
  }

  InodeNumber file_;
  UniqueFd copy_;
  FileHandle writer_;
};

TEST_F(CopyAtLarge, IsNoWantOfRoomToWhoWritesBesideIt) {
  expect_refused(write("new"));
  EXPECT_TRUE(read_all(file_) == content_) << "reads go on";
  copy_.reset();
  ASSERT_TRUE(write("new"));
  content_.replace(2 * kChunk + 100, 3, "new");
  EXPECT_TRUE(read_all(file_) == content_);
}

TEST_F(CopyAtLarge, CannotBeCutOffUnlessNobodyHasTheFileOpen) {
  AttributeChange change;
  for (const uint64_t size : {uint64_t{0}, kChunk + 1, 10 * kChunk}) {
    change.size_bytes = size;
    expect_refused(tier_->setattr(file_, change));
  }
  expect_refused(tier_->fallocate(file_, 0, 0, 10 * kChunk));
  expect_refused(tier_->fallocate(file_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, kChunk));
  EXPECT_TRUE(read_all(file_) == content_);
  tier_->fs->release(file_, writer_);
  change.size_bytes = 0;
  ASSERT_TRUE(tier_->setattr(file_, change));
  ASSERT_EQ(::pwrite(copy_.get(), "old", 3, kChunk), 3);
  EXPECT_EQ(read_all(file_), "");
}

TEST_F(ColdContent, IsNotWrittenInPartWhileOthersWriteItInTheArchive) {
  const InodeNumber file = add_cold_file();
  bool growing = true;
  tier_->mover->growing_for = [&](InodeNumber, const ArchiveVersion&) {
    return growing ? Mover::Growing(std::chrono::seconds(5)) : std::nullopt;
  };
  const auto opened = tier_->open(file, O_RDWR);
  ASSERT_TRUE(opened);
  const auto refused = tier_->write(file, opened->handle, 100, "new");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().errno_value(), EBUSY) << refused.error().text();
  growing = false;
  EXPECT_TRUE(tier_->write(file, opened->handle, 100, "new"));
  tier_->fs->release(file, opened->handle);
}

// Files of few chunks are copied as a whole, large ones are patched.
class Damaged : public ColdContent, public ::testing::WithParamInterface<uint64_t> {
 protected:
  // A cold file of so many chunks, of which all checksums are on record, and the last byte but one
  // of the last chunk changed by the archive's disk.
  InodeNumber add_damaged_file() {
    const InodeNumber file = add_cold_file(GetParam());
    EXPECT_TRUE(tier_->prefetch(file));
    EXPECT_TRUE(tier_->evict(file)->evicted);
    spoil(content_.size() - 2);
    return file;
  }
  // Size and times stay.
  void spoil(uint64_t offset_bytes) {
    const UniqueFd fd(::open((place_ / "archive/file").c_str(), O_RDWR));
    struct stat st {};
    ASSERT_EQ(::fstat(fd.get(), &st), 0);
    char byte = '\0';
    ASSERT_EQ(::pread(fd.get(), &byte, 1, static_cast<off_t>(offset_bytes)), 1);
    byte = static_cast<char>(byte ^ 1);
    ASSERT_EQ(::pwrite(fd.get(), &byte, 1, static_cast<off_t>(offset_bytes)), 1);
    const timespec times[2] = {st.st_atim, st.st_mtim};
    ASSERT_EQ(::futimens(fd.get(), times), 0);
    take_ctime_for_the_one_on_record();
  }
  void write(InodeNumber file, const std::string& bytes) {
    const auto opened = tier_->open(file, O_RDWR);
    ASSERT_TRUE(opened);
    ASSERT_TRUE(tier_->write(file, opened->handle, 0, bytes));
    content_.replace(0, bytes.size(), bytes);
    tier_->fs->release(file, opened->handle);
  }
};

// As the disk does it, but for the trace that it leaves: somebody did it, and it is no damage.
TEST_P(Damaged, ByAnotherUserIsAChangeThatKeepsBoth) {
  const InodeNumber file = add_cold_file(GetParam());
  ASSERT_TRUE(tier_->prefetch(file));
  {
    const UniqueFd fd(::open((place_ / "archive/file").c_str(), O_RDWR));
    struct stat st {};
    ASSERT_EQ(::fstat(fd.get(), &st), 0);
    ASSERT_EQ(::pwrite(fd.get(), "?", 1, kChunk + 5), 1);
    const timespec times[2] = {st.st_atim, st.st_mtim};
    ASSERT_EQ(::futimens(fd.get(), times), 0);
  }
  const std::string theirs = *posix::read_file(place_ / "archive/file");
  write(file, "ours");
  EXPECT_EQ(tier_->publish(), 0u) << parked_reason();
  EXPECT_TRUE(*posix::read_file(place_ / "archive/file") == theirs);
  EXPECT_TRUE(read_all(file) == content_);
  EXPECT_NE(tier_->fs->lookup(kRootInode, "file")->inode, file);
}

// Nobody read the rest of it, and it is published as the archive has it.
TEST_P(Damaged, IsNothingThatOthersTouchedInTheArchiveAndThatIsChangedInPartHere) {
  const InodeNumber file = add_cold_file(GetParam());
  ASSERT_TRUE(tier_->read(file, 0, 1));
  ASSERT_EQ(::chmod((place_ / "archive/file").c_str(), 0600), 0);
  write(file, "ours");
  EXPECT_EQ(tier_->publish(), 0u) << parked_reason();
  EXPECT_TRUE(*posix::read_file(place_ / "archive/file") == content_);
}

// It waits until somebody restored the file, and then is published.
TEST_P(Damaged, CopyIsNotPublishedAsGood) {
  const InodeNumber file = add_damaged_file();
  write(file, "new");
  // The rest of the last chunk is the archive's.
  AttributeChange change;
  change.size_bytes = content_.size() - 1;
  ASSERT_TRUE(tier_->setattr(file, change));
  content_.resize(content_.size() - 1);
  const std::string before = *posix::read_file(place_ / "archive/file");
  EXPECT_EQ(tier_->publish(), 1u);
  EXPECT_THAT(parked_reason(), HasSubstr("the archive's copy of 'file' is damaged: chunk"));
  EXPECT_TRUE(*posix::read_file(place_ / "archive/file") == before);
  EXPECT_EQ(tier_->archive->staged().value(), std::vector<std::string>());

  spoil(content_.size() - 1);
  EXPECT_EQ(tier_->publish(), 0u);
  EXPECT_TRUE(*posix::read_file(place_ / "archive/file") == content_);
}

// Whole chunks may be copied by the archive alone: they keep the checksum that was recorded.
TEST_P(Damaged, ChunkIsNeverRead) {
  const InodeNumber file = add_damaged_file();
  write(file, "new");
  tier_->publish();
  ASSERT_TRUE(tier_->evict(file));
  const auto read = tier_->read(file, content_.size() - 10, 10);
  ASSERT_FALSE(read);
  EXPECT_THAT(read.error().text(), HasSubstr("is damaged"));
}

INSTANTIATE_TEST_SUITE_P(Chunks, Damaged, ::testing::Values(3, 9));

class RottenScratch : public ColdContent {
 protected:
  // All of it is in scratch, and the disk there changes bytes of the second chunk and of the last.
  void SetUp() override {
    file_ = add_cold_file(3);
    ASSERT_TRUE(tier_->prefetch(file_));
    const auto object = tier_->scratch->open_object(file_, O_RDWR);
    ASSERT_TRUE(object);
    for (const uint64_t at : {kChunk + 5, content_.size() - 1})
      ASSERT_EQ(::pwrite(object->get(), "!", 1, static_cast<off_t>(at)), 1);
  }
  void change_first_chunk() {
    const auto opened = tier_->open(file_, O_RDWR);
    ASSERT_TRUE(opened);
    ASSERT_TRUE(tier_->write(file_, opened->handle, 0, "new"));
    tier_->fs->release(file_, opened->handle);
  }
  std::string archived() { return *posix::read_file(place_ / "archive/file"); }

  InodeNumber file_;
};

TEST_F(RottenScratch, IsNeverPublishedOverTheArchivesGoodCopy) {
  change_first_chunk();
  content_.replace(0, 3, "new");
  EXPECT_EQ(tier_->publish(), 0u) << parked_reason();
  EXPECT_TRUE(archived() == content_);
  EXPECT_TRUE(read_all(file_) == content_) << "found out, it is brought anew";
}

TEST_F(RottenScratch, IsNotPublishedWhenTheArchivesCopyIsNoBetter) {
  {
    const UniqueFd fd(::open((place_ / "archive/file").c_str(), O_RDWR));
    struct stat st {};
    ASSERT_EQ(::fstat(fd.get(), &st), 0);
    ASSERT_EQ(::pwrite(fd.get(), "?", 1, kChunk + 5), 1);
    const timespec times[2] = {st.st_atim, st.st_mtim};
    ASSERT_EQ(::futimens(fd.get(), times), 0);
    take_ctime_for_the_one_on_record();
  }
  const std::string before = archived();
  change_first_chunk();
  EXPECT_EQ(tier_->publish(), 1u);
  EXPECT_THAT(parked_reason(), HasSubstr("the archive's copy of 'file' is damaged: chunk 1"));
  EXPECT_TRUE(archived() == before);
  EXPECT_EQ(tier_->archive->staged().value(), std::vector<std::string>());
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
  EXPECT_EQ(tier_->publish(), 0u) << parked_reason();
  EXPECT_TRUE(*posix::read_file(place_ / "archive/file") == content_);
}

INSTANTIATE_TEST_SUITE_P(Modes, Allocating, ::testing::Values(0, FALLOC_FL_KEEP_SIZE));

}  // namespace
}  // namespace tierhub::test::cold_content_test
