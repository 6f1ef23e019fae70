// Many small files that share one sync of scratch: which of them it covers.
#include <filesystem>
#include <fstream>
#include <functional>

#include <fcntl.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "common/fault_points.h"
#include "storage/scratch/object_state.h"
#include "tests/unit/migrator/tier_by_path.h"

namespace tierhub::test::shared_sync_test {
namespace {

std::string read_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::function<void()> at_step;

class SharedSync : public ::testing::Test {
 protected:
  static constexpr int kFiles = 20;

  // The first round begins with the recovery, which harvests by itself.
  void SetUp() override { world_.publish(); }
  void TearDown() override { arm_fault_point("", 1, nullptr); }
  static void at(const char* step, std::function<void()> meanwhile) {
    at_step = std::move(meanwhile);
    arm_fault_point(step, 1, [] { at_step(); });
  }
  static std::string name(int i) { return "file" + std::to_string(i); }
  // Until the clock of the file system has moved on, there is none.
  ObjectStamp stamp(const std::string& path) {
    for (;;) {
      const auto lock = value_of(world_.inodes->lock(world_.inode(path)));
      if (const auto found = value_of(stamp_of(*world_.scratch, *lock))) return *found;
    }
  }
  bool harvest(const std::string& path, const ObjectStamp& stamp) {
    const auto lock = value_of(world_.inodes->lock(world_.inode(path)));
    return value_of(harvest_unchanged(*world_.catalog, *world_.scratch, *lock, stamp,
                                      ScratchSync::already_synced));
  }
  bool is_writing(const std::string& path) {
    const auto lock = value_of(world_.inodes->lock(world_.inode(path)));
    return lock->rec().writing;
  }
  // As somebody writes of whom tierd hears nothing.
  void overwrite_object(const std::string& path, const std::string& text) {
    const auto object = value_of(world_.scratch->open_object(world_.inode(path), O_RDWR));
    ASSERT_EQ(::pwrite(object.get(), text.data(), text.size(), 0),
              static_cast<ssize_t>(text.size()));
  }
  void write_files() {
    for (int i = 0; i < kFiles; ++i) world_.write(name(i), "first");
    stamp(name(kFiles - 1));
  }

  TierByPath world_;
};

TEST_F(SharedSync, HarvestsWhatHasNotChangedSince) {
  world_.write("file", "text");
  EXPECT_TRUE(harvest("file", stamp("file")));
  EXPECT_FALSE(is_writing("file"));
  EXPECT_EQ(value_of(world_.catalog->inode(world_.inode("file")))->attributes.size_bytes, 4u);
}

TEST_F(SharedSync, LeavesWhatWasWrittenToSince) {
  world_.write("file", "text");
  const ObjectStamp before = stamp("file");
  overwrite_object("file", "TEXT");
  EXPECT_FALSE(harvest("file", before));
  EXPECT_TRUE(is_writing("file"));
}

TEST_F(SharedSync, LeavesWhatSomebodyHasOpen) {
  world_.write("file", "text");
  const ObjectStamp before = stamp("file");
  const FileHandle handle = world_.open("file", O_WRONLY);
  EXPECT_FALSE(harvest("file", before));
  world_.close(world_.inode("file"), handle);
}

TEST_F(SharedSync, PublishesMany) {
  write_files();
  world_.publish();
  EXPECT_EQ(world_.difference(), "");
  EXPECT_EQ(world_.journal_keys(), 0u);
  for (int i = 0; i < kFiles; ++i) EXPECT_EQ(world_.state(name(i)), FileState::hot);
}

TEST_F(SharedSync, DoesNotPublishWhatAnUnseenWriterChangedMeanwhile) {
  write_files();
  at("publish.after_stage", [&] { overwrite_object(name(3), "other"); });
  world_.publish();
  EXPECT_TRUE(world_.publish_to_the_end());
  EXPECT_EQ(read_text(world_.in_archive(name(3))), "other");
  EXPECT_EQ(world_.difference(), "");
  EXPECT_EQ(world_.staged(), std::vector<std::string>{});
}

TEST_F(SharedSync, LeavesWhatAWriterOpenedMeanwhile) {
  write_files();
  std::optional<FileHandle> handle;
  at("publish.after_stage", [&] { handle = world_.open(name(3), O_WRONLY); });
  world_.publish();
  ASSERT_TRUE(handle.has_value());
  EXPECT_FALSE(std::filesystem::exists(world_.in_archive(name(3))));
  EXPECT_TRUE(std::filesystem::exists(world_.in_archive(name(4))));
  EXPECT_EQ(world_.staged(), std::vector<std::string>{});
  world_.close(world_.inode(name(3)), *handle);
  EXPECT_TRUE(world_.publish_to_the_end());
  EXPECT_EQ(world_.difference(), "");
}

TEST_F(SharedSync, LosesNothingIfTierdDiesBeforeTheHarvest) {
  write_files();
  struct Crash {};
  at("publish.after_archive_sync", [] { throw Crash{}; });
  EXPECT_THROW(world_.publish(), Crash);
  arm_fault_point("", 1, nullptr);
  world_.restart();
  EXPECT_TRUE(world_.publish_to_the_end());
  EXPECT_EQ(world_.difference(), "");
  EXPECT_EQ(world_.staged(), std::vector<std::string>{});
}

}  // namespace
}  // namespace tierhub::test::shared_sync_test
