// How a reader of a cold file is served: its bytes first, its chunks behind them, and ahead of who
// reads on.
#include <atomic>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>

#include <fcntl.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/posix.h"
#include "storage/scratch/object_state.h"
#include "tests/support/local_tier.h"
#include "tests/support/temporary_directory.h"
#include "tests/unit/migrator/held_archive.h"

namespace tierhub::test::mover_test {
namespace {

constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kChunk = 4 * kMiB;
constexpr uint64_t kSize = 12 * kMiB;
constexpr uint64_t kPage = 4096;

std::string noise() {
  std::mt19937_64 random(1);
  std::string bytes(kSize, '\0');
  for (uint64_t at = 0; at < kSize; at += sizeof(uint64_t)) {
    const uint64_t word = random();
    std::memcpy(bytes.data() + at, &word, sizeof word);
  }
  return bytes;
}

class MoverTest : public ::testing::Test {
 protected:
  using Answer = Result<Recalled>;

  void SetUp() override {
    ASSERT_TRUE(posix::make_directories(place_ / "archive", 0755));
    content_ = noise();
    std::ofstream(place_ / "archive/file", std::ios::binary) << content_;
    LocalTier::Options options;
    options.chunk_bytes = kChunk;
    tier_ = std::make_unique<LocalTier>(place_.path(), options);
    tier_->scan_added();
    file_ = tier_->fs->lookup(kRootInode, "file")->inode;
    held_ = std::make_unique<HeldArchive>(*tier_->archive);
    make_mover({});
  }
  void TearDown() override {
    if (mover_) mover_->begin_nothing_more();
  }
  void make_mover(const Mover::Options& options) {
    mover_ =
        std::make_unique<Mover>(*tier_->inodes, *tier_->scratch, *held_, *tier_->capacity, options);
  }

  std::future<Answer> ask(ByteRange range, RecallReason reason = RecallReason::read) {
    auto answer = std::make_shared<std::promise<Answer>>();
    mover_->bring(file_, range, reason,
                  [answer](Answer brought) { answer->set_value(std::move(brought)); });
    return answer->get_future();
  }
  static bool is_ready(const std::future<Answer>& answer) {
    return answer.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  }
  // What a reader of the range was given before its chunk.
  static std::string given(std::future<Answer>& answer, ByteRange range) {
    const Answer brought = answer.get();
    if (!brought) return brought.error().text();
    if (!brought->unkept) return "came with its chunk";
    std::string bytes(range.size(), '\0');
    const auto n = posix::read_at(brought->unkept->get(), std::as_writable_bytes(std::span(bytes)),
                                  range.begin);
    return bytes.substr(0, n.value());
  }
  std::string content(ByteRange range) const { return content_.substr(range.begin, range.size()); }
  void expect_kept(uint64_t chunk) {
    // The mover commits after the archive has answered.
    for (int i = 0; i < 1000 && !is_kept(chunk); ++i) ::usleep(5000);
    EXPECT_TRUE(is_kept(chunk));
  }
  bool is_kept(uint64_t chunk) { return (*tier_->inodes->lock(file_))->clean.contains(chunk); }
  FileHandle open_for_writing() { return tier_->open(file_, O_RDWR)->handle; }
  void overwrite(uint64_t offset, const std::string& bytes) {
    ASSERT_TRUE(tier_->write(file_, open_for_writing(), offset, bytes));
    content_.replace(offset, bytes.size(), bytes);
  }
  void cut_and_grow_again(uint64_t size) {
    AttributeChange change;
    for (const uint64_t to : {size, kSize}) {
      change.size_bytes = to;
      ASSERT_TRUE(tier_->setattr(file_, change));
    }
    content_.resize(size);
    content_.resize(kSize);
  }

