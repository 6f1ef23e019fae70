// File systems mounted below the archive's root, as facilities have them for each lab: in the mount
// they are as a native tree with mounts is, and one that is away holds up nobody else.
#include <filesystem>

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/loop_mount.h"
#include "tests/support/tier_fixture.h"

namespace tierhub::test::nested_test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
constexpr uint64_t kMiB = 1 << 20;

class Nested : public TierTest {
 protected:
  std::string at(const std::string& name) const { return tier.in_mount(name); }
  std::string there(const std::string& name) const { return tier.in_archive(name); }
  static int errno_of(int result) { return result < 0 ? errno : 0; }

  // Both as they are for users: without TierHub's own folders in the nested file systems.
  std::vector<std::string> difference() const {
    const auto for_users = [](Tree tree) {
      std::erase_if(tree, [](const auto& entry) {
        return entry.first.find(".tierhub") != std::string::npos ||
               entry.first.find("lost+found") != std::string::npos;
      });
      return tree;
    };
    return differences(for_users(describe_tree(tier.archive)),
                       for_users(describe_tree(tier.mount)));
  }

  LoopMount lab1{"ext4", tier.archive + "/lab1", 64 * kMiB};
  LoopMount lab2{"ext4", tier.archive + "/deep/lab2", 64 * kMiB};
};

TEST_F(Nested, WhatIsPublishedThereIsReadBackIfThatIsAskedFor) {
  tier.settings["verify_by_reading"] = "true";
  tier.start();
  write_file(at("lab1/file"), random_bytes(5 * kMiB, 1));
  tier.publish();
  EXPECT_EQ(tier.status().summary, "ok");
  EXPECT_EQ(read_file(there("lab1/file")), random_bytes(5 * kMiB, 1));
}

TEST_F(Nested, FileSystemsArePublishedInto) {
  tier.start();
  for (const std::string folder : {"", "lab1/", "deep/lab2/"}) {
    fs::create_directories(at(folder + "new"));
    write_file(at(folder + "new/file"), random_bytes(5 * kMiB, 1));
    fs::create_hard_link(at(folder + "new/file"), at(folder + "second"));
    fs::create_symlink("new/file", at(folder + "link"));
  }
  tier.publish();
  EXPECT_THAT(difference(), IsEmpty());
  EXPECT_EQ(tier.status().summary, "ok");
  EXPECT_EQ(tier.evict("/").skipped_files, 0u);
  tier.wait_until_scratch_is_empty();
  EXPECT_EQ(read_file(at("lab1/second")), random_bytes(5 * kMiB, 1));
  overwrite(at("lab1/new/file"), kMiB, "changed");
  fs::rename(at("lab1/new"), at("lab1/renamed"));
  tier.publish();
  EXPECT_THAT(difference(), IsEmpty());
  for (const char* lab : {"lab1", "deep/lab2"}) {
    EXPECT_FALSE(fs::exists(at(std::string(lab) + "/.tierhub")));
    EXPECT_FALSE(fs::exists(at(std::string(lab) + "/lost+found")));
    EXPECT_EQ(errno_of(::mkdir(at(std::string(lab) + "/.tierhub").c_str(), 0755)), EACCES);
  }
  tier.stop();
}

TEST_F(Nested, StatfsCountsTheFileSystemInWhichTheFileIs) {
  tier.start();
  fs::create_directory(at("lab1/new"));
  write_file(at("lab1/new/file"), "text");
  const auto blocks = [](const std::string& path) {
    struct statvfs space {};
    EXPECT_EQ(::statvfs(path.c_str(), &space), 0) << path;
    return space.f_blocks * space.f_frsize;
  };
  EXPECT_EQ(blocks(at("lab1/new/file")), blocks(there("lab1")) / 4096 * 4096) << "also the first";
  EXPECT_EQ(blocks(at("deep/lab2")), blocks(there("deep/lab2")) / 4096 * 4096);
  eventually("the root's", [&] { return blocks(at("deep")) == blocks(there("deep")); });
  tier.stop();
}

