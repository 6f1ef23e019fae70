// What tierd says when it cannot start: one clear sentence, a code other than 0, nothing lost.
#include <filesystem>

#include <sys/mount.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/loop_mount.h"
#include "tests/support/tier_fixture.h"

namespace tierhub::test::bad_start_test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

class BadStart : public TierTest {
 protected:
  void SetUp() override { write_file(tier.in_archive("file"), "content"); }

  void expect_refusal(const CommandResult& result, const std::string& words) {
    EXPECT_EQ(result.exit_code, 1) << result.text;
    EXPECT_THAT(result.err, HasSubstr(words));
    // The sentence of a person's interest is the last line.
    const size_t end = result.err.find_last_not_of('\n');
    const size_t begin = result.err.rfind('\n', end) + 1;
    const std::string last = result.err.substr(begin, end + 1 - begin);
    EXPECT_THAT(last, ::testing::StartsWith("tierd: "));
    EXPECT_THAT(last, HasSubstr(words));
    EXPECT_EQ(read_file(tier.in_archive("file")), "content");
  }
};

TEST_F(BadStart, NamesAMissingFolder) {
  tier.archive += ".missing";
  const auto result = tier.start_and_fail();
  tier.archive.resize(tier.archive.size() - 8);
  expect_refusal(result, "archive.missing cannot be used: No such file or directory");
}

TEST_F(BadStart, NamesAMissingMountPoint) {
  tier.mount += ".missing";
  expect_refusal(tier.start_and_fail(), "mount.missing");
}

TEST_F(BadStart, RefusesAFileAsAFolder) {
  tier.scratch = tier.in_archive("file");
  expect_refusal(tier.start_and_fail(), "is not a folder");
}

TEST_F(BadStart, RefusesAScratchThatCannotBeWritten) {
  const std::string read_only = tier.folder("read_only");
  check(::mount("none", read_only.c_str(), "tmpfs", MS_RDONLY, "size=1m"), "mount tmpfs");
  tier.scratch = read_only;
  const auto result = tier.start_and_fail();
  check(::umount2(read_only.c_str(), MNT_DETACH), "umount");
  expect_refusal(result, "cannot be written");
}

TEST_F(BadStart, RefusesAScratchInsideTheArchive) {
  tier.scratch = tier.in_archive("scratch");
  fs::create_directory(tier.scratch);
  expect_refusal(tier.start_and_fail(), "is inside the archive");
}

TEST_F(BadStart, RefusesASecondTierdOnTheSameState) {
  tier.start();
  tier.mount = tier.folder("second mount");
  const auto result = tier.start_and_fail();
  tier.mount.resize(tier.mount.size() - std::string("second mount").size());
  tier.mount += "mount";
  expect_refusal(result, "another tierd uses");
  EXPECT_EQ(read_file(tier.in_mount("file")), "content") << "the first goes on";
}

TEST_F(BadStart, RefusesASecondTierdOnTheSameArchive) {
  tier.start();
  TestTier second;
  second.archive = tier.archive;
  expect_refusal(second.start_and_fail(), "is in use by another tierd, process");
  write_file(tier.in_mount("new"), "of the first");
  tier.publish();
  EXPECT_EQ(read_file(tier.in_archive("new")), "of the first");
  tier.stop();
  second.start();
  EXPECT_EQ(read_file(second.in_mount("new")), "of the first") << "the first one gave it up";
}

TEST_F(BadStart, GoesOnAfterItsDeathAndAfterTheLossOfItsCatalog) {
  tier.start();
  tier.kill();
  tier.start();
  tier.kill();
  TestTier next;
  next.archive = tier.archive;
  next.start();
  EXPECT_EQ(read_file(next.in_mount("file")), "content") << "the holder's process has ended";
}