  TemporaryDirectory place_;
  std::unique_ptr<LocalTier> tier_;
  std::unique_ptr<HeldArchive> held_;
  std::unique_ptr<Mover> mover_;
  InodeNumber file_;
  std::string content_;
};

TEST_F(MoverTest, AnswersAReaderWithItsBytesAloneAndKeepsTheirChunkBehind) {
  const ByteRange range{kChunk + 100, kChunk + 100 + kPage};
  auto answer = ask(range);
  const FillRequest first = held_->let_through();
  EXPECT_EQ(first.purpose, FillPurpose::answer);
  EXPECT_EQ(first.range.begin, range.begin);
  EXPECT_EQ(first.range.end, range.end);
  EXPECT_EQ(given(answer, range), content(range));
  EXPECT_FALSE(is_kept(1));

  const FillRequest behind = held_->let_through();
  EXPECT_EQ(behind.purpose, FillPurpose::keep);
  EXPECT_EQ(behind.range.begin, kChunk);
  EXPECT_EQ(behind.range.end, 2 * kChunk);
  expect_kept(1);
  EXPECT_TRUE(held_->nothing_is_asked());
}

TEST_F(MoverTest, AsksForNoByteTwiceBeforeItsChunkIsKept) {
  const ByteRange range{0, kPage};
  auto first = ask(range);
  std::vector<std::future<Answer>> others;
  for (int i = 0; i < 20; ++i) others.push_back(ask(range));
  EXPECT_EQ(held_->let_through().purpose, FillPurpose::answer);
  EXPECT_EQ(given(first, range), content(range));
  for (const auto& other : others) EXPECT_FALSE(is_ready(other));
  EXPECT_EQ(held_->let_through().purpose, FillPurpose::keep);
  for (auto& other : others) EXPECT_EQ(given(other, range), "came with its chunk");
  EXPECT_TRUE(held_->nothing_is_asked());
}

TEST_F(MoverTest, AnswersWithWhatWasWrittenWhileTheArchiveWasRead) {
  held_->hold(HeldArchive::Holds::answers);
  const ByteRange range{100, 100 + kPage};
  auto answer = ask(range);
  held_->read();
  overwrite(200, "written meanwhile");
  held_->give();
  EXPECT_EQ(given(answer, range), content(range));
}

TEST_F(MoverTest, AnswersWithTheDirtyBytesOfAChunkThatIsOtherwiseAbsent) {
  ASSERT_TRUE(tier_->prefetch(file_));
  const FileHandle writer = open_for_writing();
  const auto written = tier_->write(file_, writer, 200, "dirty");
  ASSERT_TRUE(written);
  content_.replace(200, 5, "dirty");
  tier_->fs->release(file_, writer);
  {
    const auto lock = tier_->inodes->lock(file_);
    ASSERT_TRUE(harvest(*tier_->catalog, *tier_->scratch, **lock));
  }
  // As the machine's crash leaves it: what was clean is dropped.
  (*tier_->inodes->lock(file_))->clean.clear();
  const ByteRange range{0, kPage};
  auto answer = ask(range);
  EXPECT_EQ(held_->let_through().purpose, FillPurpose::answer);
  EXPECT_EQ(given(answer, range), content(range));
}

TEST_F(MoverTest, AnswersUpToTheEndThatAWriterMadeSinceItOpenedTheFile) {
  const FileHandle writer = open_for_writing();
  ASSERT_TRUE(tier_->write(file_, writer, kSize + 2 * kPage, "the new end"));
  content_ += std::string(2 * kPage, '\0') + "the new end";
  const ByteRange range{kSize - kPage, kSize + kPage};
  auto answer = ask(range);
  EXPECT_EQ(held_->let_through().purpose, FillPurpose::answer);
  EXPECT_EQ(given(answer, range), content(range));
}

TEST_F(MoverTest, BeginsAgainWhenTheFileWasCutWhileTheArchiveWasRead) {
  held_->hold(HeldArchive::Holds::answers);
  const ByteRange range{0, kPage};
  auto answer = ask(range);
  held_->read();
  cut_and_grow_again(1000);
  held_->give();
  // These bytes were asked for once: they come with their chunk.
  EXPECT_EQ(given(answer, range), "came with its chunk");
  EXPECT_EQ(*tier_->read(file_, 0, kPage), content(range));
}

TEST_F(MoverTest, ADamagedChunkIsNotKeptAndItsLaterReadersFail) {
  ASSERT_TRUE(tier_->prefetch(file_));  // what it holds is on record
  ASSERT_TRUE(tier_->evict(file_)->evicted);
  auto first = ask({0, kPage});
  held_->let_through();
  EXPECT_EQ(given(first, {0, kPage}), content({0, kPage})) << "as the archive gave it";
  held_->let_through(HeldArchive::Bytes::damaged);
  for (const uint64_t at : {uint64_t{0}, 2 * kMiB}) {
    auto later = ask({at, at + kPage});
    EXPECT_EQ(held_->let_through(HeldArchive::Bytes::damaged).purpose, FillPurpose::keep);
    const Answer failed = later.get();
    ASSERT_FALSE(failed);
    EXPECT_TRUE(failed.error().is(std::errc::io_error)) << failed.error().text();
  }
  EXPECT_FALSE(is_kept(0));

  auto repaired = ask({0, kPage});
  EXPECT_EQ(held_->let_through().purpose, FillPurpose::keep);
  EXPECT_EQ(given(repaired, {0, kPage}), "came with its chunk");
}

// Others that are under way look like one that was given up.
TEST_F(MoverTest, AChangeWaitsForTheOtherFillsOfAFileOfWhichOneFailed) {
  auto other = ask({0, kPage}, RecallReason::prefetch);
  held_->next();
  (*tier_->inodes->lock(file_))->lost_fill = true;
  const ByteRange range{kChunk, kChunk + kPage};
  auto change = ask(range, RecallReason::change);
  EXPECT_FALSE(is_ready(change));
  EXPECT_EQ(held_->let_through().range.begin, 0u);
  EXPECT_EQ(held_->let_through().range.begin, kChunk);
  EXPECT_EQ(given(change, range), "came with its chunk");
  EXPECT_EQ(given(other, range), "came with its chunk");
}

TEST_F(MoverTest, AReaderWaitsForItsChunkIfItIsToBeVerifiedFirst) {
  Mover::Options options;
  options.answer_first = false;
  make_mover(options);
  auto answer = ask({0, kPage});
  EXPECT_EQ(held_->let_through().purpose, FillPurpose::keep);
  EXPECT_EQ(given(answer, {0, kPage}), "came with its chunk");
}

TEST_F(MoverTest, BringsChunksAheadOfWhoReadsOnEachByItself) {
  mover_->read_ahead(file_, 0, 2 * kMiB);
  EXPECT_EQ(held_->let_through().range.begin, 0u);
  expect_kept(0);
  EXPECT_TRUE(held_->nothing_is_asked()) << "a chunk is enough for who has read little";

  mover_->read_ahead(file_, 4 * kMiB, 20 * kMiB);
  mover_->read_ahead(file_, 4 * kMiB, 20 * kMiB);
  for (const uint64_t chunk : {1, 2}) {
    const FillRequest request = held_->let_through();
    EXPECT_EQ(request.range.begin, chunk * kChunk);
    EXPECT_EQ(request.range.end, (chunk + 1) * kChunk);
    expect_kept(chunk);
  }
  EXPECT_TRUE(held_->nothing_is_asked()) << "each once";
}

TEST_F(MoverTest, BringsNothingAheadWithoutRoom) {
  const uint64_t all = tier_->capacity->limit_bytes() - tier_->capacity->used_bytes();
  ASSERT_TRUE(tier_->capacity->try_reserve(all - kMiB));
  mover_->read_ahead(file_, 0, 20 * kMiB);
  EXPECT_TRUE(held_->nothing_is_asked());
  auto answer = ask({0, kPage});
  EXPECT_EQ(held_->let_through().purpose, FillPurpose::keep) << "whole, so that it is verified";
  EXPECT_EQ(given(answer, {0, kPage}), content({0, kPage}));
  EXPECT_FALSE(is_kept(0));
  tier_->capacity->settle(file_, all - kMiB, 0);
}

// A file of holes, but for its last chunk.
class MoverOfHoles : public MoverTest {
 protected:
  void SetUp() override {
    MoverTest::SetUp();
    content_ = std::string(kSize - kChunk, '\0') + content_.substr(kSize - kChunk);
    const std::string path = place_ / "archive/holes";
    std::ofstream(path, std::ios::binary) << "";
    std::filesystem::resize_file(path, kSize);
    std::fstream(path, std::ios::binary | std::ios::in | std::ios::out).seekp(kSize - kChunk)
        << content_.substr(kSize - kChunk);
    tier_->scan_added();
    file_ = tier_->fs->lookup(kRootInode, "holes")->inode;
    tier_->capacity->wake_evictor = [this] { ++wakes_; };
    Mover::Options options;
    options.answer_first = false;
    make_mover(options);
  }
  // Takes all but so much of what may be used.
  void leave(uint64_t bytes) {
    taken_ = tier_->capacity->limit_bytes() - tier_->capacity->used_bytes() - bytes;
    ASSERT_TRUE(tier_->capacity->try_reserve(taken_));
  }

