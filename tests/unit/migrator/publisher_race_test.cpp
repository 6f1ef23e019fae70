// What others do between two steps of a round: people in the mount, and people in the archive.
#include <filesystem>
#include <fstream>
#include <functional>

#include <fcntl.h>

#include <gtest/gtest.h>

#include "common/fault_points.h"
#include "tests/unit/migrator/tier_by_path.h"

namespace tierhub::test::publisher_race_test {
namespace {

namespace fs = std::filesystem;

std::string read_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

struct Crash {};

std::function<void()> at_step;

class PublisherRace : public ::testing::Test {
 protected:
  void TearDown() override { arm_fault_point("", 1, nullptr); }
  // `meanwhile` runs once in the next round, when it is at `step`.
  static void at(const char* step, std::function<void()> meanwhile) {
    at_step = std::move(meanwhile);
    arm_fault_point(step, 1, [] { at_step(); });
  }
  void crash_at(const char* step) {
    at(step, [] { throw Crash{}; });
    EXPECT_THROW(world_.publish(), Crash);
    arm_fault_point("", 1, nullptr);
  }
  void expect_replica() {
    world_.publish();
    EXPECT_EQ(world_.difference(), "");
    EXPECT_EQ(world_.journal_keys(), 0u);
    EXPECT_EQ(world_.staged(), std::vector<std::string>{});
  }
  // Ours stands in the archive beside `name`, and nothing waits.
  void expect_kept(const std::string& name, const std::string& text) {
    std::vector<std::string> kept;
    for (const auto& [path, shown] : world_.archive_tree()) {
      if (path.starts_with(name + " (tierhub conflict ")) kept.push_back(path);
    }
    ASSERT_EQ(kept.size(), 1u);
    EXPECT_EQ(read_text(world_.in_archive(kept[0])), text);
    EXPECT_EQ(world_.journal_keys(), 0u);
  }

