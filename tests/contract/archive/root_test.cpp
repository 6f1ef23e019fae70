#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fixture.h"

namespace tierhub::test {
namespace {

TIERHUB_ARCHIVE_TEST(Root);

TEST_P(Root, HasAnIdThatLasts) {
  const auto id = archive_->archive_id();
  ASSERT_TRUE(id) << id.error().text();
  EXPECT_EQ(id->size(), 36U);
  archive_.reset();
  SetUp();
  const auto again = archive_->archive_id();
  ASSERT_TRUE(again) << again.error().text();
  EXPECT_EQ(*again, *id);
}

TEST_P(Root, KeepsItsOwnFoldersFromOthers) {
  for (const char* folder : {".tierhub", ".tierhub/staging", ".tierhub/aside", ".tierhub/trash"}) {
    struct stat st {};
    ASSERT_EQ(::stat(in_archive(folder).c_str(), &st), 0) << folder;
    EXPECT_EQ(st.st_mode & 07777, 0700U) << folder;
  }
}

TEST_P(Root, IsOfflineNotEmptyWhenItsFolderIsGone) {
  ASSERT_TRUE(archive_->check_root());
  ASSERT_EQ(::rename(root_.path().c_str(), (root_.path() + "-away").c_str()), 0);
  const auto gone = archive_->check_root();
  ASSERT_EQ(::mkdir(root_.path().c_str(), 0755), 0);
  const auto empty = archive_->check_root();
  const bool untouched = ::rmdir(root_.path().c_str()) == 0;
  ASSERT_EQ(::rename((root_.path() + "-away").c_str(), root_.path().c_str()), 0);
  ASSERT_FALSE(gone);
  EXPECT_TRUE(gone.error().is(std::errc::no_such_device)) << gone.error().text();
  ASSERT_FALSE(empty);
  EXPECT_TRUE(empty.error().is(std::errc::no_such_device)) << empty.error().text();
  EXPECT_TRUE(untouched) << "something was made in a folder that is not the archive";
  EXPECT_TRUE(archive_->check_root());
}

TEST_P(Root, IsOfflineWhenItsIdIsAnother) {
  const std::string id = read_file(in_archive(".tierhub/id"));
  write_file(in_archive(".tierhub/id"), "another");
  EXPECT_FALSE(archive_->check_root());
  write_file(in_archive(".tierhub/id"), id);
  EXPECT_TRUE(archive_->check_root());
}

TEST_P(Root, ShowsItsSpace) {
  const auto space = archive_->space();
  ASSERT_TRUE(space) << space.error().text();
  EXPECT_GT(space->total_bytes, 0U);
  EXPECT_LE(space->available_bytes, space->free_bytes);
  EXPECT_LE(space->free_bytes, space->total_bytes);
}

TEST_P(Root, CanBeSynced) {
  ASSERT_EQ(::mkdir(in_archive("folder").c_str(), 0755), 0);
  EXPECT_TRUE(archive_->sync());
  EXPECT_TRUE(archive_->sync_folders({"", "folder", "gone"}));
}

TEST_P(Root, WithForeignPrivateFolderIsRefused) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give a folder to someone else";
  TemporaryDirectory other;
  ASSERT_EQ(::mkdir((other / ".tierhub").c_str(), 0700), 0);
  ASSERT_EQ(::chown((other / ".tierhub").c_str(), 1234, 1234), 0);
  const auto opened = GetParam().open(other.path());
  EXPECT_TRUE(!opened || !(*opened)->check_root());
}

}  // namespace
}  // namespace tierhub::test
