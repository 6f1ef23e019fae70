// Scratch has an end: eviction runs ahead of it, and at the wall a write gets ENOSPC and nothing is
// lost.
#include <cerrno>

#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/tier_fixture.h"

namespace tierhub::testing {
namespace {

constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kScratch = 64 * kMiB;

class Capacity : public TierTest {
 protected:
  void SetUp() override {
    const std::string options = "size=" + std::to_string(kScratch);
    check(::mount("none", tier.scratch.c_str(), "tmpfs", 0, options.c_str()), "mount tmpfs");
    tier.settings["capacity"] = "0";
    tier.settings["reserve"] = "8MiB";
    tier.settings["prefetch_room_wait_s"] = "1";
  }
  void TearDown() override {
    TierTest::TearDown();
    if (tier.running()) tier.kill();
    ::umount2(tier.scratch.c_str(), MNT_DETACH);
  }
};

std::string name_of(int i) { return "file" + std::to_string(i); }

// Writes whole files of 1 MiB until one does not fit; returns how many did. What did not fit is
// removed.
int fill(const TestTier& tier) {
  for (int i = 0; i < 200; ++i) {
    const std::string path = tier.in_mount(name_of(i));
    const std::string content = random_bytes(kMiB, i);
    const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    if (!file) {
      EXPECT_EQ(errno, ENOSPC);
      return i;
    }
    if (::write(file.get(), content.data(), content.size()) == static_cast<ssize_t>(content.size()))
      continue;
    // A write that stops at the wall is short; the next one names the reason.
    EXPECT_EQ(::write(file.get(), content.data(), content.size()), -1);
    EXPECT_EQ(errno, ENOSPC);
    ::unlink(path.c_str());
    return i;
  }
  return 200;
}

TEST_F(Capacity, AFullScratchSaysNoSpaceAndLosesNothing) {
  tier.start();
  const int files = fill(tier);
  EXPECT_GT(files, 40);
  EXPECT_LT(files, 65);
  for (int i = 0; i < files; ++i)
    ASSERT_EQ(read_file(tier.in_mount(name_of(i))), random_bytes(kMiB, i)) << i;
  tier.publish();
  for (int i = 0; i < files; ++i)
    ASSERT_EQ(read_file(tier.in_archive(name_of(i))), random_bytes(kMiB, i)) << i;
  // What is published makes room by itself.
  eventually("there is room again", [&] {
    const UniqueFd file(
        ::open(tier.in_mount("again").c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    const std::string content = random_bytes(kMiB, 999);
    return file && ::write(file.get(), content.data(), content.size()) ==
                       static_cast<ssize_t>(content.size());
  });
  EXPECT_GT(tier.status().evicted_bytes, 0u);
}

TEST_F(Capacity, ADatasetLargerThanScratchCanBeReadAndIsRight) {
  for (int i = 0; i < 10; ++i) write_file(tier.in_archive(name_of(i)), random_bytes(16 * kMiB, i));
  tier.start();
  for (int i = 0; i < 10; ++i)
    ASSERT_EQ(read_file(tier.in_mount(name_of(i))), random_bytes(16 * kMiB, i)) << i;
  EXPECT_LE(tier.status().used_bytes, kScratch);
}

TEST_F(Capacity, APrefetchOfWhatCannotFitFailsWithAReason) {
  write_file(tier.in_archive("huge"), random_bytes(2 * kScratch, 1));
  tier.start();
  ASSERT_EQ(tier.tierctl({"pin", "/"}).exit_code, 0);
  const auto prefetch = tier.tierctl({"prefetch", "--wait", "/huge"});
  EXPECT_EQ(prefetch.exit_code, 1) << prefetch.text;
  EXPECT_LE(tier.status().used_bytes, kScratch);
  EXPECT_EQ(read_range(tier.in_mount("huge"), 100 * kMiB, 100),
            read_range(tier.in_archive("huge"), 100 * kMiB, 100))
      << "what does not fit can still be read";
}

}  // namespace
}  // namespace tierhub::testing
