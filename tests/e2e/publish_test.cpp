// The archive is a replica: what changes in the mount stands in the archive after
// `tierctl publish --wait /`, and what is evicted reads back equal.
#include <filesystem>

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/loop_mount.h"
#include "tests/support/tier_fixture.h"

namespace tierhub::test::publish_test {
namespace {

namespace fs = std::filesystem;
constexpr uint64_t kMiB = 1 << 20;

// Not even root can make or remove something in it.
void make_immutable(const std::string& path, int flags) {
  const UniqueFd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  check(::ioctl(folder.get(), FS_IOC_SETFLAGS, &flags), "FS_IOC_SETFLAGS");
}

class Publish : public TierTest {
 protected:
  std::string at(const std::string& name) const { return tier.in_mount(name); }

  // Publishes as a person does, and compares both trees; then evicts, and compares what a recall
  // brings.
  void expect_replica(const std::string& after) {
    SCOPED_TRACE("after " + after);
    const auto published = tier.tierctl({"publish", "--wait", "/"});
    ASSERT_EQ(published.exit_code, 0) << published.text;
    const Tree archived = describe_tree(tier.archive);
    EXPECT_THAT(differences(describe_tree(tier.mount), archived), ::testing::IsEmpty());
    const auto evicted = tier.evict("/");
    EXPECT_EQ(evicted.skipped_files, 0u)
        << (evicted.skipped.empty() ? "" : evicted.skipped[0].path + evicted.skipped[0].reason);
    tier.wait_until_scratch_is_empty();
    EXPECT_THAT(differences(archived, describe_tree(tier.mount)), ::testing::IsEmpty());
    EXPECT_EQ(tier.status().dirty_files, 0u);
    EXPECT_EQ(tier.status().summary, "ok");
  }
};

// Written by the kernel itself, so any byte may have changed; then through tierd, into a cold file.
TEST_F(Publish, SendsOnlyTheChangedChunksOfALargeFile) {
  const LoopMount xfs("xfs", tier.archive, 600 * kMiB);
  std::string content = random_bytes(64 * kMiB, 3);
  write_file(tier.in_archive("large"), content);
  tier.start();
  tier.prefetch("/large");
  overwrite(at("large"), 21 * kMiB, "written hot");
  content.replace(21 * kMiB, 11, "written hot");
  tier.publish();
  EXPECT_EQ(tier.status().published_bytes, 4 * kMiB);
  EXPECT_EQ(tier.status().cloned_bytes, 60 * kMiB);
  EXPECT_EQ(tier.status().patched_files, 1u);
  EXPECT_EQ(read_file(tier.in_archive("large")), content);

  ASSERT_EQ(tier.evict("/large").skipped_files, 0u);
  overwrite(at("large"), 41 * kMiB, "written cold");
  content.replace(41 * kMiB, 12, "written cold");
  tier.publish();
  EXPECT_EQ(tier.status().published_bytes, 8 * kMiB);
  EXPECT_EQ(tier.status().recall_chunks, 1u);
  EXPECT_EQ(read_file(tier.in_archive("large")), content);
  ASSERT_EQ(tier.evict("/large").skipped_files, 0u);
  EXPECT_EQ(read_file(at("large")), content);
  tier.stop();
}

TEST_F(Publish, FollowsAFileThroughItsLife) {
  tier.start();
  fs::create_directories(at("folder/deep"));
  write_file(at("folder/deep/file"), random_bytes(9 * kMiB + 17, 1), 0640);
  check(::chown(at("folder/deep/file").c_str(), 1234, 5678), "chown");
  check(::setxattr(at("folder/deep/file").c_str(), "user.note", "a note", 6, 0), "setxattr");
  expect_replica("writing it");

  overwrite(at("folder/deep/file"), 4 * kMiB - 3, "overwritten");
  expect_replica("overwriting a part");

  fs::create_hard_link(at("folder/deep/file"), at("second name"));
  append_to_file(at("second name"), "appended through the hard link");
  expect_replica("appending through a hard link");

  write_file(at("folder/deep/.file.tmp"), random_bytes(5 * kMiB, 2));
  fs::rename(at("folder/deep/.file.tmp"), at("folder/deep/file"));
  expect_replica("a save by rename");

  fs::rename(at("folder"), at("another folder"));
  expect_replica("renaming its folder");

  check(::chmod(at("another folder/deep/file").c_str(), 0600), "chmod");
  check(::chmod(at("another folder").c_str(), 0711), "chmod");
  check(::removexattr(at("second name").c_str(), "user.note"), "removexattr");
  expect_replica("changing attributes");

  check(::truncate(at("another folder/deep/file").c_str(), 3 * kMiB), "truncate");
  check(::truncate(at("another folder/deep/file").c_str(), 6 * kMiB), "truncate");
  expect_replica("truncating and growing");

  fs::remove(at("second name"));
  expect_replica("unlinking one name");
  fs::remove(at("another folder/deep/file"));
  expect_replica("unlinking the last");
  fs::remove_all(at("another folder"));
  expect_replica("removing the folder");
  EXPECT_TRUE(describe_tree(tier.archive).empty());
}

TEST_F(Publish, KeepsWhatIsNotAFileToo) {
  tier.start();
  fs::create_symlink("nowhere", at("dangling"));
  check(::mkfifo(at("fifo").c_str(), 0600), "mkfifo");
  fs::create_directory(at("empty folder"));
  write_file(at("empty"), "");
  write_file(at("name with\nnewline and \xff"), "x");
  write_file(at("sparse"), "");
  check(::truncate(at("sparse").c_str(), 64 * kMiB), "truncate");
  overwrite(at("sparse"), 40 * kMiB, "island");
  expect_replica("making them");
  struct stat st {};
  check(::stat(tier.in_archive("sparse").c_str(), &st), "stat");
  EXPECT_LT(st.st_blocks * 512, static_cast<off_t>(8 * kMiB)) << "holes stay holes";
}

TEST_F(Publish, SortsOutNamesThatChangedPlaces) {
  tier.start();
  for (const char* name : {"a", "b", "c"}) write_file(at(name), random_bytes(kMiB, name[0]));
  fs::create_directory(at("d"));
  write_file(at("d/e"), "e");
  expect_replica("writing them");
  // A ring of names, and an exchange of a file with a folder.
  fs::rename(at("a"), at("t"));
  fs::rename(at("b"), at("a"));
  fs::rename(at("c"), at("b"));
  fs::rename(at("t"), at("c"));
  check(::renameat2(AT_FDCWD, at("a").c_str(), AT_FDCWD, at("d").c_str(), RENAME_EXCHANGE), "swap");
  expect_replica("a ring and an exchange");
}

TEST_F(Publish, FollowsChangesOfImportedFiles) {
  fs::create_directory(tier.in_archive("old"));
  write_file(tier.in_archive("old/big"), random_bytes(13 * kMiB, 3));
  write_file(tier.in_archive("old/small"), "small");
  fs::create_hard_link(tier.in_archive("old/small"), tier.in_archive("linked"));
  tier.start();
  overwrite(at("old/big"), 6 * kMiB, "one chunk changes");
  append_to_file(at("linked"), "er");
  fs::rename(at("old"), at("new"));
  expect_replica("changing them");
  EXPECT_EQ(read_file(tier.in_archive("new/small")), "smaller");
}

TEST_F(Publish, HappensByItselfOnceAFileHasSettled) {
  tier.settings["settle_s"] = "0.1";
  tier.start();
  write_file(at("file"), "soon there");
  eventually("the file is in the archive", [&] { return fs::exists(tier.in_archive("file")); });
  EXPECT_EQ(read_file(tier.in_archive("file")), "soon there");
}

TEST_F(Publish, LeavesAFileAloneThatIsOpenForWriting) {
  tier.settings["settle_s"] = "0";
  tier.start();
  UniqueFd writer(::open(at("open").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
  check(::write(writer.get(), "half", 4), "write");
  write_file(at("closed"), "whole");
  tier.publish("/closed");
  EXPECT_FALSE(fs::exists(tier.in_archive("open")));
  auto progress = tier.client().start_publish({"/open"});
  ASSERT_TRUE(progress) << progress.error().text();
  eventually("the publish says what it waits for", [&] {
    progress = tier.client().publish_progress(progress.value().id);
    return progress && !progress->waiting.empty();
  });
  EXPECT_TRUE(progress->waiting.front().open_for_writing) << progress->waiting.front().reason;
  check(::write(writer.get(), " and half", 9), "write");
  writer.reset();
  tier.publish();
  EXPECT_EQ(read_file(tier.in_archive("open")), "half and half");
}

TEST_F(Publish, EndsWithAListWhenWhatIsLeftNeedsSomebodyToAct) {
  fs::create_directory(tier.in_archive("locked"));
  tier.start();
  make_immutable(tier.in_archive("locked"), FS_IMMUTABLE_FL);
  fs::create_directories(at("locked/deep"));
  write_file(at("locked/deep/file"), "ours");
  write_file(at("other"), "published all the same");
  const auto published = tier.tierctl({"publish", "--wait", "/"});
  make_immutable(tier.in_archive("locked"), 0);
  EXPECT_EQ(published.exit_code, 1) << published.text;
  EXPECT_THAT(published.out, ::testing::HasSubstr("/locked/deep: "));
  EXPECT_EQ(read_file(tier.in_archive("other")), "published all the same");
  expect_replica("taking the obstacle away");
}

TEST_F(Publish, OfOneFilePublishesTheFoldersThatItNeeds) {
  tier.start();
  fs::create_directories(at("a/b"));
  write_file(at("a/b/wanted"), "wanted");
  write_file(at("a/b/not asked for"), "x");
  const auto published = tier.tierctl({"publish", "--wait", "/a/b/wanted"});
  EXPECT_EQ(published.exit_code, 0) << published.text;
  EXPECT_EQ(read_file(tier.in_archive("a/b/wanted")), "wanted");
}

}  // namespace
}  // namespace tierhub::test::publish_test
