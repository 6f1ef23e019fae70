// What is removed here rests in the archive's trash, whatever happens on the way, and comes back as
// it was.
#include "migrator/publish/trash.h"

#include <filesystem>
#include <fstream>

#include <fcntl.h>
#include <sys/stat.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/fault_points.h"
#include "tests/unit/migrator/tier_by_path.h"

namespace tierhub::test::trash_test {
namespace {

namespace fs = std::filesystem;

std::string read_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

struct Crash {};

class TrashTest : public ::testing::Test {
 protected:
  TrashTest() { start({}); }
  void TearDown() override { arm_fault_point("", 1, nullptr); }

  void start(const Trash::Options& options) {
    world_.options.trash = options;
    world_.restart();
  }
  std::vector<std::string> listed(const std::string& path = "") {
    std::vector<std::string> paths;
    value_of(world_.trash->visit(path, [&](const Trash::Item& item) {
      paths.push_back(item.path);
      return true;
    }));
    std::sort(paths.begin(), paths.end());
    return paths;
  }
  void restore(const std::string& path, const std::string& target) {
    value_of(world_.trash->restore(path, target));
    world_.scan();
  }
  // Days of the trash, by what `.tierhub/trash` holds.
  std::vector<std::string> days() {
    std::vector<std::string> all;
    for (const auto& entry : fs::directory_iterator(world_.in_archive(kTrashFolder)))
      all.push_back(entry.path().filename());
    std::sort(all.begin(), all.end());
    return all;
  }

