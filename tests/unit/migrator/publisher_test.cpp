#include "migrator/publish/publisher.h"

#include <filesystem>
#include <fstream>

#include <fcntl.h>
#include <sys/stat.h>

#include <gtest/gtest.h>
#include <stdio.h>

#include "common/metrics.h"
#include "tests/unit/migrator/tier_by_path.h"

namespace tierhub::test::publisher_test {
namespace {

namespace fs = std::filesystem;

std::string read_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class PublisherTest : public ::testing::Test {
 protected:
  // Publishes; then both sides are equal and nothing is left to do.
  void expect_replica() {
    world_.publish();
    EXPECT_EQ(world_.difference(), "");
    EXPECT_EQ(world_.journal_keys(), 0u);
    EXPECT_EQ(world_.staged(), std::vector<std::string>{});
    EXPECT_TRUE(value_of(world_.catalog->intents()).empty());
    EXPECT_TRUE(value_of(world_.catalog->base_children(kAsideInode)).empty());
    for (const auto& entry : fs::directory_iterator(world_.in_archive(kAsideFolder))) {
      ADD_FAILURE() << "left aside: " << entry.path();
    }
  }

  TierByPath world_;
};

TEST_F(PublisherTest, PublishesANewTree) {
  world_.make_folder("data", 0750);
  world_.make_folder("data/deep");
  world_.make_folder("data/deep/deeper");
  world_.write("data/deep/deeper/image.tif", std::string(3 * kChunk + 17, 'x'));
  world_.write("data/empty", "");
  world_.write("top.txt", "hello");
  world_.symlink("../top.txt", "data/link");
  value_of(world_.fs->mknod(kRootInode, "pipe", S_IFIFO | 0600, 0, {}));
  expect_replica();
  EXPECT_EQ(world_.state("data/deep/deeper/image.tif"), FileState::hot);
}

TEST_F(PublisherTest, OverwritesAChangedFileWithOneExchange) {
  world_.write("file", "old");
  world_.publish();
  world_.write("file", "something new");
  expect_replica();
  EXPECT_EQ(world_.archive_tree().size(), 1u);
}

TEST_F(PublisherTest, PublishesOnlyOnceWhatDidNotChange) {
  world_.write("file", "text");
  world_.publish();
  const uint64_t files = metrics().published_files.value();
  const FileHandle handle = world_.open("file", O_RDWR);
  world_.close(world_.inode("file"), handle);
  expect_replica();
  EXPECT_EQ(metrics().published_files.value(), files);
}

TEST_F(PublisherTest, SavesByRename) {
  world_.write("doc", "version 1");
  world_.publish();
  world_.write("doc.tmp", "version 2");
  world_.rename("doc.tmp", "doc");
  expect_replica();
}

TEST_F(PublisherTest, SavesByRenameOfAPublishedFile) {
  world_.write("doc", "version 1");
  world_.write("doc.tmp", "version 2");
  world_.publish();
  world_.rename("doc.tmp", "doc");
  expect_replica();
}

TEST_F(PublisherTest, KeepsTheBackupOfAnEditor) {
  world_.write("doc", "version 1");
  world_.publish();
  world_.rename("doc", "doc~");
  world_.write("doc", "version 2");
  expect_replica();
}

TEST_F(PublisherTest, ExchangesTwoFiles) {
  world_.write("a", "was a");
  world_.write("b", "was b");
  world_.publish();
  world_.rename("a", "b", RENAME_EXCHANGE);
  expect_replica();
}

TEST_F(PublisherTest, ExchangesAFileAndAFolder) {
  world_.make_folder("a");
  world_.write("a/in", "in a");
  world_.write("b", "was b");
  world_.publish();
  world_.rename("a", "b", RENAME_EXCHANGE);
  expect_replica();
}

TEST_F(PublisherTest, RotatesThreeNames) {
  for (const char* name : {"a", "b", "c"}) world_.write(name, std::string("was ") + name);
  world_.publish();
  world_.rename("a", "t");
  world_.rename("b", "a");
  world_.rename("c", "b");
  world_.rename("t", "c");
  expect_replica();
}

TEST_F(PublisherTest, TurnsAFolderInsideOut) {
  world_.make_folder("a");
  world_.make_folder("a/b");
  world_.write("a/in_a", "1");
  world_.write("a/b/in_b", "2");
  world_.publish();
  world_.rename("a/b", "b");
  world_.rename("a", "b/a");
  expect_replica();
}

TEST_F(PublisherTest, TurnsAFolderInsideOutUnderItsOldName) {
  world_.make_folder("a");
  world_.make_folder("a/b");
  world_.write("a/in_a", "1");
  world_.write("a/b/in_b", "2");
  world_.publish();
  world_.rename("a/b", "t");
  world_.rename("a", "t/b");
  world_.rename("t", "a");
  expect_replica();
}

TEST_F(PublisherTest, SwapsTwoFoldersWithTheirContent) {
  world_.make_folder("x");
  world_.make_folder("y");
  world_.write("x/file", "x");
  world_.write("y/file", "y");
  world_.publish();
  world_.rename("x", "y", RENAME_EXCHANGE);
  world_.write("x/file", "new in what was y");
  expect_replica();
}

TEST_F(PublisherTest, FollowsAFolderThatIsRenamedWhileItsContentIsNew) {
  world_.make_folder("old");
  world_.write("old/one", "1");
  world_.publish();
  world_.write("old/two", "2");
  world_.rename("old", "new");
  world_.write("new/three", "3");
  expect_replica();
}

TEST_F(PublisherTest, LinksFurtherNames) {
  world_.write("one", "text");
  world_.link("one", "two");
  world_.make_folder("d");
  world_.link("one", "d/three");
  expect_replica();
}

TEST_F(PublisherTest, KeepsHardLinksTogetherWhenTheContentChanges) {
  world_.write("one", "text");
  world_.link("one", "two");
  world_.link("one", "three");
  world_.publish();
  world_.write("two", "other text");
  expect_replica();
}

TEST_F(PublisherTest, ReplacesOneOfSeveralNames) {
  world_.write("one", "text");
  world_.link("one", "two");
  world_.publish();
  world_.write("new", "new");
  world_.rename("new", "two");
  expect_replica();
  world_.remove("one");
  expect_replica();
}

TEST_F(PublisherTest, MovesANameOfSeveral) {
  world_.write("one", "text");
  world_.link("one", "two");
  world_.publish();
  world_.rename("two", "three");
  world_.remove("one");
  expect_replica();
}

TEST_F(PublisherTest, RemovesATree) {
  world_.make_folder("a");
  world_.make_folder("a/b");
  world_.write("a/b/1", "1");
  world_.write("a/2", "2");
  world_.publish();
  world_.remove_tree("a");
  expect_replica();
  EXPECT_TRUE(world_.archive_tree().empty());
}

TEST_F(PublisherTest, ReplacesATreeByAFileOfTheSameName) {
  world_.make_folder("a");
  world_.write("a/1", "1");
  world_.publish();
  world_.remove_tree("a");
  world_.write("a", "a file");
  expect_replica();
}

TEST_F(PublisherTest, NeverPublishesWhatWasRemovedFirst) {
  world_.make_folder("a");
  world_.write("a/tmp", "1");
  world_.remove_tree("a");
  expect_replica();
}

TEST_F(PublisherTest, PublishesAnUnpublishedFileUnderItsLastName) {
  world_.write("first", "1");
  world_.rename("first", "second");
  world_.rename("second", "third");
  expect_replica();
  EXPECT_EQ(world_.archive_tree().size(), 1u);
}

TEST_F(PublisherTest, FollowsModeTimesAndExtendedAttributes) {
  world_.write("file", "1");
  world_.make_folder("d");
  world_.publish();
  world_.change_mode("file", 0600);
  world_.change_mode("d", 0711);
  world_.set_mtime("file", 1'000'000'000);
  world_.set_mtime("d", 1'000'000'001);
  world_.set_xattr("file", "user.note", "about the file");
  world_.set_xattr("d", "user.note", "about the folder");
  expect_replica();
}

TEST_F(PublisherTest, PublishesAFileThatIsNotOpenedAgainAfterATruncation) {
  world_.write("file", std::string(3 * kChunk, 'a'));
  world_.publish();
  world_.truncate("file", kChunk + 5);
  expect_replica();
  world_.truncate("file", 2 * kChunk);
  expect_replica();
}

TEST_F(PublisherTest, SetsAnOccupantWithANameElsewhereAside) {
  world_.make_folder("d");
  world_.write("d/file", "in d");
  world_.write("other", "other");
  world_.publish();
  world_.rename("d", "e");
  world_.write("d", "now a file");
  expect_replica();
}

TEST_F(PublisherTest, WaitsForAFileThatIsOpenForWriting) {
  world_.write("file", "1");
  const InodeNumber file = world_.inode("file");
  const FileHandle handle = world_.open("file", O_WRONLY);
  world_.publish();
  EXPECT_TRUE(world_.archive_tree().empty());
  const auto pending = value_of(world_.publisher->pending({"/"}));
  ASSERT_FALSE(pending.waiting.empty());
  EXPECT_EQ(pending.waiting.back().cause, Publisher::Pending::Cause::writer);
  EXPECT_EQ(pending.waiting.back().reason, "open for writing");
  world_.close(file, handle);
  expect_replica();
}

TEST_F(PublisherTest, LetsAChangedFileRestUnlessItIsDemanded) {
  world_.options.publisher.settle_s = 3600;
  world_.restart();
  world_.make_folder("d");
  world_.write("d/file", "1");
  world_.write("other", "2");
  value_of(world_.publisher->run_round(Publisher::Urgency::settled));
  EXPECT_TRUE(world_.archive_tree().empty());
  world_.publisher->demand({"/d/"});
  value_of(world_.publisher->run_round(Publisher::Urgency::settled));
  EXPECT_TRUE(fs::exists(world_.in_archive("d/file")));
  EXPECT_FALSE(fs::exists(world_.in_archive("other")));
}

TEST_F(PublisherTest, PublishesWhatNeverRestsWhenItIsTooOld) {
  world_.options.publisher.settle_s = 3600;
  world_.options.publisher.max_dirty_age_s = 0;
  world_.restart();
  world_.write("file", "1");
  value_of(world_.publisher->run_round(Publisher::Urgency::settled));
  EXPECT_TRUE(world_.archive_tree().empty());
  value_of(world_.publisher->run_round(Publisher::Urgency::settled));
  EXPECT_EQ(world_.archive_tree().size(), 1u);
}

TEST_F(PublisherTest, CountsWhatIsPendingBelowAPath) {
  world_.make_folder("d");
  world_.write("d/file", std::string(1000, 'x'));
  world_.write("other", std::string(10, 'x'));
  const auto all = value_of(world_.publisher->pending({"/"}));
  EXPECT_EQ(all.bytes, 1010u);
  EXPECT_EQ(all.keys, 6u);
  const auto below = value_of(world_.publisher->pending({"/d"}));
  EXPECT_EQ(below.bytes, 1000u);
  EXPECT_EQ(below.keys, 4u);
}

TEST_F(PublisherTest, LeavesAChangedFileThatWasRemovedHere) {
  world_.write("file", "ours");
  world_.publish();
  world_.write_in_archive("file", "theirs, longer");
  world_.remove("file");
  world_.publish();
  EXPECT_EQ(read_text(world_.in_archive("file")), "theirs, longer");
}

TEST_F(PublisherTest, PublishesAParkedKeyWhenTheReasonIsGone) {
  world_.make_folder("d");
  world_.publish();
  world_.let_nothing_be_made_in_archive("d");
  world_.write("d/file", "ours");
  world_.publish();
  EXPECT_FALSE(world_.parked_reason(JournalKey::of_entry(world_.inode("d"), "file")).empty());
  const auto pending = value_of(world_.publisher->pending({"/"}));
  EXPECT_TRUE(std::any_of(pending.waiting.begin(), pending.waiting.end(), [](const auto& one) {
    return one.cause == Publisher::Pending::Cause::parked;
  }));
  world_.let_be_made_in_archive("d");
  world_.publisher->retry_parked();
  expect_replica();
}

TEST_F(PublisherTest, StopsWhenTheArchiveIsAway) {
  world_.write("file", "1");
  fs::rename(world_.in_archive(".tierhub"), world_.in_archive("hidden"));
  const auto round = world_.publisher->run_round(Publisher::Urgency::demanded);
  ASSERT_FALSE(round.has_value());
  EXPECT_TRUE(is_archive_wide(round.error()));
  fs::rename(world_.in_archive("hidden"), world_.in_archive(".tierhub"));
  expect_replica();
}

TEST_F(PublisherTest, RecoversOnceTheArchiveIsBack) {
  world_.write("file", "1");
  fs::rename(world_.in_archive(".tierhub/id"), world_.in_archive("hidden"));
  EXPECT_TRUE(world_.publisher->recover().has_value());
  EXPECT_FALSE(world_.publisher->run_round(Publisher::Urgency::demanded).has_value());
  fs::rename(world_.in_archive("hidden"), world_.in_archive(".tierhub/id"));
  expect_replica();
}

TEST_F(PublisherTest, PublishesMoreKeysThanAWaveTakes) {
  world_.options.publisher.wave_keys = 3;
  world_.restart();
  world_.make_folder("d");
  for (int i = 0; i < 20; ++i) world_.write("d/" + std::to_string(i), std::to_string(i));
  expect_replica();
  for (int i = 0; i < 20; ++i)
    world_.rename("d/" + std::to_string(i), "d/renamed" + std::to_string(i));
  expect_replica();
  world_.remove_tree("d");
  expect_replica();
}

TEST_F(PublisherTest, CopiesLargeFilesBesideTheRounds) {
  world_.options.publisher.long_copy_bytes = kChunk;
  world_.options.publisher.long_copies = 1;
  world_.restart();
  world_.write("large", std::string(2 * kChunk, 'l'));
  world_.write("larger", std::string(3 * kChunk, 'm'));
  world_.write("small", "s");
  world_.publish();
  EXPECT_TRUE(fs::exists(world_.in_archive("small")));
  EXPECT_TRUE(world_.publish_to_the_end());
  EXPECT_EQ(world_.difference(), "");
  EXPECT_EQ(world_.staged(), std::vector<std::string>{});
  world_.write("large", std::string(4 * kChunk, 'n'));
  world_.publish();
  // What is written while it is copied makes the copy worthless.
  world_.write_at("large", 7, "again");
  EXPECT_TRUE(world_.publish_to_the_end());
  EXPECT_EQ(world_.difference(), "");
  EXPECT_EQ(world_.staged(), std::vector<std::string>{});
}

TEST_F(PublisherTest, ForgetsTheCopyOfAFileThatWasRemoved) {
  world_.options.publisher.long_copy_bytes = kChunk;
  world_.restart();
  world_.write("large", std::string(2 * kChunk, 'l'));
  world_.publish();
  world_.remove("large");
  EXPECT_TRUE(world_.publish_to_the_end());
  world_.publisher->stop();
  world_.publish();
  EXPECT_EQ(world_.staged(), std::vector<std::string>{});
  EXPECT_TRUE(world_.archive_tree().empty());
}

TEST_F(PublisherTest, PublishesFromItsOwnThread) {
  world_.options.publisher.threading = Publisher::Options::Threading::own_thread;
  world_.options.publisher.settle_s = 0;
  world_.options.publisher.tick_s = 0.01;
  world_.restart();
  world_.write("file", "1");
  world_.publisher->start();
  world_.publisher->something_closed();
  const auto deadline = SteadyClock::now() + std::chrono::seconds(20);
  while (world_.journal_keys() > 0 && SteadyClock::now() < deadline) std::this_thread::yield();
  world_.publisher->stop();
  EXPECT_EQ(world_.difference(), "");
}

TEST(PublisherWithoutRenameFlags, PublishesAndReplaces) {
  TierByPath world(PosixArchive::RenameFlags::avoid);
  world.make_folder("d");
  world.write("d/file", "1");
  world.write("other", "2");
  world.publish();
  EXPECT_EQ(world.difference(), "");
  world.write("d/file", "3");
  world.rename("d", "e");
  world.rename("other", "e/file");
  world.publish();
  EXPECT_EQ(world.difference(), "");
  EXPECT_EQ(world.journal_keys(), 0u);
}

}  // namespace
}  // namespace tierhub::test::publisher_test
