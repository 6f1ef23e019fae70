// The power was lost, and with it the end of the catalog's log: what programs made durable without
// tierd is back, what was erased is not.
#include <algorithm>
#include <filesystem>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <fmt/format.h>

#include "common/fault_points.h"
#include "common/posix.h"
#include "recovery/adoption.h"
#include "tests/unit/recovery/world.h"

namespace tierhub::recovery {
namespace {

namespace fs = std::filesystem;

struct Killed {};

// A tier whose catalog loses all behind a chosen moment; scratch keeps everything.
class Forgotten : public ::testing::Test {
 protected:
  void SetUp() override { tier = world.start(); }

  // What comes behind it is lost.
  void log_is_durable_up_to_here() {
    value_of(tier->catalog->checkpoint(world.folder / "durable"));
  }

  void lose_power() {
    tier.reset();
    fs::remove_all(world.folder / "state/catalog");
    fs::rename(world.folder / "durable", world.folder / "state/catalog");
  }
  void start() {
    tier = std::make_unique<test::LocalTier>(
        world.folder.path(),
        test::LocalTier::Options{World::kChunk, 0, fmt::format("boot-{}", ++boots)});
  }
  // False: it ran to its end.
  bool start_is_killed(int nth) {
    arm_fault_point("adopt.after_commit", nth, [] { throw Killed{}; });
    bool killed = false;
    try {
      start();
    } catch (const Killed&) {
      --boots;  // the same boot goes on
      killed = true;
    }
    arm_fault_point("", 1, nullptr);
    return killed;
  }

  std::string object(InodeNumber inode) const {
    return world.folder /
           fmt::format("scratch/objects/{:02x}/{:x}", inode.value() & 0xff, inode.value());
  }

  // The namespace is as `world.expected` says, sound, and can be published.
  void expect_all_there() {
    EXPECT_EQ(World::digests(World::contents(*tier)), World::digests(world.expected));
    EXPECT_EQ(tier->publish(), 0u);
    for (const auto& [path, content] : world.expected)
      EXPECT_EQ(value_of(posix::read_file(world.in_archive(path))) == content, true) << path;
    World::stop(std::move(tier));
    EXPECT_EQ(world.codes(), std::vector<std::string>{});
    start();
    EXPECT_EQ(World::digests(World::contents(*tier)), World::digests(world.expected));
  }