TEST_F(Nested, NamesDoNotGoFromOneFileSystemToAnother) {
  tier.start();
  write_file(at("lab1/file"), "text");
  fs::create_directory(at("lab1/folder"));
  const auto rename_fails = [&](const char* from, const char* to) {
    return errno_of(::rename(at(from).c_str(), at(to).c_str()));
  };
  EXPECT_EQ(rename_fails("lab1/file", "file"), EXDEV);
  EXPECT_EQ(rename_fails("lab1/file", "deep/lab2/file"), EXDEV);
  EXPECT_EQ(rename_fails("lab1/folder", "deep/folder"), EXDEV);
  EXPECT_EQ(errno_of(::link(at("lab1/file").c_str(), at("deep/file").c_str())), EXDEV);
  EXPECT_EQ(rename_fails("lab1", "lab3"), EBUSY);
  EXPECT_EQ(rename_fails("lab1/folder", "lab1/moved"), 0);
  EXPECT_EQ(rename_fails("deep", "deeper"), 0);
  fs::remove(at("lab1/moved"));
  EXPECT_EQ(errno_of(::rmdir(at("deeper/lab2").c_str())), EBUSY);
  const auto moved = run_command({"mv", at("lab1/file"), at("deeper/lab2/moved")});
  EXPECT_EQ(moved.exit_code, 0) << moved.text;
  EXPECT_EQ(read_file(at("deeper/lab2/moved")), "text");
  EXPECT_FALSE(fs::exists(at("lab1/file")));
  tier.publish();
  EXPECT_THAT(difference(), IsEmpty());
  EXPECT_EQ(read_file(there("deeper/lab2/moved")), "text");
  fs::rename(at("deeper"), at("deep"));
  tier.publish();
  tier.stop();
}

TEST_F(Nested, WhatWasRemovedComesBackFromTheTrash) {
  tier.start();
  fs::create_directory(at("lab1/brain"));
  write_file(at("lab1/brain/slice"), "text", 0640);
  tier.publish();
  fs::remove_all(at("lab1/brain"));
  tier.publish();
  EXPECT_FALSE(fs::exists(there("lab1/brain")));
  EXPECT_THAT(tier.tierctl({"trash", "list"}).out, HasSubstr("/lab1/brain"));
  const auto restored = tier.tierctl({"trash", "restore", at("lab1/brain")});
  ASSERT_EQ(restored.exit_code, 0) << restored.text;
  EXPECT_EQ(read_file(at("lab1/brain/slice")), "text");
  EXPECT_EQ(tier.tierctl({"trash", "list"}).out, "");
  tier.scan();
  tier.publish();
  EXPECT_THAT(difference(), IsEmpty());
  tier.stop();
}

TEST_F(Nested, WhatOthersChangeThereIsTakenIn) {
  write_file(there("lab1/changed"), "before");
  write_file(there("lab1/removed"), "x");
  tier.start();
  EXPECT_EQ(read_file(at("lab1/changed")), "before");
  write_file(there("lab1/changed"), "afterwards");
  write_file(there("deep/lab2/added"), "new");
  fs::remove(there("lab1/removed"));
  for (const char* name : {"lab1/@eaDir", "lab1/#recycle", "deep/.snapshot"})
    fs::create_directory(there(name));
  tier.scan();
  EXPECT_EQ(read_file(at("lab1/changed")), "afterwards");
  EXPECT_EQ(read_file(at("deep/lab2/added")), "new");
  EXPECT_FALSE(fs::exists(at("lab1/removed")));
  for (const char* name : {"lab1/@eaDir", "lab1/#recycle", "deep/.snapshot"})
    EXPECT_FALSE(fs::exists(at(name))) << name;
  tier.stop();
}

