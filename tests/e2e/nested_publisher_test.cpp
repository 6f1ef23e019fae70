// Journal, scanner, recovery and trash with file systems mounted below the archive's root, step by
// step: rounds and deaths happen when the test says so.
#include <algorithm>
#include <array>
#include <functional>
#include <string_view>

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdio.h>

#include "common/fault_points.h"
#include "storage/archive/file_system_id.h"
#include "tests/support/loop_mount.h"
#include "tests/unit/migrator/tier_by_path.h"

namespace tierhub::test::nested_publisher_test::nested_publisher_test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A file system in memory; what is in it lasts until the end of the object, also while it is not
// mounted at its place.
class NestedMount {
 public:
  explicit NestedMount(std::string path, const std::string& options = "mode=755")
      : path_(std::move(path)) {
    ::mkdir(path_.c_str(), 0755);
    check(::mount("none", store_.path().c_str(), "tmpfs", 0, options.c_str()));
    mount();
  }
  ~NestedMount() {
    ::umount2(path_.c_str(), MNT_DETACH);
    ::umount2(store_.path().c_str(), MNT_DETACH);
  }
  NestedMount(const NestedMount&) = delete;
  NestedMount& operator=(const NestedMount&) = delete;
  void mount() { check(::mount(store_.path().c_str(), path_.c_str(), nullptr, MS_BIND, nullptr)); }
  // Fails if anything is held open.
  void unmount() { check(::umount2(path_.c_str(), 0)); }
  void make_read_only() {
    check(::mount(nullptr, path_.c_str(), nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr));
  }
  std::string in_store(const std::string& path) const { return store_ / path; }

 private:
  static void check(int result) {
    if (result < 0) throw std::system_error(errno, std::generic_category(), "mount");
  }
  TemporaryDirectory store_;
  const std::string path_;
};

// Before anything is opened: a descriptor sees the mounts of the namespace that it was opened in.
class OwnMounts : public ::testing::Environment {
  void SetUp() override { tierhub::test::use_own_mounts(); }
};
const ::testing::Environment* const kOwnMounts = ::testing::AddGlobalTestEnvironment(new OwnMounts);

class NestedWorld : public ::testing::Test {
 protected:
  NestedWorld() {
    world.scan();
    EXPECT_EQ(world.difference(), "");
  }
  // What is only in the archive has no content in the namespace's tree.
  void expect_same_names() {
    const auto names = [](const std::map<std::string, std::string>& tree) {
      std::vector<std::string> all;
      for (const auto& [name, line] : tree) all.push_back(name + " " + line.substr(0, 1));
      return all;
    };
    EXPECT_EQ(names(world.namespace_tree()), names(world.archive_tree()));
  }
  FileSystemId id_of(const std::string& path) {
    return file_system_of(value_of(world.catalog->version(world.inode(path)))->identity);
  }
  int errno_of(const std::function<void()>& act) {
    try {
      act();
    } catch (const std::exception& e) {
      said = e.what();
      return 1;
    }
    return 0;
  }
  std::vector<std::string> waiting() {
    std::vector<std::string> reasons;
    for (const auto& one : value_of(world.publisher->pending({"/"})).waiting)
      reasons.push_back(one.path + ": " + one.reason);
    return reasons;
  }

  TierByPath world;
  NestedMount lab1{world.in_archive("lab1")};
  NestedMount lab2{world.in_archive("lab2")};
  std::string said;
};

