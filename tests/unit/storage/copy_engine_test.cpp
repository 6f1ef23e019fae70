#include "storage/copy/copy_engine.h"

#include <atomic>
#include <cstdlib>
#include <future>

#include <fcntl.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "common/posix.h"
#include "tests/support/temporary_directory.h"

namespace tierhub {
namespace {

constexpr uint64_t kChunk = 4096;

class CopyEngineTest : public ::testing::TestWithParam<CopyMethod> {
 protected:
  void start(const CopyEngineOptions& options) {
    CopyEngineOptions full = options;
    full.method = GetParam();
    auto made = CopyEngine::make(full);
    ASSERT_TRUE(made) << made.error().text();
    engine_ = *std::move(made);
    auto root = posix::open_at(AT_FDCWD, folder_.path(), O_RDONLY | O_DIRECTORY);
    ASSERT_TRUE(root);
    root_ = std::make_shared<UniqueFd>(*std::move(root));
  }

  std::string make_source(const std::string& name, size_t size) {
    std::string text(size, '\0');
    for (size_t i = 0; i < size; ++i)
      text[i] = static_cast<char>(i * 31 + i / kChunk + name.size());
    const auto fd = posix::open_at(AT_FDCWD, folder_ / name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    EXPECT_TRUE(fd);
    EXPECT_TRUE(posix::write_all(fd->get(), text));
    return text;
  }

  // Copies the whole file `name` to a target of the same name with ".copy".
  CopyJob job(const std::string& name, uint64_t chunk_bytes = kChunk) {
    CopyJob job;
    job.root = root_;
    job.request.path = name;
    auto source = Entry::open(root_->get(), name);
    EXPECT_TRUE(source && *source);
    auto version = (**source).version(IdentityKind::handle, Freshness::exact);
    EXPECT_TRUE(version) << version.error().text();
    job.request.expected = *version;
    job.request.range = {0, version->attributes.size_bytes};
    job.request.limit_bytes = job.request.range.end;
    job.request.chunk_bytes = chunk_bytes;
    auto target = posix::open_at(AT_FDCWD, folder_ / (name + ".copy"), O_RDWR | O_CREAT, 0600);
    EXPECT_TRUE(target);
    job.target = *std::move(target);
    return job;
  }

  std::future<Result<FillResult>> submit(CopyJob job) {
    auto end = std::make_shared<std::promise<Result<FillResult>>>();
    job.done = [end](Result<FillResult> result) { end->set_value(std::move(result)); };
    engine_->submit(std::move(job));
    return end->get_future();
  }

  std::string copy_of(const std::string& name) {
    const auto text = posix::read_file(folder_ / (name + ".copy"));
    EXPECT_TRUE(text) << text.error().text();
    return text ? *text : std::string();
  }

  TemporaryDirectory folder_;
  std::shared_ptr<UniqueFd> root_;
  std::unique_ptr<CopyEngine> engine_;
};

INSTANTIATE_TEST_SUITE_P(Methods, CopyEngineTest,
                         ::testing::Values(CopyMethod::io_uring, CopyMethod::threads),
                         [](const auto& method) {
                           return method.param == CopyMethod::io_uring ? "Ring" : "Threads";
                         });

TEST_P(CopyEngineTest, SharesLittleMemoryAmongManyFiles) {
  start({.max_files = 16, .buffer_bytes = 2 * kChunk});
  std::vector<std::string> texts;
  std::vector<std::future<Result<FillResult>>> ends;
  for (size_t i = 0; i < 40; ++i) {
    const std::string name = "file" + std::to_string(i);
    texts.push_back(make_source(name, i * 1'000));
    ends.push_back(submit(job(name)));
  }
  for (size_t i = 0; i < ends.size(); ++i) {
    const auto result = ends[i].get();
    ASSERT_TRUE(result) << result.error().text();
    EXPECT_EQ(copy_of("file" + std::to_string(i)), texts[i]);
  }
}

TEST_P(CopyEngineTest, FinishesWhatItWasGivenWhenItEnds) {
  start({.max_files = 2});
  std::vector<std::future<Result<FillResult>>> ends;
  for (size_t i = 0; i < 20; ++i) {
    const std::string name = "file" + std::to_string(i);
    make_source(name, 20'000);
    ends.push_back(submit(job(name)));
  }
  engine_.reset();
  for (auto& end : ends) {
    ASSERT_EQ(end.wait_for(std::chrono::seconds(0)), std::future_status::ready);
    EXPECT_TRUE(end.get());
  }
}

// Large files are read past the page cache, in whole pages.
TEST_P(CopyEngineTest, CopiesLargeFilesWithOddEndsExactly) {
  constexpr uint64_t kLargeChunk = 1 << 20;
  start({.buffer_bytes = 4 * kLargeChunk});
  const std::string text = make_source("file", (12 << 20) + 777);
  ASSERT_TRUE(submit(job("file", kLargeChunk)).get());
  EXPECT_EQ(copy_of("file"), text);

  CopyJob limited = job("file", kLargeChunk);
  ASSERT_TRUE(posix::truncate_fd(limited.target.get(), 0));
  limited.request.limit_bytes = (10 << 20) + 5;
  const auto result = submit(std::move(limited)).get();
  ASSERT_TRUE(result) << result.error().text();
  EXPECT_EQ(result->copied_bytes, (10U << 20) + 5);
  EXPECT_EQ(copy_of("file"), text.substr(0, (10 << 20) + 5));
}

TEST_P(CopyEngineTest, CopiesLargeSparseFilesExactly) {
  constexpr uint64_t kSize = (64 << 20) + 99;
  start({});
  const auto fd = posix::open_at(AT_FDCWD, folder_ / "file", O_RDWR | O_CREAT, 0600);
  ASSERT_TRUE(fd);
  ASSERT_TRUE(posix::truncate_fd(fd->get(), kSize));
  const std::string text(3 << 20, 'x');
  for (const uint64_t at : {uint64_t{5}, uint64_t{30'000'001}, kSize - text.size()}) {
    ASSERT_TRUE(posix::write_all_at(fd->get(), std::as_bytes(std::span(text)), at));
  }
  CopyJob copy = job("file", 4 << 20);
  ASSERT_TRUE(posix::truncate_fd(copy.target.get(), kSize));
  const auto result = submit(std::move(copy)).get();
  ASSERT_TRUE(result) << result.error().text();
  EXPECT_LT(result->copied_bytes, 4 * text.size());
  EXPECT_EQ(copy_of("file"), *posix::read_file(folder_ / "file"));
}

TEST_P(CopyEngineTest, TellsThatAFileGetsOn) {
  start({});
  make_source("file", 10 * kChunk);
  std::atomic<int> steps = 0;
  CopyJob copy = job("file");
  copy.progress = [&] { ++steps; };
  ASSERT_TRUE(submit(std::move(copy)).get());
  EXPECT_GE(steps, 10);
}

TEST_P(CopyEngineTest, RefusesAChunkThatIsLargerThanItsMemory) {
  start({.buffer_bytes = kChunk});
  make_source("file", 3 * kChunk);
  const auto result = submit(job("file", 2 * kChunk)).get();
  ASSERT_FALSE(result);
  EXPECT_TRUE(result.error().is(std::errc::invalid_argument)) << result.error().text();
}

TEST_P(CopyEngineTest, CopiesNothingOfAFileWithAnotherInodeNumber) {
  start({});
  make_source("file", kChunk);
  CopyJob copy = job("file");
  copy.request.expected.identity.bytes[8] ^= 1;
  const auto result = submit(std::move(copy)).get();
  ASSERT_FALSE(result);
  EXPECT_TRUE(is_conflict(result.error())) << result.error().text();
}

TEST_P(CopyEngineTest, CopiesAgainWhenOnlyANameOrModeChangedMeanwhile) {
  start({});
  make_source("file", 200 * kChunk);
  std::atomic<int> changes = 0;
  CopyJob copy = job("file");
  copy.progress = [&] {
    if (changes++ == 0) {
      ASSERT_EQ(::chmod((folder_ / "file").c_str(), 0640), 0);
    }
  };
  const auto result = submit(std::move(copy)).get();
  EXPECT_TRUE(result) << result.error().text();
}

TEST(CopyEngine, UsesThreadsWhereTheEnvironmentForbidsIoUring) {
  ::setenv("TIERHUB_NO_IO_URING", "1", 1);
  const auto engine = CopyEngine::make({});
  ::unsetenv("TIERHUB_NO_IO_URING");
  ASSERT_TRUE(engine) << engine.error().text();
  EXPECT_EQ((*engine)->description(), "threads: TIERHUB_NO_IO_URING is set");
}

}  // namespace
}  // namespace tierhub
