#include <algorithm>
#include <set>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fixture.h"

namespace tierhub::test {
namespace {

TIERHUB_ARCHIVE_TEST(Listing);
TIERHUB_ARCHIVE_TEST(Paths);
TIERHUB_ARCHIVE_TEST(Identities);

TEST_P(Listing, ShowsEveryEntryOnceOverManyPages) {
  std::set<std::string> made;
  for (int i = 0; i < 257; ++i) {
    made.insert("file" + std::to_string(i));
    write_file(in_archive("file" + std::to_string(i)), "x");
  }
  std::multiset<std::string> found;
  ArchivePage page;
  do {
    const auto next = archive_->list("", page.next_cookie, 50);
    ASSERT_TRUE(next) << next.error().text();
    page = *next;
    EXPECT_LE(page.children.size(), 50U);
    for (const ArchiveChild& child : page.children) found.insert(child.name);
  } while (!page.last);
  EXPECT_EQ(found, std::multiset<std::string>(made.begin(), made.end()));
}

TEST_P(Listing, ShowsWhatStatShows) {
  write_file(in_archive("file"), "hello");
  ASSERT_EQ(::mkdir(in_archive("folder").c_str(), 0750), 0);
  ASSERT_EQ(::symlink("over/there", in_archive("symlink").c_str()), 0);
  ASSERT_EQ(::mkfifo(in_archive("fifo").c_str(), 0600), 0);
  const auto page = archive_->list("", 0, 100);
  ASSERT_TRUE(page) << page.error().text();
  EXPECT_TRUE(page->last);
  ASSERT_EQ(page->children.size(), 4U);
  for (const ArchiveChild& child : page->children)
    EXPECT_EQ(without_atime(child.version), without_atime(version(child.name))) << child.name;
}

TEST_P(Listing, ShowsKindsAndTargets) {
  ASSERT_EQ(::symlink("over/there", in_archive("symlink").c_str()), 0);
  const auto page = archive_->list("", 0, 100);
  ASSERT_TRUE(page) << page.error().text();
  ASSERT_EQ(page->children.size(), 1U);
  EXPECT_EQ(page->children[0].version.attributes.kind, FileKind::symlink);
  EXPECT_EQ(page->children[0].symlink_target, "over/there");
}

TEST_P(Listing, ShowsExtendedAttributes) {
  write_file(in_archive("file"), "x");
  ASSERT_EQ(::setxattr(in_archive("file").c_str(), "user.sample", "brain", 5, 0), 0)
      << "the tests need a temporary folder with extended attributes: set TMPDIR";
  const auto page = archive_->list("", 0, 100);
  ASSERT_TRUE(page) << page.error().text();
  ASSERT_EQ(page->children.size(), 1U);
  EXPECT_EQ(page->children[0].xattrs, (Xattrs{{"user.sample", "brain"}}));
  const auto alone = archive_->xattrs("file");
  ASSERT_TRUE(alone) << alone.error().text();
  EXPECT_EQ(*alone, (Xattrs{{"user.sample", "brain"}}));
}

TEST_P(Listing, LeavesOutWhatIsNotTheUsers) {
  ASSERT_EQ(::mkdir(in_archive("lost+found").c_str(), 0700), 0);
  ASSERT_EQ(::mkdir(in_archive(".snapshot").c_str(), 0700), 0);
  write_file(in_archive(".nfs00000000000a3f01"), "x");
  write_file(in_archive(".nfsnotes"), "x");
  const auto page = archive_->list("", 0, 100);
  ASSERT_TRUE(page) << page.error().text();
  ASSERT_EQ(page->children.size(), 1U);
  EXPECT_EQ(page->children[0].name, ".nfsnotes");
}

TEST_P(Listing, FailsForAFolderThatIsNotThere) {
  const auto page = archive_->list("nowhere", 0, 100);
  ASSERT_FALSE(page);
  EXPECT_TRUE(page.error().is(std::errc::no_such_file_or_directory)) << page.error().text();
}

TEST_P(Paths, AreNotFollowedThroughSymlinks) {
  ASSERT_EQ(::mkdir(in_archive("folder").c_str(), 0700), 0);
  write_file(in_archive("folder/file"), "x");
  ASSERT_EQ(::symlink("folder", in_archive("detour").c_str()), 0);
  const auto found = archive_->stat("detour/file");
  ASSERT_FALSE(found);
  EXPECT_TRUE(found.error().is(std::errc::too_many_symbolic_link_levels)) << found.error().text();
  EXPECT_FALSE(archive_->list("detour", 0, 10));
  stage("leaf", "x");
  EXPECT_FALSE(archive_->place("leaf", "detour/new", std::nullopt));
  EXPECT_FALSE(exists(in_archive("folder/new")));
}

TEST_P(Paths, CannotLeaveTheArchive) {
  for (const char* path : {"..", "../x", "a/../../x", "/etc/passwd", "a//b", "a/", ".", "./a"}) {
    const auto found = archive_->stat(path);
    ASSERT_FALSE(found) << path;
    EXPECT_TRUE(found.error().is(std::errc::invalid_argument)) << found.error().text();
  }
  stage("leaf", "x");
  EXPECT_FALSE(archive_->place("../leaf", "x", std::nullopt));
  EXPECT_FALSE(archive_->place("leaf", "../x", std::nullopt));
}

TEST_P(Paths, WithNothingThereAreNotAnError) {
  write_file(in_archive("file"), "x");
  for (const char* path : {"nothing", "nothing/below", "file/below"}) {
    const auto found = archive_->stat(path);
    ASSERT_TRUE(found) << found.error().text();
    EXPECT_FALSE(found->has_value()) << path;
  }
}

TEST_P(Identities, SurviveARename) {
  write_file(in_archive("a"), "x");
  const ArchiveVersion before = version("a");
  ASSERT_EQ(::rename(in_archive("a").c_str(), in_archive("b").c_str()), 0);
  EXPECT_TRUE(version("b").same_content(before));
}

TEST_P(Identities, TellAFileFromALaterOneWithItsInodeNumber) {
  std::set<std::string> identities;
  constexpr int kFiles = 20;
  for (int i = 0; i < kFiles; ++i) {
    write_file(in_archive("a"), "x");
    identities.insert(version("a").identity.bytes);
    ASSERT_EQ(::unlink(in_archive("a").c_str()), 0);
  }
  EXPECT_EQ(identities.size(), static_cast<size_t>(kFiles));
}

TEST_P(Identities, AreSharedByHardLinks) {
  write_file(in_archive("a"), "x");
  ASSERT_EQ(::link(in_archive("a").c_str(), in_archive("b").c_str()), 0);
  EXPECT_EQ(version("a"), version("b"));
  EXPECT_EQ(version("a").nlink, 2U);
}

}  // namespace
}  // namespace tierhub::test
