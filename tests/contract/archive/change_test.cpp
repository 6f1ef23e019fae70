#include <thread>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fixture.h"

namespace tierhub::test {
namespace {

TIERHUB_ARCHIVE_TEST(Place);
TIERHUB_ARCHIVE_TEST(Move);
TIERHUB_ARCHIVE_TEST(Link);
TIERHUB_ARCHIVE_TEST(Remove);
TIERHUB_ARCHIVE_TEST(Discard);
TIERHUB_ARCHIVE_TEST(SetAttributes);

void foreign_change(const std::string& path, const std::string& text) {
  write_file(path, text);
  set_mtime(path, 7);
}

TEST_P(Place, GivesAStagedFileItsName) {
  const StagedFile staged = stage("leaf", "text");
  const auto placed = archive_->place("leaf", "file", std::nullopt);
  ASSERT_TRUE(placed) << placed.error().text();
  EXPECT_EQ(without_atime(*placed), without_atime(version("file")));
  EXPECT_EQ(placed->identity, staged.version.identity);
  EXPECT_TRUE(is_on_record(*placed, staged.version));
  EXPECT_EQ(read_file(in_archive("file")), "text");
  EXPECT_FALSE(exists(in_staging("leaf")));
}

TEST_P(Place, OfManyAtOnceAnswersEachInOrder) {
  const StagedFile first = stage("first", "1");
  const StagedFile second = stage("second", "2");
  const StagedFile third = stage("third", "3");
  write_file(in_archive("taken"), "theirs");
  const auto placed = archive_->place_all({{"first", "a", std::nullopt},
                                           {"missing", "b", std::nullopt},
                                           {"second", "taken", std::nullopt},
                                           {"third", "c", std::nullopt}});
  ASSERT_EQ(placed.size(), 4u);
  ASSERT_TRUE(placed[0]) << placed[0].error().text();
  EXPECT_EQ(placed[0]->identity, first.version.identity);
  EXPECT_FALSE(placed[1]);
  ASSERT_FALSE(placed[2]);
  EXPECT_TRUE(is_conflict(placed[2].error())) << placed[2].error().text();
  ASSERT_TRUE(placed[3]) << placed[3].error().text();
  EXPECT_EQ(placed[3]->identity, third.version.identity);
  EXPECT_EQ(read_file(in_archive("a")), "1");
  EXPECT_EQ(read_file(in_archive("taken")), "theirs");
  EXPECT_EQ(read_file(in_archive("c")), "3");
  EXPECT_EQ(read_file(in_staging("second")), "2");
}

TEST_P(Place, OfAFolderGivesItItsName) {
  ASSERT_TRUE(archive_->stage_node({"leaf", attributes(FileKind::directory, 0755)}));
  const auto placed = archive_->place("leaf", "folder", std::nullopt);
  ASSERT_TRUE(placed) << placed.error().text();
  EXPECT_EQ(placed->attributes.kind, FileKind::directory);
  stage("leaf", "text");
  EXPECT_TRUE(archive_->place("leaf", "folder/file", std::nullopt));
  EXPECT_EQ(read_file(in_archive("folder/file")), "text");
}

TEST_P(Place, ReplacesTheVersionOnRecordAndLetsItRestInStaging) {
  write_file(in_archive("file"), "old");
  const ArchiveVersion old = version("file");
  stage("leaf", "new");
  const auto placed = archive_->place("leaf", "file", old);
  ASSERT_TRUE(placed) << placed.error().text();
  EXPECT_EQ(without_atime(*placed), without_atime(version("file")));
  EXPECT_EQ(read_file(in_archive("file")), "new");
  EXPECT_EQ(read_file(in_staging("leaf")), "old");
  EXPECT_TRUE(archive_->discard("leaf", old));
  EXPECT_FALSE(exists(in_staging("leaf")));
}

TEST_P(Place, LeavesWhatSomeoneMadeMeanwhile) {
  stage("leaf", "ours");
  write_file(in_archive("file"), "theirs");
  const auto placed = archive_->place("leaf", "file", std::nullopt);
  ASSERT_FALSE(placed);
  EXPECT_TRUE(is_conflict(placed.error())) << placed.error().text();
  EXPECT_EQ(read_file(in_archive("file")), "theirs");
  EXPECT_EQ(read_file(in_staging("leaf")), "ours");
}

TEST_P(Place, LeavesWhatSomeoneChangedMeanwhile) {
  write_file(in_archive("file"), "old");
  const ArchiveVersion old = version("file");
  stage("leaf", "ours");
  foreign_change(in_archive("file"), "theirs");
  const auto placed = archive_->place("leaf", "file", old);
  ASSERT_FALSE(placed);
  EXPECT_TRUE(is_conflict(placed.error())) << placed.error().text();
  EXPECT_EQ(read_file(in_archive("file")), "theirs");
  EXPECT_EQ(read_file(in_staging("leaf")), "ours");
}

TEST_P(Place, IsAConflictIfWhatItReplacesIsGone) {
  write_file(in_archive("file"), "old");
  const ArchiveVersion old = version("file");
  ASSERT_EQ(::unlink(in_archive("file").c_str()), 0);
  stage("leaf", "ours");
  const auto placed = archive_->place("leaf", "file", old);
  ASSERT_FALSE(placed);
  EXPECT_TRUE(is_conflict(placed.error())) << placed.error().text();
  EXPECT_FALSE(exists(in_archive("file")));
}

TEST_P(Place, FailsIfNothingIsStaged) {
  const auto placed = archive_->place("leaf", "file", std::nullopt);
  ASSERT_FALSE(placed);
  EXPECT_TRUE(placed.error().is(std::errc::no_such_file_or_directory)) << placed.error().text();
}

TEST_P(Place, DoesNotReplaceAFolderThatHoldsFiles) {
  ASSERT_EQ(::mkdir(in_archive("folder").c_str(), 0755), 0);
  const ArchiveVersion folder = version("folder");
  write_file(in_archive("folder/theirs"), "x");
  stage("leaf", "ours");
  const auto placed = archive_->place("leaf", "folder", folder);
  ASSERT_FALSE(placed);
  EXPECT_TRUE(placed.error().is(std::errc::directory_not_empty)) << placed.error().text();
  EXPECT_EQ(read_file(in_archive("folder/theirs")), "x");
}

// Someone renames a file over ours, at any moment: theirs must stand in the end, and where place
// succeeded, nothing but the version on record was displaced.
TEST_P(Place, NeverDisplacesWhatSomeonePutsThereAtTheSameTime) {
  for (int round = 0; round < 60; ++round) {
    write_file(in_archive("file"), "old");
    const ArchiveVersion old = version("file");
    stage("leaf", "ours");
    write_file(in_archive("theirs"), "theirs");
    std::jthread someone(
        [&] { ASSERT_EQ(::rename(in_archive("theirs").c_str(), in_archive("file").c_str()), 0); });
    const auto placed = archive_->place("leaf", "file", old);
    someone.join();
    EXPECT_TRUE(placed || is_conflict(placed.error())) << placed.error().text();
    ASSERT_EQ(read_file(in_archive("file")), "theirs") << "in round " << round;
    if (placed) {
      ASSERT_EQ(read_file(in_staging("leaf")), "old") << "in round " << round;
    }
  }
}

TEST_P(Move, RenamesAFile) {
  write_file(in_archive("a"), "x");
  ASSERT_EQ(::mkdir(in_archive("folder").c_str(), 0755), 0);
  const ArchiveVersion a = version("a");
  const auto moved = archive_->move("a", a, "folder/b", std::nullopt);
  ASSERT_TRUE(moved) << moved.error().text();
  EXPECT_EQ(without_atime(*moved), without_atime(version("folder/b")));
  EXPECT_TRUE(moved->same_content(a));
  EXPECT_FALSE(exists(in_archive("a")));
}

TEST_P(Move, RenamesAFolderWithAllItHolds) {
  ASSERT_EQ(::mkdir(in_archive("a").c_str(), 0755), 0);
  write_file(in_archive("a/file"), "x");
  ASSERT_TRUE(archive_->move("a", version("a"), "b", std::nullopt));
  EXPECT_EQ(read_file(in_archive("b/file")), "x");
}

TEST_P(Move, ReplacesTheVersionOnRecordAndLetsItRestAtTheSource) {
  write_file(in_archive("a"), "a");
  write_file(in_archive("b"), "b");
  const ArchiveVersion b = version("b");
  const auto moved = archive_->move("a", version("a"), "b", b);
  ASSERT_TRUE(moved) << moved.error().text();
  EXPECT_EQ(read_file(in_archive("b")), "a");
  EXPECT_EQ(read_file(in_archive("a")), "b");
  EXPECT_TRUE(version("a").same_content(b));
}

TEST_P(Move, ExchangesFoldersThatHoldFiles) {
  for (const char* name : {"a", "b"}) {
    ASSERT_EQ(::mkdir(in_archive(name).c_str(), 0755), 0);
    write_file(in_archive(name) + "/file", name);
  }
  ASSERT_TRUE(archive_->move("a", version("a"), "b", version("b")));
  EXPECT_EQ(read_file(in_archive("b/file")), "a");
  EXPECT_EQ(read_file(in_archive("a/file")), "b");
}

TEST_P(Move, LeavesEverythingIfTheSourceWasChanged) {
  write_file(in_archive("a"), "old");
  const ArchiveVersion a = version("a");
  foreign_change(in_archive("a"), "theirs");
  const auto moved = archive_->move("a", a, "b", std::nullopt);
  ASSERT_FALSE(moved);
  EXPECT_TRUE(is_conflict(moved.error())) << moved.error().text();
  EXPECT_EQ(read_file(in_archive("a")), "theirs");
  EXPECT_FALSE(exists(in_archive("b")));
}

TEST_P(Move, LeavesEverythingIfTheTargetIsTaken) {
  write_file(in_archive("a"), "a");
  write_file(in_archive("b"), "theirs");
  const auto moved = archive_->move("a", version("a"), "b", std::nullopt);
  ASSERT_FALSE(moved);
  EXPECT_TRUE(is_conflict(moved.error())) << moved.error().text();
  EXPECT_EQ(read_file(in_archive("a")), "a");
  EXPECT_EQ(read_file(in_archive("b")), "theirs");
}

TEST_P(Move, LeavesEverythingIfTheTargetWasChanged) {
  write_file(in_archive("a"), "a");
  write_file(in_archive("b"), "b");
  const ArchiveVersion b = version("b");
  foreign_change(in_archive("b"), "theirs");
  const auto moved = archive_->move("a", version("a"), "b", b);
  ASSERT_FALSE(moved);
  EXPECT_TRUE(is_conflict(moved.error())) << moved.error().text();
  EXPECT_EQ(read_file(in_archive("a")), "a");
  EXPECT_EQ(read_file(in_archive("b")), "theirs");
}

TEST_P(Link, GivesAFileAFurtherName) {
  write_file(in_archive("a"), "x");
  const auto linked = archive_->link("a", version("a"), "leaf", "b", std::nullopt);
  ASSERT_TRUE(linked) << linked.error().text();
  EXPECT_EQ(linked->nlink, 2U);
  EXPECT_EQ(version("b"), version("a"));
  EXPECT_FALSE(exists(in_staging("leaf")));
}

TEST_P(Link, ReplacesTheVersionOnRecordAndLetsItRestInStaging) {
  write_file(in_archive("a"), "a");
  write_file(in_archive("b"), "b");
  ASSERT_TRUE(archive_->link("a", version("a"), "leaf", "b", version("b")));
  EXPECT_EQ(read_file(in_archive("b")), "a");
  EXPECT_EQ(read_file(in_staging("leaf")), "b");
}

TEST_P(Link, LeavesWhatSomeoneMadeMeanwhile) {
  write_file(in_archive("a"), "a");
  write_file(in_archive("b"), "theirs");
  const auto linked = archive_->link("a", version("a"), "leaf", "b", std::nullopt);
  ASSERT_FALSE(linked);
  EXPECT_TRUE(is_conflict(linked.error())) << linked.error().text();
  EXPECT_EQ(read_file(in_archive("b")), "theirs");
  EXPECT_EQ(version("a").nlink, 1U) << "the staged link was left behind";
}

TEST_P(Link, IsDoneIfTheNameIsThereAlready) {
  write_file(in_archive("a"), "a");
  ASSERT_EQ(::link(in_archive("a").c_str(), in_archive("b").c_str()), 0);
  const auto linked = archive_->link("a", version("a"), "leaf", "b", version("b"));
  ASSERT_TRUE(linked) << linked.error().text();
  EXPECT_EQ(linked->nlink, 2U);
}

TEST_P(Remove, LetsTheFileRestInStagingUntilItIsDiscarded) {
  write_file(in_archive("file"), "x");
  const ArchiveVersion file = version("file");
  const auto removed = archive_->remove("file", file, "leaf");
  ASSERT_TRUE(removed) << removed.error().text();
  EXPECT_FALSE(exists(in_archive("file")));
  EXPECT_EQ(read_file(in_staging("leaf")), "x");
  EXPECT_TRUE(archive_->discard("leaf", file));
  EXPECT_FALSE(exists(in_staging("leaf")));
}

TEST_P(Remove, OfAnEmptyFolderWorks) {
  ASSERT_EQ(::mkdir(in_archive("folder").c_str(), 0755), 0);
  const ArchiveVersion folder = version("folder");
  ASSERT_TRUE(archive_->remove("folder", folder, "leaf"));
  EXPECT_FALSE(exists(in_archive("folder")));
  EXPECT_TRUE(archive_->discard("leaf", folder));
  EXPECT_FALSE(exists(in_staging("leaf")));
}

TEST_P(Remove, OfAFolderThatHoldsFilesLeavesIt) {
  ASSERT_EQ(::mkdir(in_archive("folder").c_str(), 0755), 0);
  write_file(in_archive("folder/theirs"), "x");
  const auto removed = archive_->remove("folder", version("folder"), "leaf");
  ASSERT_FALSE(removed);
  EXPECT_TRUE(removed.error().is(std::errc::directory_not_empty)) << removed.error().text();
  EXPECT_EQ(read_file(in_archive("folder/theirs")), "x");
}

TEST_P(Remove, LeavesWhatSomeoneChanged) {
  write_file(in_archive("file"), "old");
  const ArchiveVersion old = version("file");
  foreign_change(in_archive("file"), "theirs");
  const auto removed = archive_->remove("file", old, "leaf");
  ASSERT_FALSE(removed);
  EXPECT_TRUE(is_conflict(removed.error())) << removed.error().text();
  EXPECT_EQ(read_file(in_archive("file")), "theirs");
}

TEST_P(Remove, NeverTakesWhatSomeonePutsThereAtTheSameTime) {
  for (int round = 0; round < 60; ++round) {
    write_file(in_archive("file"), "old");
    const ArchiveVersion old = version("file");
    write_file(in_archive("theirs"), "theirs");
    std::jthread someone(
        [&] { ASSERT_EQ(::rename(in_archive("theirs").c_str(), in_archive("file").c_str()), 0); });
    const auto removed = archive_->remove("file", old, "leaf");
    someone.join();
    EXPECT_TRUE(removed || is_conflict(removed.error())) << removed.error().text();
    ASSERT_EQ(read_file(in_archive("file")), "theirs") << "in round " << round;
  }
}

TEST_P(Discard, OfNothingIsDone) {
  write_file(in_archive("file"), "x");
  EXPECT_TRUE(archive_->discard("leaf", version("file")));
}

TEST_P(Discard, KeepsWhatAnOpenWriterChangedMeanwhile) {
  write_file(in_archive("file"), "old");
  const ArchiveVersion file = version("file");
  ASSERT_TRUE(archive_->remove("file", file, "leaf"));
  foreign_change(in_staging("leaf"), "theirs");
  const auto discarded = archive_->discard("leaf", file);
  ASSERT_FALSE(discarded);
  EXPECT_TRUE(is_conflict(discarded.error())) << discarded.error().text();
  EXPECT_EQ(read_file(in_staging("leaf")), "theirs");
}

TEST_P(SetAttributes, SetsModeTimesAndExactlyTheseXattrs) {
  write_file(in_archive("file"), "x");
  ASSERT_EQ(::setxattr(in_archive("file").c_str(), "user.old", "1", 1, 0), 0);
  const Attributes wanted = attributes(FileKind::file, 0604);
  const auto set = archive_->set_attributes("file", version("file"), wanted, {{"user.new", "2"}});
  ASSERT_TRUE(set) << set.error().text();
  EXPECT_EQ(without_atime(*set), without_atime(version("file")));
  EXPECT_EQ(set->attributes.mode, 0604U);
  EXPECT_EQ(set->attributes.mtime, wanted.mtime);
  const auto xattrs = archive_->xattrs("file");
  ASSERT_TRUE(xattrs) << xattrs.error().text();
  EXPECT_EQ(*xattrs, (Xattrs{{"user.new", "2"}}));
}

TEST_P(SetAttributes, SetsTheTimesOfALinkAndNotOfItsTarget) {
  write_file(in_archive("file"), "x");
  ASSERT_EQ(::symlink("file", in_archive("link").c_str()), 0);
  const ArchiveVersion file = version("file");
  const Attributes wanted = attributes(FileKind::symlink, 0777);
  const auto set = archive_->set_attributes("link", version("link"), wanted, {});
  ASSERT_TRUE(set) << set.error().text();
  EXPECT_EQ(set->attributes.mtime, wanted.mtime);
  EXPECT_EQ(without_atime(version("file")), without_atime(file));
}

TEST_P(SetAttributes, ReachesTheRootFolder) {
  const auto set =
      archive_->set_attributes("", version(""), attributes(FileKind::directory, 0711), {});
  ASSERT_TRUE(set) << set.error().text();
  EXPECT_EQ(version("").attributes.mode, 0711U);
}

TEST_P(SetAttributes, LeavesAFileThatSomeoneChanged) {
  write_file(in_archive("file"), "old");
  const ArchiveVersion old = version("file");
  foreign_change(in_archive("file"), "theirs");
  const ArchiveVersion theirs = version("file");
  const auto set = archive_->set_attributes("file", old, attributes(FileKind::file, 0600), {});
  ASSERT_FALSE(set);
  EXPECT_TRUE(is_conflict(set.error())) << set.error().text();
  EXPECT_EQ(without_atime(version("file")), without_atime(theirs));
}

}  // namespace
}  // namespace tierhub::test
