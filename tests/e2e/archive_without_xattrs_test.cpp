// Journal and scanner on an archive whose file system has no extended attributes: they are in the
// catalog alone, and whatever others change in the archive must not take them away.
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <gtest/gtest.h>
#include <time.h>

#include "tests/support/loop_mount.h"
#include "tests/unit/migrator/tier_by_path.h"

namespace tierhub::test::archive_without_xattrs_test {
namespace {

class ArchiveWithoutXattrs : public ::testing::Test {
 protected:
  void SetUp() override {
    tierhub::test::use_own_mounts();
    ASSERT_EQ(::mount("none", world_.archive_folder.c_str(), "ramfs", 0, "mode=755"), 0);
    world_.restart();
    ASSERT_FALSE(world_.archive->capabilities().user_xattrs);
    world_.scan();
    world_.make_folder("d");
    world_.write("d/file", "content");
    world_.set_xattr("d", "user.note", "of the folder");
    world_.set_xattr("d/file", "user.note", "of the file");
    world_.publish();
    ASSERT_EQ(world_.journal_keys(), 0u);
  }
  void TearDown() override { ::umount2(world_.archive_folder.c_str(), MNT_DETACH); }

  // Its times of change are those of the kernel's last tick: one within the same tick as our own
  // act would not show.
  static void wait_for_the_next_tick() {
    const auto tick = [] {
      timespec now{};
      ::clock_gettime(CLOCK_REALTIME_COARSE, &now);
      return Timestamp::from(now);
    };
    for (const Timestamp before = tick(); tick() == before;) {
    }
  }
  void change_mode_in_archive(const std::string& path, mode_t mode) {
    wait_for_the_next_tick();
    ASSERT_EQ(::chmod(world_.in_archive(path).c_str(), mode), 0);
  }
  std::string note(const std::string& path) {
    return value_of(world_.catalog->xattr(world_.inode(path), "user.note")).value_or("none");
  }
  uint32_t mode(const std::string& path) {
    return value_of(world_.catalog->inode(world_.inode(path)))->attributes.mode;
  }
  // The journal finds what others made when it makes the same, and looks at the folder.
  void make_on_both_sides(const std::string& path) {
    world_.write(path, "ours");
    world_.write_in_archive(path, "theirs");
    world_.publish();
    world_.publish();
    ASSERT_EQ(world_.journal_keys(), 0u);
  }

  TierByPath world_;
};

TEST_F(ArchiveWithoutXattrs, KeepsThemWhenTheJournalFindsAConflictBesideAChangedMode) {
  change_mode_in_archive("d/file", 0600);
  change_mode_in_archive("d", 0711);
  make_on_both_sides("d/new");
  EXPECT_EQ(mode("d/file"), 0600u);
  EXPECT_EQ(note("d/file"), "of the file");
  EXPECT_EQ(note("d"), "of the folder");
}

TEST_F(ArchiveWithoutXattrs, KeepsThemWhenTheJournalFindsAConflictBesideChangedContent) {
  world_.write_in_archive("d/file", "theirs, longer");
  make_on_both_sides("d/new");
  EXPECT_EQ(world_.state("d/file"), FileState::cold);
  EXPECT_EQ(note("d/file"), "of the file");
}

TEST_F(ArchiveWithoutXattrs, KeepsThemWhenAScanFindsTheChange) {
  change_mode_in_archive("d/file", 0600);
  world_.scan();
  EXPECT_EQ(mode("d/file"), 0600u);
  EXPECT_EQ(note("d/file"), "of the file");
  world_.write_in_archive("d/file", "theirs, longer");
  world_.scan();
  EXPECT_EQ(note("d/file"), "of the file");
}

TEST_F(ArchiveWithoutXattrs, PassesThemOnWhenOthersChangeAFileThatIsOpen) {
  const InodeNumber before = world_.inode("d/file");
  const FileHandle reader = world_.open("d/file", O_RDONLY);
  world_.write_in_archive("d/file", "theirs, longer");
  world_.scan();
  EXPECT_NE(world_.inode("d/file"), before);
  EXPECT_EQ(note("d/file"), "of the file");
  world_.close(before, reader);
}

}  // namespace
}  // namespace tierhub::test::archive_without_xattrs_test