TEST_F(BadStart, TheFormerHolderOfAnArchiveLeavesItAlone) {
  tier.start();
  TestTier second;
  second.archive = tier.archive;
  second.more_arguments = {"--take-over"};
  second.start();
  write_file(tier.in_mount("late"), "of the first");
  eventually("the first one notices", [&] { return tier.status().archive_state == "offline"; });
  EXPECT_THAT(tier.status().summary, HasSubstr("is in use by another tierd"));
  ASSERT_TRUE(tier.client().start_publish({"/"}));
  EXPECT_FALSE(fs::exists(tier.in_archive("late")));
  second.stop();
  eventually("the first one has it back", [&] { return tier.status().archive_state == "online"; });
  tier.publish();
  EXPECT_EQ(read_file(tier.in_archive("late")), "of the first");
}

TEST_F(BadStart, NamesTheLineOfABadSetting) {
  tier.settings = {{"settle_s", "soon"}};
  expect_refusal(tier.start_and_fail(), "tierhub.yaml:1:11: settle_s: 'soon' is not a number");
  tier.settings = {{"setle_s", "5"}};
  expect_refusal(tier.start_and_fail(), "unknown key 'setle_s'");
}

TEST_F(BadStart, SaysWhatToDoWithoutDevFuse) {
  // A /dev without it, for tierd alone.
  const auto result = run_command(
      {"unshare", "-m", "bash", "-c",
       "mount -t tmpfs none /dev && mknod -m 666 /dev/null c 1 3 && mknod -m 666 /dev/urandom c 1 "
       "9 "
       "&& exec \"$0\" --archive \"$1\" --scratch \"$2\" --mount \"$3\" --state \"$4\" --socket "
       "\"$4/sock\"",
       program("tierd"), tier.archive, tier.scratch, tier.mount, tier.state});
  expect_refusal(result, "/dev/fuse");
}

TEST_F(BadStart, WorksWithoutIoUring) {
  const std::string content = random_bytes(9 << 20, 1);
  write_file(tier.in_archive("cold"), content);
  tier.start({"TIERHUB_NO_IO_URING=1"});
  EXPECT_THAT(tier.status().copy_engine, ::testing::StartsWith("threads"));
  EXPECT_EQ(read_file(tier.in_mount("cold")), content);
  write_file(tier.in_mount("new"), content);
  tier.publish();
  EXPECT_EQ(read_file(tier.in_archive("new")), content);
}

TEST_F(BadStart, WarnsThatStateSharesTheFileSystemOfScratch) {
  tier.start();
  EXPECT_THAT(tier.log(), HasSubstr("state and scratch share a file system"));
  EXPECT_TRUE(tier.status().state_shares_scratch);
  EXPECT_EQ(tier.status().summary, "ok") << "it works";
  EXPECT_THAT(tier.tierctl({"status"}).out, HasSubstr("on the file system of scratch"));
}

TEST_F(BadStart, SaysNothingOfAStateWithADiskOfItsOwn) {
  const LoopMount disk("ext4", tier.folder("disk"));
  tier.state = disk.path() + "/state";
  tier.start();
  EXPECT_THAT(tier.log(), Not(HasSubstr("share a file system")));
  EXPECT_FALSE(tier.status().state_shares_scratch);
  EXPECT_THAT(tier.tierctl({"status"}).out, Not(HasSubstr("on the file system of scratch")));
  tier.stop();
}

TEST_F(BadStart, TierctlSaysThatTierdIsNotThere) {
  const auto result = tier.tierctl({"status"});
  EXPECT_EQ(result.exit_code, 3) << result.text;
  EXPECT_EQ(result.out, "");
  EXPECT_THAT(result.err, HasSubstr("tierd"));
}

TEST_F(BadStart, TierctlRefusesWhatItDoesNotKnow) {
  EXPECT_EQ(tier.tierctl({"fetch"}).exit_code, 2);
  tier.start();
  const auto result = tier.tierctl({"prefetch", "--wait", "/not there"});
  EXPECT_EQ(result.exit_code, 1) << result.text;
  EXPECT_THAT(result.err, HasSubstr("not there"));
}

}  // namespace
}  // namespace tierhub::test::bad_start_test
