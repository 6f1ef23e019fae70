// Scratch has an end: eviction runs ahead of it, and at the wall a write gets ENOSPC and nothing is
// lost.
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
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

// What the file system of scratch has left.
uint64_t available(const TestTier& tier) {
  struct statvfs disk {};
  check(::statvfs(tier.scratch.c_str(), &disk), "statvfs");
  return disk.f_bavail * disk.f_frsize;
}

bool write_some(const UniqueFd& file, uint64_t bytes, uint64_t seed) {
  const std::string content = random_bytes(bytes, seed);
  return ::write(file.get(), content.data(), content.size()) ==
         static_cast<ssize_t>(content.size());
}

UniqueFd create(const TestTier& tier, const std::string& name) {
  UniqueFd file(
      ::open(tier.in_mount(name).c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  EXPECT_TRUE(file) << name << ": " << std::strerror(errno);
  return file;
}

TEST_F(Capacity, EvictionKeepsAheadOfAPassthroughWriter) {
  tier.start();
  constexpr int kPublished = 40;
  for (int i = 0; i < kPublished; ++i) write_file(tier.in_mount(name_of(i)), random_bytes(kMiB, i));
  tier.publish();
  const uint64_t requests = tier.status().fuse_write_requests;
  const UniqueFd file = create(tier, "grows");
  for (int i = 0; i < kPublished; ++i) {
    ASSERT_TRUE(write_some(file, kMiB, 1000 + i)) << "at " << i << " MiB";
    eventually("there is room ahead of the writer", [&] { return available(tier) >= 8 * kMiB; });
  }
  EXPECT_EQ(tier.status().fuse_write_requests, requests) << "it went by passthrough";
  EXPECT_GT(tier.status().evicted_bytes, 0u);
}

TEST_F(Capacity, BelowTheReserveANewWriterGoesThroughTheDaemonAndAnOldOneGoesOn) {
  tier.start();
  const UniqueFd old_one = create(tier, "old");
  ASSERT_TRUE(write_some(old_one, 58 * kMiB, 1));  // the reserve begins at 56
  eventually("it is seen", [&] { return tier.status().used_bytes >= 58 * kMiB; });
  const uint64_t requests = tier.status().fuse_write_requests;
  const UniqueFd new_one = create(tier, "new");
  EXPECT_FALSE(write_some(new_one, kMiB, 2));
  EXPECT_EQ(errno, ENOSPC);
  EXPECT_GT(tier.status().fuse_write_requests, requests);
  EXPECT_GE(available(tier), 5 * kMiB) << "the reserve is for those that cannot be stopped";
  EXPECT_TRUE(write_some(old_one, kMiB, 3));
  // A second handle of a file that the kernel writes: it has one mode.
  const UniqueFd again(::open(tier.in_mount("old").c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
  ASSERT_TRUE(again);
  EXPECT_TRUE(write_some(again, kMiB, 4));
}

TEST_F(Capacity, FallocateIsCheckedAgainstRoom) {
  tier.start();
  const UniqueFd file = create(tier, "wants much");
  EXPECT_EQ(::fallocate(file.get(), 0, 0, 60 * kMiB), -1);
  EXPECT_EQ(errno, ENOSPC);
  EXPECT_EQ(::fallocate(file.get(), FALLOC_FL_KEEP_SIZE, 0, 10 * kMiB), 0);
  EXPECT_GE(tier.status().used_bytes, 10 * kMiB);
}

TEST_F(Capacity, CountsAnUnlinkedFileUntilItsLastClose) {
  tier.start();
  {
    const UniqueFd file = create(tier, "gone");
    ASSERT_TRUE(write_some(file, 20 * kMiB, 1));
    check(::unlink(tier.in_mount("gone").c_str()), "unlink");
    eventually("it is seen", [&] { return tier.status().used_bytes >= 20 * kMiB; });
  }
  eventually("its room is free", [&] { return tier.status().used_bytes < kMiB; });
}

TEST_F(Capacity, AFileOfHolesTakesNoRoom) {
  constexpr uint64_t kSize = 4 * kScratch;
  {
    const UniqueFd file(
        ::open(tier.in_archive("sparse").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    check(::ftruncate(file.get(), kSize), "ftruncate");
    const std::string content = random_bytes(kMiB, 7);
    check(::pwrite(file.get(), content.data(), content.size(), kSize / 2), "pwrite");
  }
  tier.start();
  tier.prefetch("/sparse");
  EXPECT_EQ(tier.entry("/sparse").state, "hot");
  EXPECT_LE(tier.status().used_bytes, 8 * kMiB);
  EXPECT_EQ(read_range(tier.in_mount("sparse"), kSize / 2, kMiB), random_bytes(kMiB, 7));
}

}  // namespace
}  // namespace tierhub::testing
