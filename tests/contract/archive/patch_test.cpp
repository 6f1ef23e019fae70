// Of a large file that was changed a little, little is sent: on each kind of file system, by each
// way that it has to clone.
#include <algorithm>
#include <iostream>
#include <random>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/posix.h"
#include "fixture.h"
#include "storage/posix/posix_archive.h"
#include "tests/support/loop_mount.h"

namespace tierhub::test {
namespace {

using tierhub::test::LoopMount;

struct Way {
  std::string file_system;
  CloneMethod clone;
  bool probed = true;  // what the probe finds there, else forced on it
};

std::string name_of(CloneMethod clone) {
  switch (clone) {
    case CloneMethod::none:
      return "Rewrite";
    case CloneMethod::reflink:
      return "Reflink";
    case CloneMethod::server_copy:
      return "ServerCopy";
    case CloneMethod::local_copy:
      return "LocalCopy";
  }
  return "";
}

class Patch : public ::testing::TestWithParam<Way> {
 protected:
  void SetUp() override {
    mount_ = std::make_unique<LoopMount>(GetParam().file_system, folder_ / "archive");
    PosixArchive::Options options;
    options.copy.method = CopyMethod::threads;
    if (!GetParam().probed) options.clone = GetParam().clone;
    auto archive = PosixArchive::open(mount_->path(), options);
    ASSERT_TRUE(archive) << archive.error().text();
    archive_ = *std::move(archive);
  }
  void TearDown() override { archive_.reset(); }

  std::string in_archive(const std::string& path) const { return mount_->path() + "/" + path; }
  std::string in_staging(const std::string& leaf) const {
    return in_archive(".tierhub/staging/" + leaf);
  }

  // A file of the archive, and what is known of it.
  void make_source(const std::string& text) {
    write_file(in_archive("file"), text);
    note_source(text);
  }
  void note_source(const std::string& text) {
    const auto found = archive_->stat("file");
    ASSERT_TRUE(found && *found);
    request_.source_path = "file";
    request_.source_version = **found;
    request_.source_limit_bytes = text.size();
    for (size_t at = 0; at < text.size(); at += request_.chunk_bytes) {
      const std::string chunk = text.substr(at, request_.chunk_bytes);
      request_.known.emplace_back(checksum(std::as_bytes(std::span(chunk))));
    }
  }
  // Writes the object; ranges of `absent` are left out of it.
  Result<StagedFile> stage(const std::string& text) {
    write_file(folder_ / "object", text);
    const auto fd = posix::open_at(AT_FDCWD, folder_ / "object", O_RDWR);
    if (!fd) return fd.error();
    for (const ByteRange& range : request_.absent)
      TRY(posix::punch_hole(fd->get(), range.begin, range.end));
    request_.object_fd = fd->get();
    request_.size_bytes = text.size();
    return archive_->stage_file(request_);
  }
  bool is_cheap() const {
    return GetParam().clone == CloneMethod::reflink || GetParam().clone == CloneMethod::server_copy;
  }