TEST_F(Nested, AFileSystemThatIsUnmountedUnderUsIsOfflineNotEmpty) {
  tier.settings["archive_time_limit_s"] = "5";
  write_file(there("lab1/cold"), "cold");
  write_file(there("lab1/hot"), "hot");
  tier.start();
  tier.prefetch("/lab1/hot");
  lab1.unmount();
  tier.scan();
  fs::remove(at("lab1/cold"));
  write_file(at("lab1/new"), "new");
  write_file(at("deep/lab2/file"), "goes on");
  write_file(at("file"), "goes on, too");
  EXPECT_EQ(read_file(at("lab1/hot")), "hot");
  const auto published = tier.tierctl({"publish", "--wait", "/"});
  EXPECT_NE(published.exit_code, 0);
  EXPECT_THAT(published.text, HasSubstr("/lab1/new"));
  EXPECT_EQ(read_file(there("deep/lab2/file")), "goes on");
  EXPECT_EQ(read_file(there("file")), "goes on, too");
  EXPECT_EQ(errno_of(::rmdir(there("lab1").c_str())), 0) << "something is in the mount point";
  tier.scan();
  EXPECT_EQ(read_file(at("lab1/new")), "new");
  EXPECT_EQ(read_file(at("lab1/hot")), "hot");
  tier.stop();
  tier.start();
  EXPECT_EQ(read_file(at("lab1/hot")), "hot");
  fs::create_directory(there("lab1"));
  lab1.mount();
  eventually("what waited is published", [&] {
    return tier.tierctl({"publish", "--wait", "/"}).exit_code == 0;
  });
  EXPECT_THAT(difference(), IsEmpty());
  EXPECT_EQ(read_file(there("lab1/new")), "new");
  EXPECT_FALSE(fs::exists(there("lab1/cold")));
  tier.stop();
}

TEST_F(Nested, AFullFileSystemHoldsUpNoOther) {
  const LoopMount small("ext4", tier.archive + "/small", 8 * kMiB);
  tier.start();
  write_file(at("small/large"), random_bytes(16 * kMiB, 2));
  write_file(at("lab1/file"), "text");
  const auto published = tier.tierctl({"publish", "--wait", "/"});
  EXPECT_NE(published.exit_code, 0);
  EXPECT_THAT(published.text, HasSubstr("No space left"));
  EXPECT_EQ(read_file(there("lab1/file")), "text");
  fs::remove(at("small/large"));
  eventually("nothing waits any more", [&] {
    return tier.tierctl({"publish", "--wait", "/"}).exit_code == 0;
  });
  tier.stop();
}

TEST_F(Nested, OneMountedOverAFolderIsTakenInAndDestroysNothing) {
  fs::create_directory(there("folder"));
  write_file(there("folder/hidden"), "under the mount");
  tier.start();
  EXPECT_EQ(read_file(at("folder/hidden")), "under the mount");
  LoopMount late("ext4", tier.archive + "/folder", 64 * kMiB);
  write_file(there("folder/theirs"), "in the new one");
  tier.scan();
  EXPECT_EQ(read_file(at("folder/theirs")), "in the new one");
  write_file(at("folder/ours"), "ours");
  tier.publish();
  EXPECT_EQ(read_file(there("folder/ours")), "ours");
  tier.stop();
  late.unmount();
  EXPECT_EQ(read_file(there("folder/hidden")), "under the mount");
  EXPECT_FALSE(fs::exists(there("folder/ours")));
}

TEST_F(Nested, APublishThatDiesInsideIsSettledAtTheNextStart) {
  for (const char* step : {"publish.after_stage", "publish.after_intent", "publish.after_act",
                           "publish.before_commit", "publish.after_commit"}) {
    SCOPED_TRACE(step);
    tier.start({std::string("TIERHUB_FAULT_POINT=") + step});
    const std::string text = std::string("written before ") + step;
    write_file(at("lab1/file"), text);
    // It dies in the middle.
    static_cast<void>(tier.tierctl({"publish", "/"}));
    EXPECT_NE(tier.wait_for_end(std::chrono::seconds(20)), 0);
    tier.start();
    EXPECT_EQ(read_file(at("lab1/file")), text);
    tier.publish();
    EXPECT_EQ(read_file(there("lab1/file")), text);
    EXPECT_TRUE(fs::is_empty(there("lab1/.tierhub/staging")));
    EXPECT_THAT(difference(), IsEmpty());
    tier.stop();
  }
}

}  // namespace
}  // namespace tierhub::test::nested_test