  World world;
  std::unique_ptr<test::LocalTier> tier;
  int boots = 1;
};

TEST_F(Forgotten, AFileIsBackAtItsPlaceWithItsOwnerAndMode) {
  log_is_durable_up_to_here();
  const InodeNumber made =
      value_of(tier->fs->create(find(*tier, "a/b"), "made", 0604, O_RDWR, FsCaller{1000, 100, 0}))
          .node.inode;
  write_at(*tier, "a/b/made", 0, some_bytes(9000, 1));
  lose_power();
  start();
  world.expected["a/b/made"] = some_bytes(9000, 1);
  const NodeInfo node = value_of(tier->fs->lookup(find(*tier, "a/b"), "made"));
  EXPECT_EQ(node.inode, made);
  EXPECT_EQ(node.attributes.mode, 0604u);
  EXPECT_EQ(node.attributes.uid, 1000u);
  EXPECT_EQ(node.attributes.gid, 100u);
  expect_all_there();
}

TEST_F(Forgotten, NobodyMayReadWhatWasTakenFromHim) {
  // owner rwx, user 1001 rwx, group nothing, mask rwx, others nothing
  const std::string list(
      "\2\0\0\0"
      "\1\0\7\0\xff\xff\xff\xff"
      "\2\0\7\0\xe9\3\0\0"
      "\4\0\0\0\xff\xff\xff\xff"
      "\x10\0\7\0\xff\xff\xff\xff"
      "\x20\0\0\0\xff\xff\xff\xff",
      44);
  const InodeNumber a = find(*tier, "a");
  value_of(
      tier->fs->setxattr(a, "system.posix_acl_default", list, FileSystem::XattrMode::any, kRoot));
  log_is_durable_up_to_here();
  write_at(*tier, "secret", 0, "for its owner");
  AttributeChange change;
  change.mode = 0600;
  value_of(tier->setattr(find(*tier, "secret"), change));
  write_at(*tier, "a/listed", 0, "for its owner and user 1001");
  EXPECT_EQ(value_of(tier->fs->getattr(find(*tier, "a/listed"))).attributes.mode, 0640u);
  lose_power();
  start();
  EXPECT_EQ(value_of(tier->fs->getattr(find(*tier, "secret"))).attributes.mode, 0600u);
  EXPECT_EQ(value_of(tier->fs->getattr(find(*tier, "a/listed"))).attributes.mode, 0600u);
}

TEST_F(Forgotten, FoldersAreMadeAgainIfSomethingLiesInThem) {
  log_is_durable_up_to_here();
  const InodeNumber outer = value_of(tier->fs->mkdir(find(*tier, "a"), "x", 0750, kRoot)).inode;
  const InodeNumber inner = value_of(tier->fs->mkdir(outer, "y", 0710, kRoot)).inode;
  value_of(tier->fs->mkdir(outer, "empty", 0710, kRoot));
  write_at(*tier, "a/x/y/made", 0, "in new folders");
  value_of(tier->fs->rename(outer, "y", outer, "z", 0));
  value_of(tier->fs->link(find(*tier, "a/x/z/made"), find(*tier, "a/b"), "second"));
  lose_power();
  start();
  world.expected["a/x/z/made"] = world.expected["a/b/second"] = "in new folders";
  EXPECT_EQ(find(*tier, "a/x/z"), inner);
  EXPECT_EQ(find(*tier, "a/x/z/made"), find(*tier, "a/b/second"));
  EXPECT_EQ(value_of(tier->fs->getattr(outer)).attributes.mode, 0750u);
  EXPECT_FALSE(tier->fs->lookup(outer, "empty"));
  expect_all_there();
}

TEST_F(Forgotten, ANumberBelowADurableOneCountsAsWell) {
  write_at(*tier, "first", 0, "its batch came second");
  write_at(*tier, "second", 0, "its batch came first");
  // Made at the same time, they were committed in the other order.
  const InodeNumber first = find(*tier, "first");
  ASSERT_LT(first, find(*tier, "second"));
  log_is_durable_up_to_here();
  lose_power();
  world.change([&](KeyValueStore&, Batch& batch) {
    batch.erase_entry(kRootInode, "first", first);
    batch.erase_inode(first);
    batch.erase_journal(JournalKey::of_inode(first));
    batch.erase_journal(JournalKey::of_entry(kRootInode, "first"));
  });
  start();
  world.expected["first"] = "its batch came second";
  world.expected["second"] = "its batch came first";
  expect_all_there();
}

TEST_F(Forgotten, WhatWasErasedDoesNotComeBack) {
  write_at(*tier, "erased", 0, some_bytes(5000, 2));
  const InodeNumber erased = find(*tier, "erased");
  fs::create_hard_link(object(erased), world.folder / "rolled back");
  value_of(tier->fs->unlink(kRootInode, "erased"));
  value_of(tier->evictor->reap());
  EXPECT_FALSE(fs::exists(object(erased)));
  log_is_durable_up_to_here();
  lose_power();
  // Scratch has lost that the object was moved and removed.
  fs::rename(world.folder / "rolled back", object(erased));
  start();
  EXPECT_FALSE(fs::exists(object(erased)));
  expect_all_there();
}

TEST_F(Forgotten, AnErasureIsNotedUntilASyncCoversIt) {
  write_at(*tier, "erased", 0, "x");
  const InodeNumber erased = find(*tier, "erased");
  value_of(tier->fs->unlink(kRootInode, "erased"));
  const auto noted = [&] {
    const auto unsynced = value_of(tier->catalog->unsynced());
    return std::any_of(unsynced.begin(), unsynced.end(),
                       [&](const auto& note) { return note.second == erased; });
  };
  EXPECT_FALSE(noted());
  value_of(tier->evictor->reap());
  EXPECT_TRUE(noted());
  const uint64_t epoch = tier->scratch->end_epoch();
  value_of(tier->scratch->sync());
  value_of(tier->mover->forget_epochs(0, epoch));
  EXPECT_FALSE(noted());
}

TEST_F(Forgotten, WhatHasNoNameOrNoBytesIsNotAdopted) {
  log_is_durable_up_to_here();
  const FsCaller caller;
  const Created unnamed = value_of(tier->fs->create_unnamed(kRootInode, 0600, O_RDWR, caller));
  value_of(tier->write(unnamed.node.inode, unnamed.opened.handle, 0, "never had a name"));
  value_of(tier->fs->create(kRootInode, "empty", 0600, O_RDWR, caller));
  write_at(*tier, "unlinked", 0, "its last name is gone");
  const InodeNumber unlinked = find(*tier, "unlinked");
  value_of(tier->open(unlinked, O_RDWR));
  value_of(tier->fs->unlink(kRootInode, "unlinked"));
  lose_power();
  start();
  expect_all_there();
  EXPECT_FALSE(fs::exists(object(unnamed.node.inode)));
  EXPECT_FALSE(fs::exists(object(unlinked)));
}

TEST_F(Forgotten, ANameThatIsTakenStaysAndTheNewestComesFirst) {
  write_at(*tier, "taken", 0, "durable");
  log_is_durable_up_to_here();
  value_of(tier->fs->unlink(kRootInode, "taken"));
  write_at(*tier, "taken", 0, "newer");
  const InodeNumber newer = find(*tier, "taken");
  write_at(*tier, "twice", 0, "older");
  const InodeNumber older = find(*tier, "twice");
  value_of(tier->fs->unlink(kRootInode, "twice"));
  write_at(*tier, "twice", 0, "the newest");
  lose_power();
  start();
  world.expected["taken"] = "durable";
  world.expected[fmt::format("taken (recovered {})", newer)] = "newer";
  world.expected["twice"] = "the newest";
  world.expected[fmt::format("twice (recovered {})", older)] = "older";
  expect_all_there();
}

TEST_F(Forgotten, WithoutATagItGoesIntoTheRecoveredFolder) {
  log_is_durable_up_to_here();
  write_at(*tier, "made", 0, "whose?");
  const InodeNumber made = find(*tier, "made");
  const UniqueFd fd = value_of(tier->scratch->open_object(made, O_RDONLY));
  ASSERT_EQ(::fremovexattr(fd.get(), "user.tierhub.object"), 0);
  lose_power();
  start();
  world.expected[fmt::format("{}/inode {}", kRecoveredFolder, made)] = "whose?";
  expect_all_there();
}

// mknod makes the record, the first writer the object.
TEST_F(Forgotten, TheObjectOfAFileThatWasMadeWithoutOneIsKept) {
  value_of(tier->fs->mknod(kRootInode, "node", S_IFREG | 0600, 0, kRoot));
  log_is_durable_up_to_here();
  write_at(*tier, "node", 0, some_bytes(5000, 3));
  lose_power();
  start();
  world.expected["node"] = some_bytes(5000, 3);
  expect_all_there();
}

// What an older TierHub erased is noted nowhere.
TEST_F(Forgotten, NothingIsAdoptedIntoTheCatalogOfAnOlderTierHubUntilItIsRecovered) {
  log_is_durable_up_to_here();
  write_at(*tier, "made", 0, "or erased, nobody knows");
  lose_power();
  world.change(
      [](KeyValueStore&, Batch& batch) { batch.erase_record(Family::meta, "catalog.erasures"); });
  start();
  EXPECT_FALSE(tier->fs->lookup(kRootInode, "made"));
  log_is_durable_up_to_here();
  write_at(*tier, "later", 0, "made by this one");
  lose_power();
  start();
  world.expected["later"] = "made by this one";
  expect_all_there();
}

TEST_F(Forgotten, AllOfThemAreBackHoweverOftenTheRecoveryIsKilled) {
  log_is_durable_up_to_here();
  value_of(tier->fs->mkdir(kRootInode, "x", 0700, kRoot));
  for (int i = 0; i < 4; ++i) {
    const std::string path = fmt::format("{}{}", i < 2 ? "x/" : "", i);
    write_at(*tier, path, 0, some_bytes(3000, static_cast<char>(i)));
    world.expected[path] = some_bytes(3000, static_cast<char>(i));
  }
  lose_power();
  int deaths = 0;
  while (start_is_killed(1)) ++deaths;
  EXPECT_EQ(deaths, 4);
  expect_all_there();
}

}  // namespace
}  // namespace tierhub::recovery