  TemporaryDirectory folder_;
  std::unique_ptr<LoopMount> mount_;
  std::unique_ptr<PosixArchive> archive_;
  StageFileRequest request_ = [] {
    StageFileRequest request;
    request.leaf = "leaf";
    request.chunk_bytes = kChunk;
    request.patch = true;
    request.attributes.mode = 0640;
    request.attributes.mtime = {1'600'000'000'000'000'000};
    return request;
  }();
};

INSTANTIATE_TEST_SUITE_P(Ways, Patch,
                         ::testing::Values(Way{"xfs", CloneMethod::reflink},
                                           Way{"btrfs", CloneMethod::reflink},
                                           Way{"ext4", CloneMethod::local_copy},
                                           Way{"ext4", CloneMethod::server_copy, false},
                                           Way{"ext4", CloneMethod::none, false}),
                         [](const auto& way) {
                           return way.param.file_system + name_of(way.param.clone);
                         });

TEST_P(Patch, FindsTheWayThatTheFileSystemHas) {
  EXPECT_EQ(archive_->capabilities().clone, GetParam().clone);
  EXPECT_EQ(archive_->capabilities().file_system, GetParam().file_system);
}

TEST_P(Patch, SendsTheChangedChunkOfALargeFile) {
  constexpr uint64_t kLarge = 64 << 20;
  constexpr uint64_t kLargeChunk = 4 << 20;
  request_.chunk_bytes = kLargeChunk;
  std::string text = random_text(kLarge, 1);
  make_source(text);
  request_.unchanged = {{0, 5 * kLargeChunk}, {6 * kLargeChunk, kLarge}};
  text.replace(5 * kLargeChunk + 99, 7, "changed");
  const auto staged = stage(text);
  ASSERT_TRUE(staged) << staged.error().text();
  if (is_cheap()) {
    EXPECT_EQ(staged->written_bytes, kLargeChunk);
    EXPECT_EQ(staged->cloned_bytes, kLarge - kLargeChunk);
  } else {
    EXPECT_EQ(staged->written_bytes, kLarge) << "all of it is in scratch, which is quicker to read";
    EXPECT_EQ(staged->cloned_bytes, 0U);
  }
  EXPECT_EQ(read_file(in_staging("leaf")), text);
}

// Of chunk 2 the half is new, and the other half was damaged in the archive.
TEST_P(Patch, StagesNothingFromADamagedChunk) {
  const std::string text = random_text(4 * kChunk, 1);
  make_source(text);
  request_.absent = {{0, 2 * kChunk + kChunk / 2}};
  request_.known[2] = checksum(std::as_bytes(std::span("as it was recorded")));
  const auto staged = stage(text);
  ASSERT_TRUE(staged) << staged.error().text();
  EXPECT_EQ(staged->damaged_chunk, 2U);
  EXPECT_EQ(archive_->staged().value(), std::vector<std::string>());
}

// Where the archive takes a chunk over by itself, nothing of it is read.
TEST_P(Patch, StagesNoChunkOfTheObjectThatNobodyChangedAndThatIsNotAsRecorded) {
  const std::string good = random_text(6 * kChunk, 1);
  make_source(good);
  request_.unchanged = {{kChunk, 6 * kChunk}};
  std::string text = good;
  text.replace(0, 3, "new");
  std::string rotten = text;
  rotten[4 * kChunk + 7] ^= 1;
  auto staged = stage(rotten);
  ASSERT_TRUE(staged) << staged.error().text();
  if (!is_cheap()) {
    EXPECT_EQ(staged->rotten_chunk, 4U);
    EXPECT_EQ(archive_->staged().value(), std::vector<std::string>());
    request_.absent = {{4 * kChunk, 5 * kChunk}};
    staged = stage(rotten);
    ASSERT_TRUE(staged) << staged.error().text();
  }
  EXPECT_TRUE(staged->is_staged());
  EXPECT_EQ(read_file(in_staging("leaf")), text);
}

TEST_P(Patch, LeavesWhatIsOnlyInTheArchiveThere) {
  std::string text = random_text(8 * kChunk + 5, 2);
  make_source(text);
  request_.absent = {{2 * kChunk, 8 * kChunk + 5}};
  request_.unchanged = {{0, kChunk}, {2 * kChunk, 8 * kChunk + 5}};
  text.replace(kChunk, 3, "new");
  const auto staged = stage(text);
  ASSERT_TRUE(staged) << staged.error().text();
  if (GetParam().clone == CloneMethod::local_copy) {
    EXPECT_EQ(staged->written_bytes, 2 * kChunk);
    EXPECT_EQ(staged->cloned_bytes, 6 * kChunk + 5);
  }
  if (is_cheap()) {
    EXPECT_EQ(staged->written_bytes, kChunk);
  }
  EXPECT_EQ(read_file(in_staging("leaf")), text);
}

TEST_P(Patch, ComparesWhatMayHaveChangedAnywhere) {
  std::string text = random_text(16 * kChunk, 3);
  make_source(text);
  text[3 * kChunk] ^= 1;
  text += random_text(1000, 4);
  const auto staged = stage(text);
  ASSERT_TRUE(staged) << staged.error().text();
  if (is_cheap()) {
    EXPECT_EQ(staged->written_bytes, kChunk + 1000);
  }
  ASSERT_EQ(staged->checksums.size(), 17U);
  for (size_t i = 0; i < 17; ++i) {
    const std::string chunk = text.substr(i * kChunk, kChunk);
    EXPECT_EQ(staged->checksums[i], checksum(std::as_bytes(std::span(chunk)))) << i;
  }
  EXPECT_EQ(read_file(in_staging("leaf")), text);
}

TEST_P(Patch, CarriesKnownChecksumsAndComputesTheOthers) {
  const std::string text = random_text(6 * kChunk, 5);
  make_source(text);
  request_.unchanged = {{0, 6 * kChunk}};
  request_.absent = request_.unchanged;
  // Where nothing is read, nobody would see that it is another.
  const Checksum told{1, 2};
  if (GetParam().clone != CloneMethod::none) request_.known[2] = told;
  const auto missing = request_.known[4];
  request_.known[4].reset();
  const auto staged = stage(text);
  ASSERT_TRUE(staged) << staged.error().text();
  ASSERT_EQ(staged->checksums.size(), 6U);
  EXPECT_EQ(staged->checksums[4], missing);
  if (GetParam().clone != CloneMethod::none) {
    EXPECT_EQ(staged->checksums[2], told);
    EXPECT_EQ(staged->written_bytes, 0U);
  }
  EXPECT_EQ(read_file(in_staging("leaf")), text);
}

TEST_P(Patch, IsNotSeenBeforeItIsPlaced) {
  const std::string old = random_text(8 * kChunk, 6);
  make_source(old);
  request_.unchanged = {{kChunk, 8 * kChunk}};
  std::string text = old;
  text.replace(0, 3, "new");
  ASSERT_TRUE(stage(text));
  EXPECT_EQ(read_file(in_archive("file")), old);
  const auto placed = archive_->place("leaf", "file", request_.source_version);
  ASSERT_TRUE(placed) << placed.error().text();
  EXPECT_EQ(read_file(in_archive("file")), text);
  EXPECT_EQ(read_file(in_staging("leaf")), old) << "what was displaced rests in staging";
  EXPECT_EQ(placed->attributes.mtime, request_.attributes.mtime);
  EXPECT_TRUE(archive_->discard("leaf", request_.source_version));
}

TEST_P(Patch, SendsAllIfSomeoneElseChangedTheArchivedFile) {
  std::string text = random_text(8 * kChunk, 7);
  make_source(text);
  request_.unchanged = {{kChunk, 8 * kChunk}};
  write_file(in_archive("file"), random_text(8 * kChunk, 8));
  set_mtime(in_archive("file"), 1);
  const auto staged = stage(text);
  ASSERT_TRUE(staged) << staged.error().text();
  EXPECT_EQ(staged->written_bytes, text.size());
  EXPECT_EQ(read_file(in_staging("leaf")), text);
  const auto placed = archive_->place("leaf", "file", request_.source_version);
  ASSERT_FALSE(placed);
  EXPECT_TRUE(is_conflict(placed.error())) << placed.error().text();
}

// What a patch makes equals what a rewrite makes, whatever was written, cut, appended, punched and
// evicted.
TEST_P(Patch, EqualsARewrite) {
  constexpr int kRounds = 60;
  const char* given = std::getenv("TIERHUB_TEST_SEED");
  const uint64_t seed = given != nullptr ? std::stoull(given) : std::random_device()();
  std::cout << "seed " << seed << "\n";
  std::mt19937_64 random(seed);
  const auto up_to = [&](uint64_t most) { return random() % (most + 1); };
  for (int round = 0; round < kRounds; ++round) {
    SCOPED_TRACE(round);
    const std::string old = random_text(up_to(12 * kChunk), random());
    request_ = StageFileRequest{};
    request_.leaf = "leaf";
    request_.chunk_bytes = kChunk;
    make_source(old);
    // The history of the file since it was archived.
    std::string text = old;
    IntervalSet dirty;
    uint64_t limit = old.size();
    for (uint64_t step = up_to(3); step > 0; --step) {
      if (up_to(2) == 0) {
        const uint64_t size = up_to(14 * kChunk);
        limit = std::min(limit, size);
        text.resize(size, '\0');
      } else if (!text.empty()) {
        const uint64_t begin = up_to(text.size() - 1);
        const uint64_t size = up_to(2 * kChunk);
        const std::string bytes = up_to(2) == 0 ? std::string(size, '\0') : random_text(size, step);
        text.resize(std::max(text.size(), begin + size), '\0');
        text.replace(begin, size, bytes);
        dirty.add(begin, begin + size);
      }
    }
    request_.source_limit_bytes = limit;
    const bool whole = limit == text.size() && limit == old.size();
    for (uint64_t begin = 0; begin < text.size(); begin += kChunk) {
      const ByteRange chunk{begin, std::min(begin + kChunk, text.size())};
      const bool shared = chunk.end <= limit && (whole || chunk.size() == kChunk);
      if (dirty.intersects(chunk.begin, chunk.end)) continue;
      if (shared) request_.unchanged.push_back(chunk);
      // As the mover leaves it: absent chunks end where the archive's part ends.
      const ByteRange absent{chunk.begin, std::min(chunk.end, limit)};
      if (begin < limit && up_to(1) == 0) request_.absent.push_back(absent);
    }
    for (auto& sum : request_.known) {
      if (up_to(4) == 0) sum.reset();
    }
    const auto staged = stage(text);
    ASSERT_TRUE(staged) << staged.error().text();
    ASSERT_EQ(read_file(in_staging("leaf")) == text, true);
    for (size_t i = 0; i < staged->checksums.size(); ++i) {
      const std::string chunk = text.substr(i * kChunk, kChunk);
      ASSERT_EQ(staged->checksums[i], checksum(std::as_bytes(std::span(chunk)))) << i;
    }
  }
}

}  // namespace
}  // namespace tierhub::test
