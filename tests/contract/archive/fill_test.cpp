#include <atomic>
#include <functional>
#include <future>
#include <initializer_list>
#include <thread>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/posix.h"
#include "fixture.h"

namespace tierhub::test {
namespace {

TIERHUB_ARCHIVE_TEST(Fill);

Checksum checksum_of(const std::string& text) { return checksum(std::as_bytes(std::span(text))); }

TEST_P(Fill, CopiesAFileAndChecksumsEveryChunk) {
  for (const size_t size :
       {size_t{0}, size_t{1}, kChunk - 1, kChunk, kChunk + 1, 40 * kChunk + 123}) {
    const std::string text = random_text(size, size);
    write_file(in_archive("file"), text);
    const auto filled = fill(whole("file"), "target");
    ASSERT_TRUE(filled) << filled.error().text();
    EXPECT_EQ(read_file((work_ / "target")), text);
    EXPECT_EQ(filled->copied_bytes, size);
    ASSERT_EQ(filled->checksums.size(), (size + kChunk - 1) / kChunk);
    for (size_t i = 0; i < filled->checksums.size(); ++i) {
      EXPECT_EQ(filled->checksums[i], checksum_of(text.substr(i * kChunk, kChunk))) << i;
    }
  }
}

TEST_P(Fill, CopiesOnlyTheRange) {
  const std::string text = random_text(5 * kChunk, 5);
  write_file(in_archive("file"), text);
  FillRequest request = whole("file");
  request.range = {2 * kChunk, 4 * kChunk};
  const auto filled = fill(request, "target");
  ASSERT_TRUE(filled) << filled.error().text();
  EXPECT_EQ(filled->checksums.size(), 2U);
  std::string expected(text.size(), '\0');
  expected.replace(2 * kChunk, 2 * kChunk, text.substr(2 * kChunk, 2 * kChunk));
  EXPECT_EQ(read_file((work_ / "target")), expected);
  EXPECT_EQ(allocated_bytes((work_ / "target")), 2 * kChunk);
}

TEST_P(Fill, OfAFileWhosePlaceIsTakenByAnotherKindIsAConflict) {
  const std::string path = in_archive("file");
  const auto make_socket = [&] { return ::mknod(path.c_str(), S_IFSOCK | 0600, 0); };
  const auto make_fifo = [&] { return ::mknod(path.c_str(), S_IFIFO | 0600, 0); };
  const auto make_link = [&] { return ::symlink("elsewhere", path.c_str()); };
  const auto make_folder = [&] { return ::mkdir(path.c_str(), 0700); };
  for (const std::function<int()>& make : std::initializer_list<std::function<int()>>{
           make_socket, make_fifo, make_link, make_folder}) {
    write_file(path, "text");
    const FillRequest request = whole("file");
    ASSERT_EQ(::unlink(path.c_str()), 0);
    ASSERT_EQ(make(), 0);
    const auto filled = fill(request, "target");
    ASSERT_FALSE(filled);
    EXPECT_TRUE(is_conflict(filled.error())) << filled.error().text();
    ASSERT_EQ(::remove(path.c_str()), 0);
  }
}

TEST_P(Fill, CopiesNothingBeyondTheLimit) {
  const std::string text = random_text(4 * kChunk, 6);
  write_file(in_archive("file"), text);
  FillRequest request = whole("file");
  request.limit_bytes = 2 * kChunk + 100;
  const auto filled = fill(request, "target");
  ASSERT_TRUE(filled) << filled.error().text();
  EXPECT_EQ(filled->copied_bytes, request.limit_bytes);
  ASSERT_EQ(filled->checksums.size(), 4U);
  EXPECT_EQ(filled->checksums[2], checksum_of(text.substr(2 * kChunk, 100)));
  EXPECT_EQ(filled->checksums[3], checksum_of(""));
  std::string expected(text.size(), '\0');
  expected.replace(0, request.limit_bytes, text.substr(0, request.limit_bytes));
  EXPECT_EQ(read_file((work_ / "target")), expected);
}

TEST_P(Fill, LeavesHolesAsHoles) {
  constexpr uint64_t kSize = uint64_t{1} << 30;
  const auto fd = posix::open_at(AT_FDCWD, in_archive("file"), O_RDWR | O_CREAT, 0600);
  ASSERT_TRUE(fd);
  ASSERT_TRUE(posix::truncate_fd(fd->get(), kSize));
  const std::string text = random_text(100'000, 7);
  ASSERT_TRUE(posix::write_all_at(fd->get(), std::as_bytes(std::span(text)), kSize / 2 + 4096));
  FillRequest request = whole("file");
  request.chunk_bytes = 4 << 20;
  const auto filled = fill(request, "target");
  ASSERT_TRUE(filled) << filled.error().text();
  EXPECT_LE(filled->copied_bytes, 200'000U);
  EXPECT_LE(allocated_bytes((work_ / "target")), 200'000U);
  ASSERT_EQ(filled->checksums.size(), 256U);
  EXPECT_EQ(filled->checksums[0], checksum_of(std::string(4 << 20, '\0')));
  std::string chunk(4 << 20, '\0');
  chunk.replace(4096, text.size(), text);
  EXPECT_EQ(filled->checksums[128], checksum_of(chunk));
}

TEST_P(Fill, IsMeasuredByTheBlocksThatHaveData) {
  constexpr uint64_t kSize = uint64_t{1} << 30;
  const auto measure = [&](const std::string& path, std::vector<ByteRange> ranges) {
    std::promise<Result<uint64_t>> end;
    archive_->measure({path, version(path), std::move(ranges)},
                      [&](Result<uint64_t> bytes) { end.set_value(std::move(bytes)); });
    return end.get_future().get();
  };
  const auto fd = posix::open_at(AT_FDCWD, in_archive("file"), O_RDWR | O_CREAT, 0600);
  ASSERT_TRUE(fd);
  ASSERT_TRUE(posix::truncate_fd(fd->get(), kSize));
  const std::string text = random_text(100'000, 7);
  ASSERT_TRUE(posix::write_all_at(fd->get(), std::as_bytes(std::span(text)), kSize / 2 + 4096));
  const auto all = measure("file", {{0, 2 * kSize}});
  ASSERT_TRUE(all) << all.error().text();
  EXPECT_GE(*all, text.size());
  EXPECT_LE(*all, text.size() + (64 << 10));
  EXPECT_EQ(measure("file", {{0, kSize / 4}, {kSize / 2 + (1 << 20), kSize}}).value_or(1), 0U);
  write_file(in_archive("dense"), random_text(1 << 20, 8));
  EXPECT_EQ(measure("dense", {{0, 100}, {4096, 2 << 20}}).value_or(0), 100U + (1 << 20) - 4096);
}

TEST_P(Fill, IsNotMeasuredOfAnotherVersion) {
  write_file(in_archive("file"), "old");
  const ArchiveVersion old = version("file");
  const auto measure = [&] {
    std::promise<Result<uint64_t>> end;
    archive_->measure({"file", old, {{0, 3}}},
                      [&](Result<uint64_t> bytes) { end.set_value(std::move(bytes)); });
    return end.get_future().get();
  };
  EXPECT_EQ(measure().value_or(0), 3U);
  write_file(in_archive("file"), "longer");
  const auto longer = measure();
  ASSERT_FALSE(longer);
  EXPECT_TRUE(is_conflict(longer.error())) << longer.error().text();
  ASSERT_EQ(::unlink(in_archive("file").c_str()), 0);
  const auto gone = measure();
  ASSERT_FALSE(gone);
  EXPECT_TRUE(is_conflict(gone.error())) << gone.error().text();
}

TEST_P(Fill, PunchesHolesIntoOldBytes) {
  const auto fd = posix::open_at(AT_FDCWD, in_archive("file"), O_RDWR | O_CREAT, 0600);
  ASSERT_TRUE(fd);
  ASSERT_TRUE(posix::truncate_fd(fd->get(), 1 << 20));
  ASSERT_EQ(::pwrite(fd->get(), "x", 1, 0), 1);
  write_file((work_ / "target"), random_text(1 << 20, 8));
  const auto filled = fill(whole("file"), "target");
  ASSERT_TRUE(filled) << filled.error().text();
  EXPECT_EQ(read_file((work_ / "target")), read_file(in_archive("file")));
}

TEST_P(Fill, IsAConflictIfTheFileIsNotTheExpectedOne) {
  write_file(in_archive("file"), "old");
  const FillRequest request = whole("file");
  write_file(in_archive("file"), "longer");
  const auto longer = fill(request, "target");
  ASSERT_FALSE(longer);
  EXPECT_TRUE(is_conflict(longer.error())) << longer.error().text();

  ASSERT_EQ(::unlink(in_archive("file").c_str()), 0);
  const auto gone = fill(request, "target");
  ASSERT_FALSE(gone);
  EXPECT_TRUE(is_conflict(gone.error())) << gone.error().text();

  write_file(in_archive("other"), "new");
  write_file(in_archive("file"), "new");
  set_mtime(in_archive("file"), request.expected.attributes.mtime.ns / 1'000'000'000);
  const auto another = fill(request, "target");
  ASSERT_FALSE(another);
  EXPECT_TRUE(is_conflict(another.error())) << another.error().text();
}

TEST_P(Fill, RefusesAFifoInPlaceOfTheFile) {
  write_file(in_archive("file"), "");
  const FillRequest request = whole("file");
  ASSERT_EQ(::unlink(in_archive("file").c_str()), 0);
  ASSERT_EQ(::mkfifo(in_archive("file").c_str(), 0600), 0);
  const auto filled = fill(request, "target");
  ASSERT_FALSE(filled);
  EXPECT_TRUE(is_conflict(filled.error())) << filled.error().text();
}

TEST_P(Fill, RefusesSymlinks) {
  write_file(in_archive("file"), "text");
  FillRequest request = whole("file");
  ASSERT_EQ(::symlink("file", in_archive("link").c_str()), 0);
  request.path = "link";
  EXPECT_FALSE(fill(request, "target"));
}

// A writer appends all the while: some fills may end before it writes, but none may succeed with
// bytes of two versions.
TEST_P(Fill, OfAFileThatSomeoneIsWritingIsNeverAMix) {
  constexpr size_t kSize = 64 * kChunk;
  std::atomic<bool> stop = false;
  write_file(in_archive("file"), std::string(kSize, 'a'));
  std::jthread someone([&] {
    const auto fd = posix::open_at(AT_FDCWD, in_archive("file"), O_WRONLY);
    char letter = 'b';
    while (!stop) {
      const std::string text(kSize, letter);
      ASSERT_TRUE(posix::write_all_at(fd->get(), std::as_bytes(std::span(text)), 0));
      letter = letter == 'z' ? 'a' : static_cast<char>(letter + 1);
    }
  });
  int conflicts = 0;
  // On a busy machine the writer may not get a turn during twenty fills.
  const auto deadline = SteadyClock::now() + std::chrono::seconds(20);
  for (int i = 0; i < 20 || (conflicts == 0 && SteadyClock::now() < deadline); ++i) {
    const auto filled = fill(whole("file"), "target");
    if (!filled) {
      EXPECT_TRUE(is_conflict(filled.error())) << filled.error().text();
      ++conflicts;
    }
  }
  stop = true;
  someone.join();
  EXPECT_GT(conflicts, 0);
  EXPECT_TRUE(fill(whole("file"), "target"));
  EXPECT_EQ(read_file((work_ / "target")), read_file(in_archive("file")));
}

TEST_P(Fill, RunsManyAtOnce) {
  constexpr int kFiles = 300;
  std::vector<std::promise<Result<FillResult>>> ends(kFiles);
  std::vector<std::string> texts;
  for (int i = 0; i < kFiles; ++i) {
    const std::string name = "file" + std::to_string(i);
    texts.push_back(random_text(static_cast<size_t>(i) * 397, static_cast<uint64_t>(i)));
    write_file(in_archive(name), texts.back());
    FillRequest request = whole(name);
    const auto fd = posix::open_at(AT_FDCWD, (work_ / name), O_RDWR | O_CREAT, 0600);
    ASSERT_TRUE(fd);
    request.target_fd = fd->get();
    archive_->fill(request, [&ends, i](Result<FillResult> result) {
      ends[static_cast<size_t>(i)].set_value(std::move(result));
    });
  }
  for (int i = 0; i < kFiles; ++i) {
    const auto result = ends[static_cast<size_t>(i)].get_future().get();
    ASSERT_TRUE(result) << result.error().text();
    ASSERT_EQ(read_file((work_ / "file" + std::to_string(i))), texts[static_cast<size_t>(i)]);
  }
}

TEST_P(Fill, AnswersWithAnyRangeAndNoChecksums) {
  const std::string text = random_text(5 * kChunk, 15);
  write_file(in_archive("file"), text);
  FillRequest request = whole("file");
  request.purpose = FillPurpose::answer;
  for (const ByteRange range :
       {ByteRange{1, 2}, ByteRange{kChunk - 3, kChunk + 5000}, ByteRange{100, 5 * kChunk},
        ByteRange{5 * kChunk - 1, 5 * kChunk}}) {
    request.range = range;
    request.chunk_bytes = range.size();
    const auto filled = fill(request, "target");
    ASSERT_TRUE(filled) << filled.error().text();
    EXPECT_EQ(filled->copied_bytes, range.size());
    EXPECT_TRUE(filled->checksums.empty());
    std::string expected(text.size(), '\0');
    expected.replace(range.begin, range.size(), text.substr(range.begin, range.size()));
    EXPECT_EQ(read_file((work_ / "target")), expected);
    ASSERT_EQ(::truncate((work_ / "target").c_str(), 0), 0);
  }
}

TEST_P(Fill, AnswersWithNothingBeyondTheLimitNorFromAnotherVersion) {
  write_file(in_archive("file"), random_text(2 * kChunk, 16));
  FillRequest request = whole("file");
  request.purpose = FillPurpose::answer;
  request.range = {100, 1100};
  request.limit_bytes = 600;
  EXPECT_EQ(fill(request, "target")->copied_bytes, 500u);
  request.limit_bytes = 50;
  EXPECT_EQ(fill(request, "target")->copied_bytes, 0u);
  write_file(in_archive("file"), random_text(3 * kChunk, 17));
  const auto other = fill(request, "target");
  ASSERT_FALSE(other);
  EXPECT_TRUE(is_conflict(other.error())) << other.error().text();
}

TEST_P(Fill, LetsGoOfTheTargetBeforeItIsDone) {
  write_file(in_archive("file"), random_text(3 * kChunk, 9));
  ASSERT_TRUE(fill(whole("file"), "target"));
  const auto fd = posix::open_at(AT_FDCWD, (work_ / "target"), O_RDONLY);
  ASSERT_TRUE(fd);
  // Granted only if nobody else has the file open. The kernel may hold on for a moment after a
  // write ended.
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  while (::fcntl(fd->get(), F_SETLEASE, F_WRLCK) < 0 &&
         std::chrono::steady_clock::now() < give_up) {
    std::this_thread::yield();
  }
  EXPECT_EQ(::fcntl(fd->get(), F_GETLEASE), F_WRLCK);
}

TEST_P(Fill, TellsAFailureOfScratchFromOneOfTheArchive) {
  write_file(in_archive("file"), "text");
  FillRequest request = whole("file");
  write_file((work_ / "target"), "");
  const auto read_only = posix::open_at(AT_FDCWD, (work_ / "target"), O_RDONLY);
  ASSERT_TRUE(read_only);
  request.target_fd = read_only->get();
  std::promise<Result<FillResult>> end;
  archive_->fill(request, [&](Result<FillResult> result) { end.set_value(std::move(result)); });
  const auto filled = end.get_future().get();
  ASSERT_FALSE(filled);
  EXPECT_TRUE(is_scratch_error(filled.error())) << filled.error().text();
  EXPECT_FALSE(is_archive_wide(filled.error()));
}

TEST_P(Fill, RefusesChunksThatMakeNoSense) {
  write_file(in_archive("file"), "text");
  FillRequest request = whole("file");
  request.chunk_bytes = 0;
  const auto filled = fill(request, "target");
  ASSERT_FALSE(filled);
  EXPECT_TRUE(filled.error().is(std::errc::invalid_argument)) << filled.error().text();
}

}  // namespace
}  // namespace tierhub::test
