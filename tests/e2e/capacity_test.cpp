// Scratch has an end: eviction runs ahead of it, and at the wall a write gets ENOSPC and nothing is
// lost.
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/tier_fixture.h"

namespace tierhub::test::capacity_test {
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

// Writes whole files of 1 MiB until one does not fit; returns those that did, open: what is open is
// not published. What did not fit is removed.
std::vector<UniqueFd> fill(const TestTier& tier) {
  std::vector<UniqueFd> files;
  while (files.size() < 200) {
    const std::string path = tier.in_mount(name_of(static_cast<int>(files.size())));
    const std::string content = random_bytes(kMiB, files.size());
    UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    if (!file) {
      EXPECT_EQ(errno, ENOSPC);
      break;
    }
    if (::write(file.get(), content.data(), content.size()) ==
        static_cast<ssize_t>(content.size())) {
      files.push_back(std::move(file));
      continue;
    }
    // A write that stops at the wall is short; the next one names the reason.
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_EQ(::write(file.get(), content.data(), content.size()), -1);
    EXPECT_EQ(errno, ENOSPC);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
    ::unlink(path.c_str());
    break;
  }
  return files;
}

TEST_F(Capacity, AFullScratchSaysNoSpaceAndLosesNothing) {
  tier.start();
  std::vector<UniqueFd> opened = fill(tier);
  const int files = static_cast<int>(opened.size());
  EXPECT_GT(files, 40);
  EXPECT_LT(files, 65);
  for (int i = 0; i < files; ++i)
    ASSERT_EQ(read_file(tier.in_mount(name_of(i))), random_bytes(kMiB, i)) << i;
  opened.clear();
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

// A file in the archive that is several times as long as scratch is large, with data in the middle.
constexpr uint64_t kSparseSize = 4 * kScratch;
constexpr uint64_t kSparseData = 16 * kMiB;
constexpr uint64_t kSparseDataBegin = kSparseSize / 2;

void make_sparse(const TestTier& tier, const std::string& name) {
  const UniqueFd file(::open(tier.in_archive(name).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
  check(::ftruncate(file.get(), kSparseSize), "ftruncate");
  const std::string content = random_bytes(kSparseData, 7);
  check(::pwrite(file.get(), content.data(), content.size(), kSparseDataBegin), "pwrite");
}

void expect_sparse(const TestTier& tier, const std::string& name) {
  EXPECT_EQ(read_range(tier.in_mount(name), kSparseDataBegin, kSparseData),
            random_bytes(kSparseData, 7));
  for (const uint64_t hole : {uint64_t{0}, kSparseDataBegin - kMiB, kSparseSize - kMiB})
    EXPECT_EQ(read_range(tier.in_mount(name), hole, kMiB), std::string(kMiB, '\0')) << hole;
}

TEST_F(Capacity, AFileOfHolesPushesNothingOut) {
  // MiB. Eviction begins at 50; while the data is copied it may count twice, as reserved and as
  // seen.
  constexpr int kResident = 14;
  for (int i = 0; i < kResident; ++i)
    write_file(tier.in_archive(name_of(i)), random_bytes(kMiB, i));
  make_sparse(tier, "sparse");
  tier.start();
  for (int i = 0; i < kResident; ++i) tier.prefetch("/" + name_of(i));
  tier.prefetch("/sparse");
  EXPECT_EQ(tier.entry("/sparse").state, "hot");
  expect_sparse(tier, "sparse");
  for (int i = 0; i < kResident; ++i) EXPECT_EQ(tier.entry("/" + name_of(i)).state, "hot") << i;
  EXPECT_EQ(tier.status().evicted_bytes, 0u);
}

TEST_F(Capacity, WithTheArchiveAwayAFullScratchSaysSoAtOnceAndEvictsNothing) {
  constexpr int kPublished = 45;
  tier.settings["passthrough"] = "false";
  tier.start();
  for (int i = 0; i < kPublished; ++i) write_file(tier.in_mount(name_of(i)), random_bytes(kMiB, i));
  tier.publish();
  tier.stop();
  std::filesystem::rename(tier.archive, tier.archive + ".away");
  std::filesystem::create_directory(tier.archive);
  tier.start();
  const UniqueFd file = create(tier, "new");
  int written = 0;
  while (written < 64 && write_some(file, kMiB, 1000 + written)) ++written;
  EXPECT_LT(written, 20);
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_FALSE(write_some(file, kMiB, 1));
  EXPECT_EQ(errno, ENOSPC);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(3));
  EXPECT_EQ(tier.status().evicted_bytes, 0u);
  for (int i = 0; i < kPublished; ++i)
    ASSERT_EQ(read_file(tier.in_mount(name_of(i))), random_bytes(kMiB, i)) << i;
}

api::Prefetch lease(const TestTier& tier, const std::string& path, const std::string& owner) {
  api::PrefetchRequest request;
  request.paths = {path};
  request.lease_owner = owner;
  request.lease_ttl_s = 600;
  const auto started = tier.client().start_prefetch(request);
  EXPECT_TRUE(started) << started.error().text();
  return started.value_or(api::Prefetch{});
}

TEST_F(Capacity, JobsThatDoNotFitTogetherWaitForEachOtherAndSayWhy) {
  for (int i = 0; i < 3; ++i) write_file(tier.in_archive(name_of(i)), random_bytes(30 * kMiB, i));
  tier.start();
  const auto state = [&](const api::Prefetch& of) { return tier.client().prefetch(of.id)->state; };
  const auto reason = [&](const api::Prefetch& of) {
    return tier.client().prefetch(of.id)->reason;
  };
  const auto first = lease(tier, "/file0", "job0");
  const auto second = lease(tier, "/file1", "job1");
  const auto third = lease(tier, "/file2", "job2");
  eventually("the first is there", [&] { return state(first) == "done"; });
  eventually("the second says what it waits for",
             [&] { return reason(second).find("waits for room: it needs 30.0 MiB") == 0; });
  eventually("the third waits for the second", [&] {
    return reason(third) ==
           "waits for prefetch " + std::to_string(second.id) + ", which was requested earlier";
  });
  EXPECT_EQ(state(second), "queued");
  EXPECT_EQ(tier.entry("/file1").resident, 0u) << "all of it or nothing";
  // A restart forgets neither what is granted nor who waits.
  tier.kill();
  tier.start();
  eventually("the second waits", [&] { return reason(second).find("waits for room") == 0; });
  ASSERT_TRUE(tier.client().renew_lease("job0", 0));
  eventually("the second is there", [&] { return state(second) == "done"; });
  ASSERT_TRUE(tier.client().renew_lease("job1", 0));
  eventually("the third is there", [&] { return state(third) == "done"; });
  EXPECT_EQ(tier.entry("/file2").state, "hot");
}

TEST_F(Capacity, ALeaseOnAFileOfHolesCountsItsData) {
  make_sparse(tier, "sparse");
  write_file(tier.in_archive("dense"), random_bytes(30 * kMiB, 1));
  write_file(tier.in_archive("more"), random_bytes(20 * kMiB, 2));
  tier.start();
  const auto state = [&](const api::Prefetch& of) { return tier.client().prefetch(of.id)->state; };
  const auto sparse = lease(tier, "/sparse", "job0");
  const auto dense = lease(tier, "/dense", "job1");
  eventually("the file of holes is there", [&] { return state(sparse) == "done"; });
  eventually("another lease fits beside its data", [&] { return state(dense) == "done"; });
  const auto receipt = tier.client().prefetch(sparse.id);
  EXPECT_EQ(receipt->total_bytes, kSparseSize);
  EXPECT_EQ(receipt->done_bytes, kSparseSize);
  EXPECT_EQ(receipt->copied_bytes, kSparseData) << "what came from the archive";
  EXPECT_EQ(tier.entry("/sparse").resident, kSparseSize);
  EXPECT_EQ(tier.status().evicted_bytes, 0u);
  expect_sparse(tier, "sparse");
  // 16 and 30 of 56 MiB are leased, and so they are after a restart.
  const auto more = lease(tier, "/more", "job2");
  const auto waits = [&] {
    return tier.client().prefetch(more.id)->reason.find(
               "waits for room: it needs 20.0 MiB, and 10.0 MiB of 56.0 MiB are not taken by "
               "leases") == 0;
  };
  eventually("who does not fit beside them waits", waits);
  tier.kill();
  tier.start();
  eventually("and waits again", waits);
  ASSERT_TRUE(tier.client().renew_lease("job0", 0));
  eventually("it is there", [&] { return state(more) == "done"; });
  EXPECT_EQ(tier.entry("/dense").state, "hot");
}

TEST_F(Capacity, WhatIsWrittenIntoHolesOfALeasedFileCounts) {
  make_sparse(tier, "sparse");
  write_file(tier.in_archive("more"), random_bytes(30 * kMiB, 2));
  tier.start();
  const auto state = [&](const api::Prefetch& of) { return tier.client().prefetch(of.id)->state; };
  const auto sparse = lease(tier, "/sparse", "job0");
  eventually("the file of holes is there", [&] { return state(sparse) == "done"; });
  {
    const std::string content = random_bytes(16 * kMiB, 8);
    const UniqueFd file(::open(tier.in_mount("sparse").c_str(), O_WRONLY | O_CLOEXEC));
    check(::pwrite(file.get(), content.data(), content.size(), 0), "pwrite");
  }
  tier.publish();
  const auto more = lease(tier, "/more", "job1");
  eventually("who does not fit beside what was written waits", [&] {
    return tier.client().prefetch(more.id)->reason.find("waits for room: it needs 30.0 MiB") == 0;
  });
  ASSERT_TRUE(tier.client().renew_lease("job0", 0));
  eventually("it is there", [&] { return state(more) == "done"; });
  EXPECT_EQ(read_range(tier.in_mount("sparse"), 0, 16 * kMiB), random_bytes(16 * kMiB, 8));
}

TEST_F(Capacity, WithTheArchiveAwayALeaseThatDependsOnHolesIsRefusedWithTheReason) {
  make_sparse(tier, "sparse");
  tier.start();
  tier.stop();
  std::filesystem::rename(tier.archive, tier.archive + ".away");
  std::filesystem::create_directory(tier.archive);
  tier.start();
  api::PrefetchRequest request;
  request.paths = {"/sparse"};
  request.lease_owner = "job";
  request.lease_ttl_s = 600;
  const auto begin = std::chrono::steady_clock::now();
  const auto refused = tier.client().start_prefetch(request);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(3));
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().text(), ::testing::HasSubstr("how much of it is data"));
  EXPECT_THAT(refused.error().text(), ::testing::Not(::testing::HasSubstr("in scratch at once")));
}

TEST_F(Capacity, APinnedFileOfHolesLeavesRoomForLeases) {
  make_sparse(tier, "sparse");
  write_file(tier.in_archive("dense"), random_bytes(30 * kMiB, 1));
  tier.start();
  tier.prefetch("/sparse");
  ASSERT_EQ(tier.tierctl({"pin", "/sparse"}).exit_code, 0);
  const auto dense = lease(tier, "/dense", "job");
  eventually("it is there", [&] { return tier.client().prefetch(dense.id)->state == "done"; });
  EXPECT_EQ(tier.entry("/sparse").state, "hot");
}

TEST_F(Capacity, ALeaseThatCanNeverFitIsRefusedAtOnce) {
  write_file(tier.in_archive("huge"), random_bytes(kScratch, 1));
  tier.start();
  api::PrefetchRequest request;
  request.paths = {"/huge"};
  request.lease_owner = "job";
  request.lease_ttl_s = 600;
  const auto refused = tier.client().start_prefetch(request);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().text(), ::testing::HasSubstr("it needs 64.0 MiB in scratch at once"));
  request.paths = {"/"};
  request.lease_ttl_s = 365 * 24 * 3600;
  const auto too_long = tier.client().start_prefetch(request);
  ASSERT_FALSE(too_long);
  EXPECT_THAT(too_long.error().text(), ::testing::HasSubstr("lease_max_s"));
}

TEST_F(Capacity, AChangeInTheArchiveVoidsTheReceipt) {
  write_file(tier.in_archive("input"), random_bytes(kMiB, 1));
  tier.start();
  const auto staged = lease(tier, "/input", "job");
  eventually("it is there", [&] { return tier.client().prefetch(staged.id)->state == "done"; });
  write_file(tier.in_archive("input"), random_bytes(2 * kMiB, 2));
  tier.scan();
  eventually("its receipt is void",
             [&] { return tier.client().prefetch(staged.id)->state == "failed"; });
  EXPECT_THAT(tier.client().prefetch(staged.id)->first_error,
              ::testing::HasSubstr("/input was changed in the archive"));
}

}  // namespace
}  // namespace tierhub::test::capacity_test
