// Prefetch: many small files from a slow archive at once; after a restart it goes on where it was.
#include <filesystem>

#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/slow_archive.h"

namespace tierhub::test::prefetch_test {
namespace {

namespace fs = std::filesystem;
constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kFiles = 20;

class Prefetch : public TierTest {
 protected:
  static constexpr int kKilled = 128 + 9;

  void add_files() {
    for (uint64_t i = 0; i < kFiles; ++i)
      write_file(tier.in_archive("file" + std::to_string(i)), random_bytes(kMiB, i));
  }
};

TEST_F(Prefetch, GoesOnAfterACrashWithoutCopyingAgain) {
  add_files();
  tier.settings["prefetch_files_in_flight"] = "1";
  tier.start({"TIERHUB_FAULT_POINT=prefetch.after_commit:10"});
  api::PrefetchRequest request;
  request.paths = {"/"};
  // tierd may die before it answers.
  const auto ignored = tier.client().start_prefetch(request);
  ASSERT_EQ(tier.wait_for_end(std::chrono::seconds(20)), kKilled) << tier.log();
  tier.start();
  eventually("the prefetch ends", [&] {
    const auto prefetches = tier.client().prefetches();
    return prefetches && prefetches->size() == 1 && prefetches->front().state == "done";
  });
  EXPECT_EQ(tier.status().prefetch_bytes, (kFiles - 10) * kMiB);
  for (uint64_t i = 0; i < kFiles; ++i) {
    const std::string name = "file" + std::to_string(i);
    EXPECT_EQ(tier.entry("/" + name).state, "hot");
    EXPECT_EQ(read_file(tier.in_mount(name)), random_bytes(kMiB, i));
  }
}

using SlowArchive = SlowArchiveTest;

TEST_F(SlowArchive, GivesTwoThousandSmallFilesInATenthOfTheTimeOneByOne) {
  constexpr int kSmallFiles = 2000;
  constexpr int kSample = 40;
  const auto name = [](int i) { return fmt::format("folder{}/file{}", i / 100, i); };
  for (int i = 0; i < kSmallFiles; ++i) {
    if (i % 100 == 0) fs::create_directory(in_fast(fmt::format("folder{}", i / 100)));
    write_file(in_fast(name(i)), random_bytes(4096, i));
  }
  // One by one, as `cp` does it: a sample of them, and the rest takes as long.
  const auto seconds_since = [](std::chrono::steady_clock::time_point begin) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  const auto sample_begin = std::chrono::steady_clock::now();
  for (int i = 0; i < kSample; ++i) read_file(tier.in_archive(name(i * (kSmallFiles / kSample))));
  const double one_by_one_s = seconds_since(sample_begin) * kSmallFiles / kSample;

  tier.start();
  const auto begin = std::chrono::steady_clock::now();
  const auto prefetch = tier.prefetch("/");
  const double together_s = seconds_since(begin);
  EXPECT_EQ(prefetch.done_files, static_cast<uint64_t>(kSmallFiles));
  EXPECT_LT(together_s, one_by_one_s / 10);
  std::cout << fmt::format("one by one {:.1f} s, together {:.2f} s\n", one_by_one_s, together_s);
  for (int i = 0; i < kSmallFiles; ++i)
    ASSERT_EQ(read_file(tier.in_mount(name(i))), random_bytes(4096, i)) << name(i);
  EXPECT_EQ(tier.status().recall_bytes, 0u);
}

TEST_F(SlowArchive, ThatHangsBlocksNeitherHotFilesNorTheEnd) {
  for (int i = 0; i < 20; ++i) write_file(in_fast(fmt::format("file{}", i)), random_bytes(kMiB, i));
  tier.start();
  tier.prefetch("/file0");
  hang();
  api::PrefetchRequest request;
  request.paths = {"/"};
  ASSERT_TRUE(tier.client().start_prefetch(request));
  ASSERT_TRUE(tier.client().start_publish({"/"}));
  EXPECT_EQ(read_file(tier.in_mount("file0")), random_bytes(kMiB, 0));
  write_file(tier.in_mount("new"), "written meanwhile");
  fs::rename(tier.in_mount("file1"), tier.in_mount("renamed"));
  EXPECT_EQ(std::distance(fs::directory_iterator(tier.mount), fs::directory_iterator()), 21);
  EXPECT_LT(tier.stop(), std::chrono::seconds(10));
  go_on();
  tier.start();
  tier.prefetch("/");
  tier.publish();
  EXPECT_THAT(differences(describe_tree(tier.mount), describe_tree(fast_)), ::testing::IsEmpty());
}

// The copy that was given up goes on when the archive is back: its bytes are older than these.
TEST_F(SlowArchive, ThatHungWritesNoOldBytesOverNewOnes) {
  write_file(in_fast("cold"), random_bytes(kMiB, 1));
  write_file(in_fast("other"), random_bytes(kMiB, 2));
  tier.settings["archive_time_limit_s"] = "4";
  tier.start();
  hang();
  char byte = '\0';
  {
    const UniqueFd cold(::open(tier.in_mount("cold").c_str(), O_RDONLY));
    EXPECT_EQ(::pread(cold.get(), &byte, 1, 0), -1);
    EXPECT_EQ(errno, EIO);
  }
  const std::string content = random_bytes(kMiB / 2, 3);
  write_file(tier.in_mount("cold"), content);
  go_on();
  eventually("the archive answers again", [&] {
    const UniqueFd other(::open(tier.in_mount("other").c_str(), O_RDONLY));
    return ::pread(other.get(), &byte, 1, 0) == 1;
  });
  EXPECT_TRUE(read_file(tier.in_mount("cold")) == content);
  tier.publish();
  EXPECT_TRUE(read_file(in_fast("cold")) == content);
  tier.evict("/");
  EXPECT_TRUE(read_file(tier.in_mount("cold")) == content);
}

TEST_F(Prefetch, OfWhatIsResidentCopiesNothing) {
  add_files();
  tier.start();
  tier.prefetch("/");
  const auto again = tier.prefetch("/");
  EXPECT_EQ(again.done_bytes, kFiles * kMiB);
  EXPECT_EQ(again.copied_bytes, 0u);
  EXPECT_EQ(tier.status().prefetch_bytes, kFiles * kMiB);
}

TEST_F(Prefetch, OfRangesBringsTheirChunksAlone) {
  write_file(tier.in_archive("big"), random_bytes(64 * kMiB, 1));
  tier.start();
  api::PrefetchRequest request;
  request.files = {{"/big", {{5 * kMiB, 6 * kMiB}, {40 * kMiB, 49 * kMiB}}}};
  const auto started = tier.client().start_prefetch(request);
  ASSERT_TRUE(started) << started.error().text();
  eventually("the prefetch ends",
             [&] { return tier.client().prefetch(started->id)->state == "done"; });
  EXPECT_EQ(tier.entry("/big").resident, (4 + 12) * kMiB);
}

TEST_F(Prefetch, WaitedForByTierctlShowsItsProgressOnStandardErrorOnly) {
  add_files();
  tier.start();
  const auto result = tier.tierctl({"prefetch", "--wait", "--json", tier.mount});
  EXPECT_EQ(result.exit_code, 0) << result.text;
  EXPECT_THAT(result.out, ::testing::HasSubstr("\"done\""));
  EXPECT_EQ(tier.entry("/file0").state, "hot");
}

TEST_F(Prefetch, OfAFileThatChangedInTheArchiveFailsByName) {
  add_files();
  tier.start();
  write_file(tier.in_archive("file3"), "changed behind our back");
  const auto result = tier.tierctl({"prefetch", "--wait", "/"});
  EXPECT_EQ(result.exit_code, 1) << result.text;
  EXPECT_EQ(tier.entry("/file4").state, "hot") << "the others are there";
  EXPECT_EQ(tier.entry("/file3").resident, 0u);
}

}  // namespace
}  // namespace tierhub::test::prefetch_test