TEST_F(NestedWorld, PublishesIntoEachFileSystem) {
  world.scan();
  for (const std::string folder : {"", "lab1/", "lab2/"}) {
    world.make_folder(folder + "new");
    world.write(folder + "new/file", "text");
    world.link(folder + "new/file", folder + "second");
    world.symlink("new/file", folder + "link");
  }
  world.publish();
  EXPECT_EQ(world.difference(), "");
  EXPECT_EQ(world.journal_keys(), 0u);
  for (const std::string folder : {"", "lab1/", "lab2/"}) {
    world.write(folder + "second", "other text");
    world.rename(folder + "link", folder + "new/link");
    world.make_folder(folder + "x");
    world.rename(folder + "new", folder + "x", RENAME_EXCHANGE);
    world.set_mtime(folder + "x", 1'000'000'000);
  }
  world.publish();
  EXPECT_EQ(world.difference(), "");
  EXPECT_EQ(world.journal_keys(), 0u);
  EXPECT_THAT(value_of(world.archive->staged()), IsEmpty());
  EXPECT_NE(id_of("lab1/x"), id_of("lab2/x"));
}

TEST_F(NestedWorld, RefusesNamesAcrossTheirBorders) {
  world.write("file", "text");
  world.scan();
  world.write("lab1/file", "text");
  world.make_folder("lab1/folder");
  const auto refuses = [&](const std::function<void()>& act, const char* why) {
    EXPECT_EQ(errno_of(act), 1);
    EXPECT_THAT(said, HasSubstr(why));
  };
  refuses([&] { world.rename("lab1/file", "moved"); }, "different file systems");
  refuses([&] { world.rename("file", "lab1/moved"); }, "different file systems");
  refuses([&] { world.rename("lab1/folder", "lab2/folder"); }, "different file systems");
  refuses([&] { world.rename("file", "lab1/file", RENAME_EXCHANGE); }, "different file systems");
  refuses([&] { world.link("lab1/file", "linked"); }, "different file systems");
  refuses([&] { world.link("file", "lab1/folder/linked"); }, "different file systems");
  refuses([&] { world.rename("lab1", "other"); }, "is mounted there");
  refuses([&] { world.remove_tree("lab1"); }, "is mounted there");
  refuses([&] { world.make_folder("lab2/.tierhub"); }, "reserved");
  world.make_folder("lab2/deeper");
  world.make_folder("lab2/deeper/.tierhub");
  world.rename("lab2/deeper", "lab2/renamed");
  world.publish();
  EXPECT_EQ(world.journal_keys(), 0u);
  EXPECT_EQ(world.namespace_tree().count("lab2/renamed/.tierhub"), 1u);
}

TEST_F(NestedWorld, TakesInWhatOthersChangeThere) {
  world.scan();
  world.write("lab1/stays", "text");
  world.publish();
  world.write_in_archive("lab1/new", "theirs");
  world.write_in_archive("lab2/new", "theirs");
  world.scan();
  expect_same_names();
  ASSERT_EQ(
      ::rename(world.in_archive("lab1/new").c_str(), world.in_archive("lab1/renamed").c_str()), 0);
  ASSERT_EQ(::unlink(world.in_archive("lab2/new").c_str()), 0);
  const InodeNumber before = world.inode("lab1/new");
  world.scan();
  EXPECT_EQ(world.inode("lab1/renamed"), before);
  expect_same_names();
  // Both changed.
  world.write("lab1/stays", "ours, changed");
  world.write_in_archive("lab1/stays", "theirs, changed too");
  world.publish();
  expect_same_names();
  const auto tree = world.namespace_tree();
  EXPECT_EQ(std::count_if(tree.begin(), tree.end(),
                          [](const auto& entry) {
                            return entry.first.find("tierhub conflict") != std::string::npos;
                          }),
            1);
}

TEST_F(NestedWorld, UnmountedIsOfflineNotEmpty) {
  world.scan();
  world.make_folder("lab1/folder");
  world.write("lab1/folder/cold", "cold");
  world.write("lab1/hot", "hot");
  world.write("lab2/file", "text");
  world.publish();
  world.restart();
  const auto before = world.namespace_tree();
  lab1.unmount();

  EXPECT_EQ(world.scan().removed, 0u);
  EXPECT_EQ(world.namespace_tree(), before);
  // All kinds of changes wait.
  world.write("lab1/new", "new");
  world.write("lab1/hot", "changed");
  world.remove("lab1/folder/cold");
  world.change_mode("lab1/folder", 0700);
  world.write("lab2/file", "goes on");
  world.write("file", "goes on, too");
  world.publish();
  world.publish();
  EXPECT_EQ(world.scan().removed, 0u);
  world.publish();
  EXPECT_EQ(::rmdir(world.in_archive("lab1").c_str()), 0) << "something is in the mount point";
  EXPECT_EQ(world.scan().removed, 0u) << "the mount point is gone, too";
  EXPECT_THAT(world.archive_tree().at("lab2/file"), HasSubstr("[goes on]"));
  EXPECT_EQ(world.archive_tree().count("file"), 1u);
  EXPECT_THAT(waiting(), ::testing::Contains(HasSubstr("lab1/new")));
  world.restart();
  EXPECT_EQ(world.scan().removed, 0u);
  const auto wanted = world.namespace_tree();

  ASSERT_EQ(::mkdir(world.in_archive("lab1").c_str(), 0755), 0);
  lab1.mount();
  ASSERT_TRUE(world.publish_to_the_end());
  world.scan();
  EXPECT_EQ(world.namespace_tree(), wanted);
  EXPECT_EQ(world.difference(), "");
}

TEST_F(NestedWorld, UnmountedAboveAMissingFolderIsOfflineToo) {
  world.make_folder("projects");
  world.publish();
  {
    NestedMount inner(world.in_archive("projects/lab"));
    world.scan();
    world.write("projects/lab/file", "text");
    world.publish();
    ASSERT_EQ(world.difference(), "");
    const auto before = world.namespace_tree();
    inner.unmount();
    ASSERT_EQ(::rmdir(world.in_archive("projects/lab").c_str()), 0);
    ASSERT_EQ(::rmdir(world.in_archive("projects").c_str()), 0);
    EXPECT_EQ(world.scan().removed, 0u);
    EXPECT_EQ(world.namespace_tree(), before);
  }
  EXPECT_GT(world.scan(Scanner::Removals::accepted).removed, 0u) << "someone looked";
  EXPECT_EQ(world.namespace_tree().count("projects/lab/file"), 0u);
}

TEST_F(NestedWorld, AnotherOneInItsPlaceIsForeignUntilSomeoneAccepts) {
  world.scan();
  world.write("lab1/file", "text");
  world.publish();
  world.restart();
  lab1.unmount();
  NestedMount other(world.in_archive("lab1"));
  world.write_in_archive("lab1/others", "theirs");
  EXPECT_EQ(world.scan().removed, 0u);
  EXPECT_EQ(world.namespace_tree().count("lab1/file"), 1u);
  EXPECT_EQ(world.namespace_tree().count("lab1/others"), 0u);
  world.scan(Scanner::Removals::accepted);
  EXPECT_EQ(world.namespace_tree().count("lab1/file"), 0u);
  expect_same_names();
}

TEST_F(NestedWorld, MountedOverAFolderHidesWhatWasThereAndDestroysNothing) {
  world.make_folder("folder");
  world.write("folder/hidden", "under the mount");
  world.publish();
  world.write("folder/ours", "not published yet");
  NestedMount late(world.in_archive("folder"));
  world.write_in_archive("folder/theirs", "in the new one");
  world.scan();
  ASSERT_TRUE(world.publish_to_the_end());
  expect_same_names();
  const auto tree = world.namespace_tree();
  EXPECT_EQ(tree.count("folder/theirs"), 1u);
  EXPECT_EQ(tree.count("folder/ours"), 1u);
  EXPECT_EQ(tree.count("folder/hidden"), 0u);
  late.unmount();
  EXPECT_EQ(world.archive_tree().count("folder/hidden"), 1u);
  EXPECT_EQ(world.archive_tree().count("folder/ours"), 0u);
}

TEST_F(NestedWorld, ReadOnlyOrFullHoldsUpNobodyElse) {
  NestedMount small(world.in_archive("small"), "size=1m,mode=755");
  world.scan();
  lab1.make_read_only();
  world.write("lab1/file", "cannot");
  world.write("small/large", std::string(2 << 20, 'x'));
  world.write("lab2/file", "can");
  world.write("file", "can");
  world.publish();
  world.publish();
  EXPECT_EQ(world.archive_tree().count("lab2/file"), 1u);
  EXPECT_EQ(world.archive_tree().count("file"), 1u);
  EXPECT_THAT(waiting(), ::testing::Contains(HasSubstr("Read-only")));
  EXPECT_THAT(waiting(), ::testing::Contains(HasSubstr("No space left")));
}

TEST_F(NestedWorld, WhatIsRemovedRestsInTheTrashOfItsFileSystem) {
  world.options.trash.emplace();
  world.restart();
  world.scan();
  for (const std::string folder : {"", "lab1/"}) {
    world.make_folder(folder + "gone");
    world.write(folder + "gone/file", "text");
  }
  world.publish();
  world.remove_tree("gone");
  world.remove_tree("lab1/gone");
  world.publish();
  EXPECT_EQ(world.difference(), "");
  std::vector<std::string> paths;
  value_of(world.trash->visit("", [&](const Trash::Item& item) {
    paths.push_back(item.path);
    return true;
  }));
  std::sort(paths.begin(), paths.end());
  EXPECT_THAT(paths, ElementsAre("gone", "gone/file", "lab1/gone", "lab1/gone/file"));
  EXPECT_FALSE(world.trash->restore("lab1/gone", "brought back")) << "that is another file system";
  value_of(world.trash->restore("lab1/gone", "lab1/gone"));
  value_of(world.trash->restore("gone", "gone"));
  world.scan();
  expect_same_names();
  EXPECT_EQ(world.namespace_tree().count("gone/file"), 1u);
  EXPECT_EQ(world.namespace_tree().count("lab1/gone/file"), 1u);
  world.remove_tree("lab1/gone");
  world.publish();
  EXPECT_GT(value_of(world.trash->purge("", 0)), 0u);
  EXPECT_THAT(value_of(world.archive->staged()), IsEmpty());
}

// A catalog of before: identities in nested file systems did not say which one.
TEST_F(NestedWorld, IdentitiesOfBeforeTheMarkAreTakenOn) {
  world.scan();
  world.write("lab1/file", "text");
  world.make_folder("lab1/folder");
  world.publish();
  Batch batch;
  for (const std::string path : {"lab1", "lab1/file", "lab1/folder"}) {
    auto version = *value_of(world.catalog->version(world.inode(path)));
    std::string& bytes = version.identity.bytes;
    bytes.erase(9, kFileSystemIdBytes);
    bytes[0] = bytes[0] == 'H' ? 'h' : 'i';
    batch.put_version(world.inode(path), version);
  }
  value_of(world.catalog->commit(batch));
  world.restart();
  const InodeNumber inode = world.inode("lab1/file");
  ASSERT_EQ(world.state("lab1/file"), FileState::hot);
  const ScanCounts counts = world.scan();
  EXPECT_EQ(counts.changed + counts.removed + counts.added, 0u);
  EXPECT_EQ(world.inode("lab1/file"), inode);
  EXPECT_EQ(world.state("lab1/file"), FileState::hot);
  EXPECT_EQ(id_of("lab1/file").size(), 32u);
  world.write("lab1/file", "changed");
  world.publish();
  EXPECT_EQ(world.difference(), "");
}

struct Crash {};

struct Change {
  std::string_view name;
  std::function<void(TierByPath&)> before;
  std::function<void(TierByPath&)> change;
};

const std::vector<Change>& changes() {
  static const std::vector<Change> all = {
      {"NewTree", [](TierByPath&) {},
       [](TierByPath& w) {
         w.make_folder("lab1/d");
         w.write("lab1/d/file", std::string(kChunk + 1, 'n'));
         w.link("lab1/d/file", "lab1/second");
       }},
      {"OverwriteWithLinks",
       [](TierByPath& w) {
         w.write("lab1/one", "old");
         w.link("lab1/one", "lab1/two");
       },
       [](TierByPath& w) { w.write("lab1/two", "new content"); }},
      {"Exchange",
       [](TierByPath& w) {
         w.write("lab1/a", "was a");
         w.make_folder("lab1/b");
         w.write("lab1/b/in", "in b");
       },
       [](TierByPath& w) { w.rename("lab1/a", "lab1/b", RENAME_EXCHANGE); }},
      {"SetAside",
       [](TierByPath& w) {
         w.make_folder("lab1/d");
         w.write("lab1/d/file", "in d");
       },
       [](TierByPath& w) {
         w.rename("lab1/d", "lab1/e");
         w.write("lab1/d", "a file now");
       }},
      {"RemoveTree",
       [](TierByPath& w) {
         w.make_folder("lab1/a");
         w.write("lab1/a/file", "deep");
       },
       [](TierByPath& w) { w.remove_tree("lab1/a"); }},
  };
  return all;
}

constexpr std::array kSteps = {"publish.after_stage",   "publish.after_archive_sync",
                               "publish.after_intent",  "publish.after_act",
                               "publish.before_commit", "publish.after_commit"};

// While it is away, nothing of it is decided; when it is back, all is as wanted.
enum class Meanwhile { stays, away };
using Parameter = std::tuple<size_t, TierByPath::Death, Meanwhile>;

class NestedCrash : public ::testing::TestWithParam<Parameter> {
 protected:
  static bool dies_at(TierByPath& world, const char* step, int nth) {
    arm_fault_point(step, nth, [] { throw Crash{}; });
    bool died = false;
    try {
      world.publish();
    } catch (const Crash&) {
      died = true;
    }
    arm_fault_point("", 1, nullptr);
    return died;
  }
};

TEST_P(NestedCrash, LeavesTheReplicaRight) {
  const auto [index, death, meanwhile] = GetParam();
  const Change& change = changes()[index];
  for (const char* step : kSteps) {
    int deaths = 0;
    for (int nth = 1;; ++nth) {
      SCOPED_TRACE(std::string(change.name) + ", killed at " + step + ", time " +
                   std::to_string(nth));
      TierByPath world;
      NestedMount lab(world.in_archive("lab1"));
      world.scan();
      change.before(world);
      world.publish();
      change.change(world);
      value_of(world.catalog->sync());
      const auto wanted = world.namespace_tree();
      if (!dies_at(world, step, nth)) break;
      ++deaths;
      if (meanwhile == Meanwhile::away) {
        lab.unmount();
        world.restart(death);
        world.publish();
        world.scan();
        EXPECT_EQ(world.namespace_tree(), wanted);
        ASSERT_EQ(::rmdir(world.in_archive("lab1").c_str()), 0);
        ASSERT_EQ(::mkdir(world.in_archive("lab1").c_str(), 0755), 0);
        lab.mount();
        world.restart();
      } else {
        world.restart(death);
      }
      EXPECT_TRUE(value_of(world.catalog->intents()).empty());
      EXPECT_THAT(value_of(world.archive->staged()), IsEmpty());
      world.publish();
      EXPECT_EQ(world.difference(), "");
      EXPECT_EQ(world.journal_keys(), 0u);
      EXPECT_THAT(value_of(world.archive->staged()), IsEmpty());
      EXPECT_TRUE(value_of(world.catalog->base_children(kAsideInode)).empty());
      EXPECT_EQ(world.namespace_tree(), wanted);
      if (HasFailure()) return;
    }
    EXPECT_GT(deaths, 0) << step << " was never reached";
  }
}

INSTANTIATE_TEST_SUITE_P(AtEachStep, NestedCrash,
                         ::testing::Combine(::testing::Range(size_t{0}, changes().size()),
                                            ::testing::Values(TierByPath::Death::killed,
                                                              TierByPath::Death::power_lost),
                                            ::testing::Values(Meanwhile::stays, Meanwhile::away)),
                         [](const ::testing::TestParamInfo<Parameter>& one) {
                           const bool killed = std::get<1>(one.param) == TierByPath::Death::killed;
                           const bool away = std::get<2>(one.param) == Meanwhile::away;
                           return std::string(changes()[std::get<0>(one.param)].name) +
                                  (killed ? "Killed" : "PowerLost") + (away ? "AndUnmounted" : "");
                         });

}  // namespace
}  // namespace tierhub::test::nested_publisher_test::nested_publisher_test
