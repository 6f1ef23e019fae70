// Which bytes of a file are on the fast tier, and that nobody who reads or copies can tell.
#include <algorithm>
#include <cstdlib>
#include <memory>

#include <fcntl.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/tier_fixture.h"

namespace tierhub::test {
namespace {

constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kChunk = 4 * kMiB;

class Residency : public TierTest {
 protected:
  // Each read is a request of its own.
  static std::string read_direct(int fd, uint64_t offset, uint64_t size) {
    constexpr size_t kAlignment = 4096;
    const std::unique_ptr<void, decltype(&::free)> buffer(std::aligned_alloc(kAlignment, size),
                                                          ::free);
    const ssize_t n = ::pread(fd, buffer.get(), size, static_cast<off_t>(offset));
    return {static_cast<const char*>(buffer.get()), static_cast<size_t>(std::max<ssize_t>(n, 0))};
  }
};

TEST_F(Residency, OneByteOfAColdFileBringsExactlyOneChunk) {
  write_file(tier.in_archive("big.bin"), random_bytes(200 * kMiB, 1));
  tier.start();
  EXPECT_EQ(tier.entry("/big.bin").state, "cold");

  EXPECT_EQ(read_range(tier.in_mount("big.bin"), 100 * kMiB, 1),
            read_range(tier.in_archive("big.bin"), 100 * kMiB, 1));
  eventually("the chunk is kept", [&] { return tier.status().recall_chunks == 1; });
  EXPECT_EQ(tier.entry("/big.bin").state, "partial");
  EXPECT_EQ(tier.entry("/big.bin").resident, kChunk);

  EXPECT_EQ(tier.evict("/big.bin").bytes, kChunk);
  EXPECT_EQ(tier.entry("/big.bin").state, "cold");
  EXPECT_EQ(tier.entry("/big.bin").resident, 0u);
  tier.wait_until_scratch_is_empty();
}

TEST_F(Residency, AFileThatIsReadOnIsBroughtAheadOfItsReader) {
  constexpr uint64_t kSize = 40 * kMiB;
  tier.settings["read_ahead"] = "8MiB";
  const std::string content = random_bytes(kSize, 9);
  write_file(tier.in_archive("stream"), content);
  tier.start();
  const UniqueFd file(::open(tier.in_mount("stream").c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC));
  const auto read_on = [&](uint64_t from, uint64_t to) {
    for (uint64_t at = from; at < to; at += kMiB)
      EXPECT_EQ(read_direct(file.get(), at, kMiB), content.substr(at, kMiB));
  };
  read_on(0, 4 * kMiB);
  eventually("what comes next is there",
             [&] { return tier.entry("/stream").resident >= 8 * kMiB; });
  EXPECT_LE(tier.entry("/stream").resident, 12 * kMiB);
  read_on(4 * kMiB, kSize);
  eventually("all is kept", [&] { return tier.entry("/stream").state == "hot"; });
  EXPECT_EQ(tier.status().recall_bytes, kSize) << "each chunk once";
}

TEST_F(Residency, ALookAtTheTreeReadsNoContent) {
  for (int i = 0; i < 20; ++i)
    write_file(tier.in_archive("file" + std::to_string(i)), random_bytes(kMiB, i));
  tier.start();
  const auto listing = run_command({"ls", "-lR", tier.mount});
  EXPECT_EQ(listing.exit_code, 0) << listing.text;
  EXPECT_EQ(tier.status().recall_bytes, 0u);
  tier.wait_until_scratch_is_empty();
}

TEST_F(Residency, PrefetchMakesHotAndEvictMakesCold) {
  write_file(tier.in_archive("a"), random_bytes(9 * kMiB, 2));
  write_file(tier.in_archive("empty"), "");
  tier.start();
  EXPECT_EQ(tier.entry("/empty").state, "hot");
  EXPECT_EQ(tier.prefetch("/").done_bytes, 9 * kMiB);
  EXPECT_EQ(tier.entry("/a").state, "hot");
  EXPECT_EQ(tier.entry("/a").resident, 9 * kMiB);
  EXPECT_EQ(read_file(tier.in_mount("a")), read_file(tier.in_archive("a")));
  EXPECT_EQ(tier.status().recall_bytes, 0u);
  EXPECT_EQ(tier.evict("/").bytes, 9 * kMiB);
  EXPECT_EQ(tier.entry("/a").state, "cold");
}

TEST_F(Residency, AnOpenOrPinnedFileIsNotEvicted) {
  write_file(tier.in_archive("open"), random_bytes(kMiB, 3));
  write_file(tier.in_archive("pinned"), random_bytes(kMiB, 4));
  tier.start();
  tier.prefetch("/");
  ASSERT_EQ(tier.tierctl({"pin", "--reason", "course", "/pinned"}).exit_code, 0);
  const UniqueFd reader(::open(tier.in_mount("open").c_str(), O_RDONLY | O_CLOEXEC));
  const auto evicted = tier.evict("/");
  EXPECT_EQ(evicted.files, 0u);
  EXPECT_EQ(evicted.skipped_files, 2u);
  EXPECT_EQ(tier.entry("/open").state, "hot");
  EXPECT_EQ(tier.entry("/pinned").state, "hot");
}

// Copies of a tree by the tools that look for holes.
class Copies : public TierTest {
 protected:
  void SetUp() override {
    write_file(tier.in_archive("cold"), random_bytes(10 * kMiB + 123, 5));
    write_file(tier.in_archive("partial"), random_bytes(10 * kMiB + 123, 6));
    write_file(tier.in_archive("sparse"), random_bytes(5000, 7));
    overwrite(tier.in_archive("sparse"), 33 * kMiB, random_bytes(5000, 8));
    check(::truncate(tier.in_archive("sparse").c_str(), 64 * kMiB), "truncate");
    write_file(tier.in_archive("all_hole"), "");
    check(::truncate(tier.in_archive("all_hole").c_str(), 8 * kMiB), "truncate");
    copy = tier.folder("copy");
    tier.start();
    read_range(tier.in_mount("partial"), 5 * kMiB, 1);
  }
  void expect_equal_to_the_archive(const CommandResult& result) {
    EXPECT_EQ(result.exit_code, 0) << result.text;
    EXPECT_THAT(differences(describe_tree(tier.archive), describe_tree(copy)),
                ::testing::IsEmpty());
  }
  std::string copy;
};

TEST_F(Copies, ByTarWithHolesAreEqual) {
  expect_equal_to_the_archive(
      run_command({"bash", "-c",
                   "set -o pipefail; tar -S --format=posix --exclude=.tierhub -C \"$0\" -cf - . | "
                   "tar -C \"$1\" -xpf -",
                   tier.mount, copy}));
}

TEST_F(Copies, ByCpAreEqual) {
  expect_equal_to_the_archive(run_command({"cp", "-a", tier.mount + "/.", copy}));
}

TEST_F(Copies, ByRsyncWithHolesAreEqual) {
  expect_equal_to_the_archive(run_command({"rsync", "-aS", tier.mount + "/", copy}));
}

TEST_F(Copies, OfHotFilesAreEqual) {
  tier.prefetch("/");
  expect_equal_to_the_archive(
      run_command({"cp", "-a", "--sparse=always", tier.mount + "/.", copy}));
}

}  // namespace
}  // namespace tierhub::test
