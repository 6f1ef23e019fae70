// The state folder is lost: a new catalog is made from the archive and scratch alone.
#include "recovery/rebuild.h"

#include <filesystem>
#include <set>

#include <fcntl.h>

#include <stdio.h>

#include "common/posix.h"
#include "tests/unit/recovery/world.h"

namespace tierhub::recovery {
namespace {

void lose_state(const World& world) {
  std::filesystem::remove_all(world.folder / "state");
  value_of(posix::make_directories(world.folder / "state", 0700));
}

// All acknowledged bytes are there, they can be published, and nothing is damaged.
void expect_all_there(const World& world) {
  auto tier = world.start();
  EXPECT_EQ(World::digests(World::contents(*tier)), World::digests(world.expected));
  EXPECT_EQ(tier->publish(), 0u);
  for (const auto& [path, content] : world.expected)
    EXPECT_EQ(value_of(posix::read_file(world.in_archive(path))) == content, true) << path;
  World::stop(std::move(tier));
  EXPECT_EQ(world.codes(), std::vector<std::string>{});
  tier = world.start();
  EXPECT_EQ(tier->scan_added(), 0u);
  EXPECT_EQ(World::digests(World::contents(*tier)), World::digests(world.expected));
}

TEST(Rebuild, BringsBackEveryAcknowledgedByteAtItsPlace) {
  World world;
  lose_state(world);
  const RebuildCounts counts = rebuild_world(world);
  EXPECT_EQ(counts.adopted.newer, 2u);  // changed, rewritten
  EXPECT_EQ(counts.adopted.added, 2u);  // new, a/b/new
  EXPECT_EQ(counts.adopted.recovered + counts.adopted.conflicts + counts.adopted.incomplete, 0u);
  expect_all_there(world);
}

TEST(Rebuild, FollowsRenamesLinksAndFoldersThatTheArchiveDoesNotKnow) {
  World world;
  {
    auto tier = world.start();
    FileSystem& fs = *tier->fs;
    // A new folder in a new folder, both renamed after files were made in them.
    const InodeNumber x = value_of(fs.mkdir(kRootInode, "x", 0750, kRoot)).inode;
    const InodeNumber y = value_of(fs.mkdir(x, "y", 0710, kRoot)).inode;
    write_at(*tier, "x/y/deep", 0, some_bytes(500, 11));
    value_of(fs.mkdir(y, "empty", 0701, kRoot));
    value_of(fs.rename(x, "y", x, "z", 0));
    value_of(fs.rename(kRootInode, "x", kRootInode, "w", 0));
    world.expected["w/z/deep"] = some_bytes(500, 11);
    // An archived folder is renamed, with changed and new files in it, and one that is not changed.
    value_of(fs.rename(kRootInode, "a", kRootInode, "aa", 0));
    write_at(*tier, "aa/b/newer", 0, some_bytes(600, 12));
    world.expected["aa/b/newer"] = some_bytes(600, 12);
    for (const char* name : {"hot", "cold", "linked", "b/linked", "b/new"}) {
      auto file = world.expected.extract(std::string("a/") + name);
      file.key() = std::string("aa/") + name;
      world.expected.insert(std::move(file));
    }
    // A changed file moves; a new one gets a second name, another one is replaced.
    value_of(fs.rename(kRootInode, "changed", find(*tier, "w"), "moved", 0));
    auto moved = world.expected.extract("changed");
    moved.key() = "w/moved";
    world.expected.insert(std::move(moved));
    value_of(fs.link(find(*tier, "new"), find(*tier, "w"), "second"));
    world.expected["w/second"] = world.expected["new"];
    write_at(*tier, "tmp", 0, some_bytes(700, 13));
    value_of(fs.rename(kRootInode, "tmp", kRootInode, "saved", 0));
    world.expected["saved"] = some_bytes(700, 13);
    // Removed while it is open: it does not come back.
    const Opened open = value_of(tier->open(find(*tier, "hot"), O_RDONLY));
    value_of(fs.unlink(kRootInode, "hot"));
    static_cast<void>(open);
    write_at(*tier, "gone", 0, "gone");
    const Opened gone = value_of(tier->open(find(*tier, "gone"), O_RDWR));
    value_of(fs.unlink(kRootInode, "gone"));
    static_cast<void>(gone);
    // Killed here: nothing is stopped.
  }
  lose_state(world);
  const RebuildCounts counts = rebuild_world(world);
  EXPECT_EQ(counts.adopted.recovered + counts.adopted.conflicts + counts.adopted.incomplete, 0u);
  // That a published file was removed is known to nobody but the archive, which still has it.
  world.expected["hot"] = some_bytes(3 * World::kChunk, 1);
  {
    auto tier = world.start();
    const NodeInfo w = value_of(tier->fs->lookup(kRootInode, "w"));
    EXPECT_EQ(w.attributes.mode, 0750u);
    const NodeInfo empty = value_of(tier->fs->lookup(find(*tier, "w/z"), "empty"));
    EXPECT_EQ(empty.attributes.mode, 0701u);
    EXPECT_EQ(find(*tier, "new"), find(*tier, "w/second"));
  }
  expect_all_there(world);
  EXPECT_FALSE(std::filesystem::exists(world.in_archive("a")));
}

TEST(Rebuild, KeepsBothWhenTheArchiveHasSomethingElseUnderAName) {
  World world;
  {
    auto tier = world.start();
    write_at(*tier, "late", 0, "ours");
  }
  // Others made it there meanwhile; and they changed what was being changed here.
  value_of(posix::replace_file(world.in_archive("late"), "theirs"));
  value_of(posix::replace_file(world.in_archive("rewritten"), "theirs too"));
  lose_state(world);
  const RebuildCounts counts = rebuild_world(world);
  EXPECT_EQ(counts.adopted.conflicts, 2u);
  auto tier = world.start();
  EXPECT_EQ(tier->publish(), 0u);
  const auto found = World::contents(*tier);
  EXPECT_EQ(found.at("late"), "theirs");
  EXPECT_EQ(found.at("rewritten"), "theirs too");
  std::multiset<std::string> ours;
  for (const auto& [path, content] : found) {
    if (path.find("(recovered") != std::string::npos) ours.insert(content);
  }
  EXPECT_EQ(ours, (std::multiset<std::string>{"ours", world.expected["rewritten"]}));
}

TEST(Rebuild, TakesWhatWasPublishedButNotTaggedAsClean) {
  World world;
  {
    auto tier = world.start();
    EXPECT_EQ(tier->publish(), 0u);
    // As if killed between the commit of a publish and the tag.
    const InodeLock lock = value_of(tier->inodes->lock(world.inode("new")));
    InodeRecord before = lock->rec();
    before.archived = false;
    before.content = Content::unknown;
    const UniqueFd object = value_of(tier->scratch->open_object(world.inode("new"), O_RDONLY));
    value_of(tag_object(*tier->catalog, *tier->scratch, object.get(), *lock, before));
  }
  lose_state(world);
  const RebuildCounts counts = rebuild_world(world);
  EXPECT_EQ(counts.adopted.added + counts.adopted.conflicts, 0u);
  expect_all_there(world);
}

TEST(Rebuild, PutsAnObjectWithoutATagIntoTheRecoveredFolder) {
  World world;
  {
    const Scratch scratch = value_of(Scratch::open(world.folder / "scratch"));
    const UniqueFd fd = value_of(scratch.create(InodeNumber(5000)));
    value_of(posix::write_all(fd.get(), "whose?"));
  }
  lose_state(world);
  EXPECT_EQ(rebuild_world(world).adopted.recovered, 1u);
  world.expected[std::string(kRecoveredFolder) + "/inode 5000"] = "whose?";
  expect_all_there(world);
}

TEST(Rebuild, KeepsTheOldCatalogAndCanBeRepeated) {
  World world;
  const RebuildCounts first = rebuild_world(world);
  EXPECT_TRUE(std::filesystem::exists(first.old_catalog + "/CURRENT"));
  const RebuildCounts second = rebuild_world(world);
  EXPECT_NE(second.old_catalog, first.old_catalog);
  EXPECT_TRUE(std::filesystem::exists(first.old_catalog + "/CURRENT"));
  expect_all_there(world);
}

TEST(Rebuild, RefusesWhileTheCatalogIsOpen) {
  const World world;
  const auto tier = world.start();
  const auto archive = value_of(PosixArchive::open(world.in_archive(""), {}));
  RebuildOptions options;
  options.state = world.folder / "state";
  const auto result = rebuild(*tier->scratch, *archive, options);
  ASSERT_FALSE(result);
  EXPECT_TRUE(result.error().is(std::errc::device_or_resource_busy));
}

}  // namespace
}  // namespace tierhub::recovery