  TierByPath world_;
};

TEST_F(TrashTest, BringsARemovedTreeBackAsItWas) {
  world_.make_folder("a", 0750);
  world_.make_folder("a/b", 0711);
  world_.write("a/b/file", "content");
  world_.link("a/b/file", "a/link");
  world_.symlink("b/file", "a/symlink");
  world_.set_xattr("a/b/file", "user.note", "note");
  world_.change_mode("a/b/file", 0640);
  world_.set_mtime("a/b/file", 1'000'000'000);
  world_.set_mtime("a/b", 1'000'000'001);
  world_.publish();
  const auto before = world_.archive_tree();
  world_.remove_tree("a");
  world_.publish();
  EXPECT_TRUE(world_.archive_tree().empty());
  EXPECT_EQ(listed(), (std::vector<std::string>{"a", "a/b", "a/b/file", "a/link", "a/symlink"}));
  restore("a", "a");
  EXPECT_EQ(world_.archive_tree(), before);
  EXPECT_EQ(world_.inode("a/b/file"), world_.inode("a/link"));
  EXPECT_EQ(world_.journal_keys(), 0u);
  EXPECT_TRUE(listed().empty());
}

TEST_F(TrashTest, ShowsOnlyWhatWasRemoved) {
  world_.make_folder("a");
  world_.write("a/removed", "removed");
  world_.write("a/stays", "stays");
  world_.publish();
  world_.remove("a/removed");
  world_.publish();
  EXPECT_EQ(listed(), std::vector<std::string>{"a/removed"});
  EXPECT_EQ(listed("a"), std::vector<std::string>{"a/removed"});
  EXPECT_TRUE(listed("b").empty());
  restore("a", "a");
  EXPECT_EQ(read_text(world_.in_archive("a/removed")), "removed");
  EXPECT_EQ(read_text(world_.in_archive("a/stays")), "stays");
}

TEST_F(TrashTest, KeepsEachOfSeveralFilesWithOnePath) {
  for (const char* text : {"first", "second"}) {
    world_.write("file", text);
    world_.publish();
    world_.remove("file");
    world_.publish();
  }
  world_.make_folder("file");
  world_.write("file/in", "third");
  world_.publish();
  world_.remove_tree("file");
  world_.publish();
  EXPECT_EQ(listed(), (std::vector<std::string>{"file", "file", "file", "file/in"}));
  restore("file", "newest");
  EXPECT_EQ(read_text(world_.in_archive("newest/in")), "third");
  restore("file", "second newest");
  EXPECT_EQ(read_text(world_.in_archive("second newest")), "second");
}

TEST_F(TrashTest, ReplacesNothingWhenItRestores) {
  world_.write("file", "removed");
  world_.publish();
  world_.remove("file");
  world_.publish();
  world_.write("file", "new");
  world_.publish();
  const auto restored = world_.trash->restore("file", "file");
  ASSERT_FALSE(restored.has_value());
  EXPECT_TRUE(restored.error().is(std::errc::file_exists));
  const auto nowhere = world_.trash->restore("file", "no folder/file");
  ASSERT_FALSE(nowhere.has_value());
  EXPECT_TRUE(nowhere.error().is(std::errc::no_such_file_or_directory));
  EXPECT_EQ(read_text(world_.in_archive("file")), "new");
  EXPECT_EQ(listed(), std::vector<std::string>{"file"});
}

TEST_F(TrashTest, KeepsOldVersionsOnlyIfItIsTold) {
  const auto replace_twice = [&] {
    world_.write("file", "new content");
    world_.publish();
    world_.write("tmp", "saved by rename");
    world_.rename("tmp", "file");
    world_.publish();
  };
  world_.write("file", "first");
  world_.publish();
  replace_twice();
  EXPECT_TRUE(listed().empty());
  Trash::Options options;
  options.replaced = true;
  start(options);
  replace_twice();
  EXPECT_EQ(listed(), (std::vector<std::string>{"file", "file"}));
}

TEST_F(TrashTest, HasAFolderUnderItsPathThoughAnotherTookItsPlace) {
  world_.make_folder("A");
  world_.make_folder("A/sub");
  world_.write("A/e3.tif", "removed");
  world_.write("A/sub/deep.tif", "deep");
  world_.publish();
  world_.remove_tree("A");
  world_.make_folder("A");
  world_.write("A/new", "new");
  ASSERT_TRUE(world_.publish_to_the_end());
  EXPECT_EQ(listed(), (std::vector<std::string>{"A", "A/e3.tif", "A/sub", "A/sub/deep.tif"}));
  restore("A", "A");
  EXPECT_EQ(read_text(world_.in_archive("A/e3.tif")), "removed");
  EXPECT_EQ(read_text(world_.in_archive("A/sub/deep.tif")), "deep");
  EXPECT_EQ(read_text(world_.in_archive("A/new")), "new");
}

TEST_F(TrashTest, HasAFileThoughAnotherWasMadeInItsPlace) {
  for (const char* name : {"written", "linked", "moved", "folder"}) world_.write(name, name);
  world_.write("source", "source");
  world_.publish();
  // While somebody reads what only the archive has, it has to make room.
  world_.write_in_archive("open", "open");
  world_.scan();
  const InodeNumber reader = world_.inode("open");
  const FileHandle handle = world_.open("open", O_RDONLY);
  for (const char* name : {"written", "linked", "moved", "folder", "open"}) world_.remove(name);
  world_.write("written", "new");
  world_.link("source", "linked");
  world_.publish();
  world_.rename("source", "moved");
  world_.make_folder("folder");
  world_.write("open", "new");
  world_.publish();
  EXPECT_EQ(read_text(world_.in_archive("open")), "new");
  world_.close(reader, handle);
  ASSERT_TRUE(world_.publish_to_the_end());
  EXPECT_EQ(listed(), (std::vector<std::string>{"folder", "linked", "moved", "open", "written"}));
  restore("written", "back");
  EXPECT_EQ(read_text(world_.in_archive("back")), "written");
  EXPECT_EQ(read_text(world_.in_archive("written")), "new");
}

TEST_F(TrashTest, HasNothingThatWasReplacedByARename) {
  for (const char* name : {"a", "b", "c"}) world_.write(name, name);
  world_.make_folder("d");
  world_.make_folder("e");
  world_.publish();
  world_.rename("a", "b");  // both are in the archive
  world_.write("new", "not in the archive yet");
  world_.rename("new", "c");
  world_.rename("d", "e");
  ASSERT_TRUE(world_.publish_to_the_end());
  EXPECT_TRUE(listed().empty());
  EXPECT_EQ(world_.difference(), "");
}

TEST_F(TrashTest, TakesWhatWasRemovedTooOftenUnderANameOfItsOwn) {
  Trash::Options options;
  options.most_days_of_a_path = 2;
  start(options);
  world_.make_folder("d");
  for (const char* text : {"1", "2", "3", "4"}) {
    world_.write("d/scan.tif", text);
    world_.publish();
    world_.remove("d/scan.tif");
    world_.publish();
  }
  const auto all = listed();
  ASSERT_EQ(all.size(), 4u);
  EXPECT_EQ(world_.journal_keys(), 0u);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_TRUE(all[i].starts_with("d/scan (removed ") && all[i].ends_with(").tif")) << all[i];
  }
  EXPECT_NE(all[0], all[1]);
  restore(all[0], "d/back.tif");
  EXPECT_THAT(read_text(world_.in_archive("d/back.tif")), ::testing::AnyOf("3", "4"));
}

TEST_F(TrashTest, TakesWhatHasTheLongestPath) {
  constexpr size_t kLongestPath = 4095;
  constexpr size_t kLongestName = 255;
  const std::string name(200, 'n');
  std::string folder;
  while (kLongestPath - folder.size() - 1 > kLongestName) {
    folder += (folder.empty() ? "" : "/") + name;
    world_.make_folder(folder);
  }
  const size_t rest = kLongestPath - folder.size() - 1;
  const std::string file = folder + "/" + std::string(rest - 4, 'f') + ".tif";
  ASSERT_EQ(file.size(), kLongestPath);
  world_.write(file, "deep");
  ASSERT_TRUE(world_.publish_to_the_end());
  world_.remove(file);
  ASSERT_TRUE(world_.publish_to_the_end());
  const auto all = listed();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_TRUE(all[0].starts_with("unnamed/fff") && all[0].ends_with(").tif")) << all[0];
  restore(all[0], "back.tif");
  EXPECT_EQ(read_text(world_.in_archive("back.tif")), "deep");
}

TEST_F(TrashTest, ThatTakesNothingLeavesEverythingWhereItIs) {
  fs::create_directories(world_.in_archive(kTrashFolder));
  for (const char* name : {"removed", "replaced"}) world_.write(name, "old");
  world_.publish();
  world_.remove("removed");
  world_.remove("replaced");
  world_.write("replaced", "new");
  world_.let_nothing_be_made_in_archive(kTrashFolder);
  world_.publish();
  EXPECT_EQ(read_text(world_.in_archive("removed")), "old");
  EXPECT_EQ(read_text(world_.in_archive("replaced")), "old");
  EXPECT_THAT(world_.parked_reason(JournalKey::of_entry(kRootInode, "removed")),
              ::testing::HasSubstr("trash"));
  EXPECT_THAT(world_.parked_reason(JournalKey::of_entry(kRootInode, "replaced")),
              ::testing::HasSubstr("trash"));
  EXPECT_EQ(world_.staged(), std::vector<std::string>{});
  world_.restart();
  world_.publish();
  EXPECT_EQ(read_text(world_.in_archive("removed")), "old");
  world_.let_be_made_in_archive(kTrashFolder);
  ASSERT_TRUE(world_.publish_to_the_end());
  EXPECT_EQ(read_text(world_.in_archive("replaced")), "new");
  EXPECT_EQ(listed(), (std::vector<std::string>{"removed", "replaced"}));
}

TEST_F(TrashTest, ThatTakesNothingAtARecoveryLeavesEverythingWhereItWas) {
  for (const bool replaced : {false, true}) {
    SCOPED_TRACE(replaced);
    TierByPath world;
    world.options.trash = Trash::Options();
    world.restart();
    fs::create_directories(world.in_archive(kTrashFolder));
    world.write("file", "old");
    world.publish();
    world.remove("file");
    if (replaced) world.write("file", "new");
    arm_fault_point("publish.after_intent", 1, [] { throw Crash{}; });
    EXPECT_THROW(world.publish(), Crash);
    arm_fault_point("", 1, nullptr);
    // As if it had died right behind the act.
    const auto intents = value_of(world.catalog->intents());
    ASSERT_EQ(intents.size(), 1u);
    const auto version = value_of(world.archive->stat("file")).value();
    const std::string& leaf = intents.begin()->second.staged_leaf;
    if (replaced) {
      value_of(world.archive->place(leaf, "file", version));
    } else {
      value_of(world.archive->remove("file", version, leaf));
    }
    world.let_nothing_be_made_in_archive(kTrashFolder);
    world.restart();
    world.publish();
    EXPECT_EQ(read_text(world.in_archive("file")), "old");
    EXPECT_EQ(world.staged(), std::vector<std::string>{});
    world.let_be_made_in_archive(kTrashFolder);
    ASSERT_TRUE(world.publish_to_the_end());
    std::vector<std::string> paths;
    value_of(world.trash->visit("", [&](const Trash::Item& item) {
      paths.push_back(item.path);
      return true;
    }));
    EXPECT_EQ(paths, std::vector<std::string>{"file"});
    EXPECT_EQ(fs::exists(world.in_archive("file")), replaced);
  }
}

TEST_F(TrashTest, HasWhatMadeRoomForSomethingElseWhereverTheProcessDies) {
  for (const char* step : {"publish.after_intent", "trash.after_take", "publish.after_act",
                           "publish.before_commit", "publish.after_commit"}) {
    for (const auto death : {TierByPath::Death::killed, TierByPath::Death::power_lost}) {
      for (int nth = 1; nth <= 4; ++nth) {
        SCOPED_TRACE(std::string(step) + ", time " + std::to_string(nth));
        TierByPath world;
        world.options.trash = Trash::Options();
        world.options.publisher.lanes = 1;
        world.restart();
        world.make_folder("A");
        world.write("A/e3", "old");
        world.write("f", "old");
        world.publish();
        world.remove_tree("A");
        world.make_folder("A");
        world.remove("f");
        world.write("f", "new");
        value_of(world.catalog->sync());
        arm_fault_point(step, nth, [] { throw Crash{}; });
        try {
          world.publish();
        } catch (const Crash&) {
        }
        arm_fault_point("", 1, nullptr);
        world.restart(death);
        ASSERT_TRUE(world.publish_to_the_end());
        EXPECT_EQ(world.staged(), std::vector<std::string>{});
        std::vector<std::string> paths;
        value_of(world.trash->visit("", [&](const Trash::Item& item) {
          paths.push_back(item.path);
          return true;
        }));
        std::sort(paths.begin(), paths.end());
        EXPECT_EQ(paths, (std::vector<std::string>{"A", "A/e3", "f"}));
      }
    }
  }
}

TEST_F(TrashTest, KeepsNothingWhenItIsOff) {
  Trash::Options options;
  options.days = 0;
  start(options);
  world_.write("file", "text");
  world_.publish();
  world_.remove("file");
  world_.publish();
  EXPECT_TRUE(days().empty());
}

TEST_F(TrashTest, PurgesWhatIsOlderThanItIsTold) {
  world_.make_folder("a");
  for (const char* name : {"a/old", "a/new"}) {
    world_.write(name, name);
    world_.publish();
    world_.remove(name);
    world_.publish();
    if (name == std::string("a/old"))
      fs::rename(world_.in_archive(kTrashFolder) + "/" + days().at(0),
                 world_.in_archive(kTrashFolder) + "/2020-01-01");
    world_.restart();
  }
  EXPECT_EQ(listed(), (std::vector<std::string>{"a/new", "a/old"}));
  EXPECT_EQ(value_of(world_.trash->purge("", 7 * 86400)), 3u);
  EXPECT_EQ(listed(), std::vector<std::string>{"a/new"});
  EXPECT_EQ(value_of(world_.trash->purge("a/new", 0)), 1u);
  EXPECT_TRUE(listed().empty());
  EXPECT_EQ(world_.staged(), std::vector<std::string>{});
}

TEST_F(TrashTest, HasAFileOnceItsLastNameIsRemoved) {
  world_.write("first", "text");
  world_.link("first", "second");
  world_.publish();
  world_.remove("first");
  world_.publish();
  EXPECT_TRUE(listed().empty());
  struct stat st {};
  ASSERT_EQ(::stat(world_.in_archive("second").c_str(), &st), 0);
  EXPECT_EQ(st.st_nlink, 1u);
  world_.remove("second");
  world_.publish();
  EXPECT_EQ(listed(), std::vector<std::string>{"second"});
}

TEST_F(TrashTest, TidiesUpByItself) {
  Trash::Options options;
  options.tick_s = 0.01;
  start(options);
  fs::create_directories(world_.in_archive(kTrashFolder) + "/2020-01-01/a");
  fs::create_directories(world_.in_archive(kTrashFolder) + "/not a day");
  world_.trash->start();
  const auto deadline = SteadyClock::now() + std::chrono::seconds(20);
  while (days().size() > 1 && SteadyClock::now() < deadline) std::this_thread::yield();
  world_.trash->stop();
  EXPECT_EQ(days(), std::vector<std::string>{"not a day"});
}

TEST_F(TrashTest, GivesUpTheOldestDaysWhenTheArchiveIsAlmostFull) {
  Trash::Options options;
  options.tick_s = 0.01;
  options.keep_free_bytes = UINT64_MAX;
  options.keep_free_percent = 101;
  start(options);
  world_.write("file", "text");
  world_.publish();
  world_.remove("file");
  world_.publish();
  world_.trash->start();
  const auto deadline = SteadyClock::now() + std::chrono::seconds(20);
  while (!days().empty() && SteadyClock::now() < deadline) std::this_thread::yield();
  world_.trash->stop();
  EXPECT_TRUE(days().empty());
}

TEST_F(TrashTest, AsksOfASmallArchiveOnlyAPartOfIt) {
  Trash::Options options;
  options.tick_s = 0.01;
  options.keep_free_bytes = UINT64_MAX;
  options.keep_free_percent = 0;
  start(options);
  world_.write("file", "text");
  world_.publish();
  world_.remove("file");
  world_.publish();
  world_.trash->start();
  // Whenever one that is old enough is gone, the thread has looked at all once more.
  for (int i = 0; i < 3; ++i) {
    fs::create_directories(world_.in_archive(kTrashFolder) + "/2001-01-01");
    const auto deadline = SteadyClock::now() + std::chrono::seconds(20);
    while (days().size() > 1 && SteadyClock::now() < deadline) std::this_thread::yield();
  }
  world_.trash->stop();
  ASSERT_EQ(days().size(), 1u);
  EXPECT_NE(days()[0], "2001-01-01");
}

TEST_F(TrashTest, HasWhatWasRemovedWhereverTheProcessDies) {
  for (const char* step : {"publish.after_intent", "trash.after_take", "publish.after_act",
                           "publish.before_commit", "publish.after_commit"}) {
    for (const auto death : {TierByPath::Death::killed, TierByPath::Death::power_lost}) {
      for (int nth = 1; nth <= 2; ++nth) {
        SCOPED_TRACE(std::string(step) + ", time " + std::to_string(nth));
        TierByPath world;
        world.options.trash = Trash::Options();
        world.options.publisher.lanes = 1;
        world.restart();
        world.make_folder("d");
        world.write("d/file", "text");
        world.publish();
        world.remove_tree("d");
        value_of(world.catalog->sync());
        arm_fault_point(step, nth, [] { throw Crash{}; });
        EXPECT_THROW(
            {
              world.publish();
              throw Crash{};  // reached less often
            },
            Crash);
        arm_fault_point("", 1, nullptr);
        world.restart(death);
        world.publish();
        EXPECT_EQ(world.journal_keys(), 0u);
        EXPECT_TRUE(world.archive_tree().empty());
        EXPECT_EQ(world.staged(), std::vector<std::string>{});
        std::vector<std::string> paths;
        value_of(world.trash->visit("", [&](const Trash::Item& item) {
          paths.push_back(item.path);
          return true;
        }));
        EXPECT_EQ(paths, (std::vector<std::string>{"d", "d/file"}));
      }
    }
  }
}

}  // namespace
}  // namespace tierhub::test::trash_test