  std::atomic<int> wakes_ = 0;
  uint64_t taken_ = 0;
};

TEST_F(MoverOfHoles, AHoleIsKeptWhereThereIsNoRoomForItsChunk) {
  leave(kMiB);
  for (const auto reason : {RecallReason::sequential, RecallReason::prefetch}) {
    const uint64_t chunk = reason == RecallReason::sequential ? 0 : 1;
    auto answer = ask({chunk * kChunk, (chunk + 1) * kChunk}, reason);
    EXPECT_EQ(held_->next().purpose, FillPurpose::keep);
    EXPECT_LE(tier_->capacity->used_bytes() + kMiB, tier_->capacity->limit_bytes());
    held_->let_through();
    EXPECT_EQ(given(answer, {0, kPage}), "came with its chunk");
    EXPECT_TRUE(is_kept(chunk));
  }
  EXPECT_EQ(wakes_, 0) << "nothing is evicted for a hole";
  auto data = ask({2 * kChunk, 3 * kChunk}, RecallReason::sequential);
  held_->let_through();
  EXPECT_EQ(given(data, {2 * kChunk, 3 * kChunk}), content({2 * kChunk, 3 * kChunk}));
  EXPECT_FALSE(is_kept(2));
  EXPECT_EQ(wakes_, 1) << "for data something is";
}

TEST_F(MoverOfHoles, AFillOfHolesAndDataReservesItsData) {
  leave(kChunk + kMiB);
  auto answer = ask({0, kSize}, RecallReason::prefetch);
  held_->next();
  EXPECT_EQ(tier_->capacity->used_bytes() + kMiB, tier_->capacity->limit_bytes());
  held_->let_through();
  EXPECT_EQ(answer.get()->copied_bytes, kChunk);
  EXPECT_EQ(wakes_, 0);
  EXPECT_EQ(tier_->read(file_, 0, kSize).value(), content_);
}

TEST_F(MoverOfHoles, ASmallFillIsNotMeasuredWhereThereIsRoom) {
  auto answer = ask({0, kChunk}, RecallReason::sequential);
  held_->let_through();
  EXPECT_EQ(given(answer, {0, kPage}), "came with its chunk");
  EXPECT_EQ(held_->measured(), 0);
}

}  // namespace
}  // namespace tierhub::test::mover_test
