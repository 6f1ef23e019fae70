#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <unistd.h>

#include <gtest/gtest.h>

#include "fusefs/kernel/session.h"
#include "fusefs/mount/table.h"

namespace tierhub {
namespace {

namespace fs = std::filesystem;

constexpr const char* kMountinfo =
    "22 1 259:1 / / rw,relatime shared:1 - ext4 /dev/root rw\n"
    "36 22 0:31 / /mnt/tier rw,nosuid,nodev,relatime shared:9 master:1 - fuse.tierhub tierhub "
    "rw,user_id=0,group_id=0,default_permissions,allow_other\n"
    "37 22 0:32 / /mnt/with\\040space\\134and\\011tab rw - tmpfs tmpfs rw\n"
    "40 36 0:40 / /mnt/tier rw - tmpfs none rw\n";

class MountPointTest : public testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/tierhub_mount_XXXXXX";
    ASSERT_NE(::mkdtemp(path), nullptr);
    folder = fs::canonical(path);
  }
  void TearDown() override { fs::remove_all(folder); }
  fs::path folder;
};

TEST(Mountinfo, NamesDeviceTypeAndSourceOfEachMount) {
  const auto mounts = parse_mountinfo(kMountinfo);
  ASSERT_EQ(mounts.size(), 4u);
  EXPECT_EQ(mounts[0], (MountEntry{"259:1", "/", "ext4", "/dev/root"}));
  EXPECT_EQ(mounts[1], (MountEntry{"0:31", "/mnt/tier", "fuse.tierhub", "tierhub"}));
}

TEST(Mountinfo, UndoesItsEscapes) {
  EXPECT_EQ(parse_mountinfo(kMountinfo)[2].mount_point, "/mnt/with space\\and\ttab");
}

TEST(Mountinfo, LeavesOutWhatItDoesNotUnderstand) {
  EXPECT_TRUE(parse_mountinfo("").empty());
  EXPECT_TRUE(parse_mountinfo("nonsense\n\n1 2 3:4 / /x rw shared:1\n").empty());
}

TEST(Mountinfo, FindsTheMountThatLiesOnTop) {
  const auto mounts = parse_mountinfo(kMountinfo);
  EXPECT_EQ(top_mount(mounts, "/mnt/tier")->type, "tmpfs");
  EXPECT_EQ(top_mount(mounts, "/")->type, "ext4");
  EXPECT_FALSE(top_mount(mounts, "/mnt"));
}

TEST_F(MountPointTest, BecomesCanonicalWithoutAskingWhatIsMountedThere) {
  const fs::path real = folder / "real";
  fs::create_directory(real);
  fs::create_directory_symlink(real, folder / "link");
  EXPECT_EQ(canonical_mount_point(real).value(), real);
  EXPECT_EQ(canonical_mount_point(real.string() + "//").value(), real);
  EXPECT_EQ(canonical_mount_point(folder / "link").value(), real);
  EXPECT_EQ(canonical_mount_point(folder / "link/.").value(), real);
  EXPECT_EQ(canonical_mount_point(folder / "missing").value(), folder / "missing");
  EXPECT_FALSE(canonical_mount_point(folder / "missing/below"));
  EXPECT_EQ(canonical_mount_point("/").value(), "/");
  EXPECT_EQ(canonical_mount_point("/tmp").value(), "/tmp");
}

TEST_F(MountPointTest, MustExist) {
  const auto checked = check_mount_point(folder / "missing");
  ASSERT_FALSE(checked);
  EXPECT_NE(checked.error().text().find("does not exist; make it with 'mkdir -p"),
            std::string::npos);
}

TEST_F(MountPointTest, MustBeAFolder) {
  std::ofstream(folder / "file") << "x";
  const auto checked = check_mount_point(folder / "file");
  ASSERT_FALSE(checked);
  EXPECT_NE(checked.error().text().find("is not a folder"), std::string::npos);
}

TEST_F(MountPointTest, MustBeEmpty) {
  ASSERT_TRUE(check_mount_point(folder));
  std::ofstream(folder / "file") << "x";
  const auto checked = check_mount_point(folder);
  ASSERT_FALSE(checked);
  EXPECT_TRUE(checked.error().is(std::errc::directory_not_empty));
  EXPECT_NE(checked.error().text().find("is not empty (it has 'file')"), std::string::npos);
}

TEST_F(MountPointTest, NeedsNoCleaningWhereNothingIsMounted) {
  EXPECT_TRUE(clean_stale_mount(folder));
}

TEST(CleanStaleMount, RefusesToRemoveAnotherFileSystem) {
  const auto cleaned = clean_stale_mount("/proc");
  ASSERT_FALSE(cleaned);
  EXPECT_TRUE(cleaned.error().is(std::errc::device_or_resource_busy));
  EXPECT_NE(cleaned.error().text().find("/proc is in use: "), std::string::npos);
}

}  // namespace
}  // namespace tierhub