  TierByPath world_;
};

TEST_F(PublisherRace, DoesNotPlaceWhatAWriterOpenedMeanwhile) {
  world_.write("file", "whole");
  std::optional<FileHandle> handle;
  at("publish.after_stage", [&] { handle = world_.open("file", O_WRONLY); });
  world_.publish();
  ASSERT_TRUE(handle.has_value());
  EXPECT_TRUE(world_.archive_tree().empty());
  EXPECT_EQ(world_.staged(), std::vector<std::string>{});
  world_.close(world_.inode("file"), *handle);
  expect_replica();
}

TEST_F(PublisherRace, KeepsWhatIsWrittenAfterTheIntentDirty) {
  world_.write("file", "first");
  at("publish.after_intent", [&] { world_.write("file", "second, longer"); });
  world_.publish();
  expect_replica();
  EXPECT_EQ(read_text(world_.in_archive("file")), "second, longer");
}

TEST_F(PublisherRace, FollowsARenameDuringARound) {
  world_.make_folder("d");
  world_.write("d/file", "text");
  at("publish.after_act", [&] { world_.rename("d", "e"); });
  world_.publish();
  expect_replica();
}

TEST_F(PublisherRace, FollowsARemovalDuringARound) {
  world_.write("file", "text");
  at("publish.after_act", [&] { world_.remove("file"); });
  world_.publish();
  expect_replica();
  EXPECT_TRUE(world_.archive_tree().empty());
}

TEST_F(PublisherRace, FollowsAChangeOfModeDuringARound) {
  world_.write("file", "text");
  at("publish.after_act", [&] { world_.change_mode("file", 0600); });
  world_.publish();
  expect_replica();
}

TEST_F(PublisherRace, TriesAgainWhatFailedInTheRoundInWhichItIsDemanded) {
  world_.make_folder("d");
  world_.publish();
  world_.let_nothing_be_made_in_archive("d");
  world_.write("d/file", "ours");
  world_.write("other", "keeps the round going");
  at("publish.before_commit", [&] {
    world_.let_be_made_in_archive("d");
    world_.publisher->demand({"/d"});
  });
  world_.publish();
  EXPECT_EQ(read_text(world_.in_archive("d/file")), "ours");
  expect_replica();
}

TEST_F(PublisherRace, LeavesAFileThatAppearedBeforeTheAct) {
  world_.write("file", "ours");
  at("publish.after_intent", [&] { world_.write_in_archive("file", "theirs"); });
  world_.publish();
  EXPECT_EQ(read_text(world_.in_archive("file")), "theirs");
  EXPECT_EQ(world_.staged(), std::vector<std::string>{});
  EXPECT_TRUE(value_of(world_.catalog->intents()).empty());
  expect_kept("file", "ours");
}

TEST_F(PublisherRace, KeepsBothOfAFurtherNameThatWasReplacedBeforeTheAct) {
  world_.write("one", "old");
  world_.link("one", "two");
  world_.publish();
  world_.write("one", "new content");
  at("publish.after_intent", [&] {
    fs::remove(world_.in_archive("two"));
    world_.write_in_archive("two", "theirs");
  });
  world_.publish();
  EXPECT_EQ(read_text(world_.in_archive("one")), "new content");
  EXPECT_EQ(read_text(world_.in_archive("two")), "theirs");
  expect_kept("two", "new content");
}

TEST_F(PublisherRace, GivesANameBackThatWasTakenInTheInstantOfACrash) {
  world_.write("file", "old");
  world_.publish();
  world_.write("file", "new content");
  crash_at("publish.after_act");
  // As if the exchange had brought out another file than the one on record.
  const std::string leaf =
      world_.in_archive(std::string(kStagingFolder) + "/" + world_.staged().at(0));
  fs::remove(leaf);
  std::ofstream(leaf) << "theirs";
  world_.restart();
  world_.publish();
  EXPECT_EQ(read_text(world_.in_archive("file")), "theirs");
  expect_kept("file", "new content");
  EXPECT_EQ(world_.staged(), std::vector<std::string>{});
  EXPECT_TRUE(value_of(world_.catalog->intents()).empty());
}

TEST_F(PublisherRace, GivesBackWhatARemovalTookInTheInstantOfACrash) {
  world_.write("file", "old");
  world_.publish();
  world_.remove("file");
  crash_at("publish.after_act");
  const std::string leaf =
      world_.in_archive(std::string(kStagingFolder) + "/" + world_.staged().at(0));
  fs::remove(leaf);
  std::ofstream(leaf) << "theirs";
  world_.restart();
  world_.publish();
  EXPECT_EQ(read_text(world_.in_archive("file")), "theirs");
  EXPECT_EQ(world_.staged(), std::vector<std::string>{});
}

TEST_F(PublisherRace, ClaimsNothingWhenSomeoneReplacedItsFileBeforeTheRestart) {
  world_.write("file", "ours");
  crash_at("publish.after_act");
  fs::remove(world_.in_archive("file"));
  world_.write_in_archive("file", "theirs");
  world_.restart();
  EXPECT_FALSE(value_of(world_.catalog->base({kRootInode, "file"})).has_value());
  world_.publish();
  EXPECT_EQ(read_text(world_.in_archive("file")), "theirs");
}

TEST_F(PublisherRace, KeepsAFileThatIsWrittenToWhileItRestsInStaging) {
  world_.write("file", "old");
  world_.publish();
  world_.write("file", "new content");
  std::ofstream writer(world_.in_archive("file"), std::ios::app);
  at("publish.after_commit", [&] { writer << "more of theirs" << std::flush; });
  world_.publish();
  EXPECT_EQ(read_text(world_.in_archive("file")), "new content");
  std::vector<std::string> kept;
  for (const auto& entry : fs::directory_iterator(world_.in_archive(kAsideFolder)))
    kept.push_back(entry.path());
  ASSERT_EQ(kept.size(), 1u);
  EXPECT_EQ(read_text(kept[0]), "oldmore of theirs");
}

}  // namespace
}  // namespace tierhub::test::publisher_race_test
