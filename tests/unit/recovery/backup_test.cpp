// Backups of the catalog in the archive, and what a rebuild takes from them.
#include "recovery/backup.h"

#include <algorithm>
#include <filesystem>

#include <fcntl.h>
#include <sys/stat.h>

#include "common/posix.h"
#include "recovery/rebuild.h"
#include "tests/unit/recovery/world.h"

namespace tierhub::recovery {
namespace {

CatalogBackups::Options options_of(const World& world, size_t keep = 2) {
  CatalogBackups::Options options;
  options.state = world.folder / "state";
  options.keep = keep;
  return options;
}

std::vector<std::string> stored(const World& world, const std::string& part) {
  std::vector<std::string> names;
  for (const auto& file : std::filesystem::directory_iterator(world.in_archive(kBackupFolder))) {
    if (file.path().filename().string().find(part) != std::string::npos)
      names.push_back(file.path().filename());
  }
  return names;
}

TEST(Backup, CopiesOnlyWhatTheArchiveHasNotGotAndKeepsAsManyAsAsked) {
  const World world;
  const auto tier = world.start();
  CatalogBackups backups(*tier->catalog, *tier->archive, options_of(world));
  value_of(backups.run({}));
  const auto tables = stored(world, "table-");
  EXPECT_FALSE(tables.empty());
  EXPECT_EQ(stored(world, ".backup").size(), 1u);
  for (int i = 0; i < 3; ++i) value_of(backups.run({}));
  EXPECT_EQ(stored(world, ".backup").size(), 2u);
  EXPECT_EQ(stored(world, "MANIFEST").size(), 2u) << "files of a removed backup are left";
  EXPECT_LE(stored(world, "table-").size(), tables.size() + 8) << "tables were copied again";
  EXPECT_FALSE(std::filesystem::exists(world.folder / "state/catalog-checkpoint"));
  // TierHub's own folder stays out of the namespace.
  EXPECT_EQ(tier->scan_added(), 0u);
}

TEST(Backup, IsTheCatalogAsItWas) {
  const World world;
  const auto tier = world.start();
  CatalogBackups backups(*tier->catalog, *tier->archive, options_of(world));
  value_of(backups.run({}));
  value_of(tier->fs->unlink(kRootInode, "new"));
  ASSERT_TRUE(value_of(fetch_backup(*tier->archive, world.folder / "fetched")));
  RocksDbOptions access;
  access.access = RocksDbOptions::Access::read_only;
  const auto store = value_of(open_rocksdb_store(world.folder / "fetched", access));
  EXPECT_EQ(value_of(View(*store).entry({kRootInode, "new"})), world.inode("new"));
}

TEST(Backup, ThatIsNotWholeIsNotUsed) {
  const World world;
  const auto tier = world.start();
  CatalogBackups backups(*tier->catalog, *tier->archive, options_of(world));
  value_of(backups.run({}));
  const auto good = value_of(fetch_backup(*tier->archive, world.folder / "fetched"));
  ASSERT_TRUE(good);
  value_of(tier->fs->mkdir(kRootInode, "more", 0755, kRoot));
  value_of(backups.run({}));
  // The newest one loses a file.
  const auto manifests = stored(world, "MANIFEST");
  std::filesystem::remove(world.in_archive(std::string(kBackupFolder) + "/" +
                                           *std::max_element(manifests.begin(), manifests.end())));
  EXPECT_EQ(value_of(fetch_backup(*tier->archive, world.folder / "fetched")), good);
}

TEST(Backup, IsGivenUpWithoutHarmWhenTheArchiveIsAway) {
  const World world;
  const auto tier = world.start();
  CatalogBackups backups(*tier->catalog, *tier->archive, options_of(world));
  value_of(backups.run({}));
  std::filesystem::rename(world.in_archive(".tierhub/id"), world.in_archive(".tierhub/hidden"));
  std::filesystem::permissions(world.in_archive(".tierhub/staging"), std::filesystem::perms::none);
  std::filesystem::rename(world.in_archive(".tierhub/staging"),
                          world.in_archive(".tierhub/elsewhere"));
  const auto failed = backups.run({});
  std::filesystem::rename(world.in_archive(".tierhub/elsewhere"),
                          world.in_archive(".tierhub/staging"));
  std::filesystem::permissions(world.in_archive(".tierhub/staging"),
                               std::filesystem::perms::owner_all);
  std::filesystem::rename(world.in_archive(".tierhub/hidden"), world.in_archive(".tierhub/id"));
  EXPECT_TRUE(value_of(fetch_backup(*tier->archive, world.folder / "fetched")));
  EXPECT_FALSE(std::filesystem::exists(world.folder / "state/catalog-checkpoint"));
  value_of(backups.run({}));
}

TEST(Backup, GivesARebuildWhatNeitherTierKnows) {
  const World world;
  {
    auto tier = world.start();
    FileSystem& fs = *tier->fs;
    value_of(fs.symlink(find(*tier, "a/b"), "shortcut", "../hot", kRoot));
    value_of(fs.mknod(kRootInode, "pipe", 0600 | S_IFIFO, 0, kRoot));
    value_of(fs.setxattr(world.inode("new"), "user.note", "unpublished", FileSystem::XattrMode::any,
                         kRoot));
    Batch pin;
    pin.put_lease(world.inode("a/hot"), {true, "me", "course", Timestamp::now(), {}});
    value_of(tier->catalog->commit(pin));
    CatalogBackups backups(*tier->catalog, *tier->archive, options_of(world));
    value_of(backups.run({}));
    // Made after the backup: it comes from its object.
    write_at(*tier, "a/after", 0, "after the backup");
  }
  std::filesystem::remove_all(world.folder / "state");
  const RebuildCounts counts = rebuild_world(world);
  EXPECT_TRUE(counts.donor.starts_with("the backup of")) << counts.donor;
  EXPECT_EQ(counts.donated.specials, 2u);
  EXPECT_EQ(counts.donated.xattrs, 1u);
  EXPECT_EQ(counts.donated.pins, 1u);

  auto tier = world.start();
  FileSystem& fs = *tier->fs;
  EXPECT_EQ(value_of(fs.readlink(find(*tier, "a/b/shortcut"))), "../hot");
  EXPECT_EQ(value_of(fs.getattr(find(*tier, "pipe"))).attributes.kind, FileKind::fifo);
  EXPECT_EQ(value_of(tier->catalog->xattr(find(*tier, "new"), "user.note")), "unpublished");
  EXPECT_EQ(value_of(tier->catalog->leases(find(*tier, "a/hot"))).size(), 1u);
  EXPECT_EQ(World::contents(*tier).at("a/after"), "after the backup");
  EXPECT_EQ(tier->publish(), 0u);
  World::stop(std::move(tier));
  EXPECT_EQ(world.codes(), std::vector<std::string>{});
}

}  // namespace
}  // namespace tierhub::recovery
