// Prefetch: many small files from a slow archive at once; after a restart it goes on where it was.
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/tier_fixture.h"

namespace tierhub::testing {
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
}  // namespace tierhub::testing
