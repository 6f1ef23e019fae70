// File systems that are mounted below the archive's root: everything works inside each of them, and
// nothing is ever done in a mount point that one of them is missing from.
#include <algorithm>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fixture.h"
#include "storage/archive/file_system_id.h"
#include "storage/posix/posix_archive.h"
#include "tests/support/loop_mount.h"

namespace tierhub::test {
namespace {

using tierhub::test::LoopMount;

class Nested : public ArchiveTest {
 protected:
  void SetUp() override {
    tierhub::test::use_own_mounts();
    ArchiveTest::SetUp();
  }
  // Lets go of the mounts before they are taken away.
  void TearDown() override { archive_.reset(); }

  void mount_labs() {
    first_ = std::make_unique<LoopMount>("ext4", in_archive("lab1"), kBytes);
    second_ = std::make_unique<LoopMount>("ext4", in_archive("deep/lab2"), kBytes);
  }
  FileSystemId id_of(const std::string& path) { return file_system_of(version(path).identity); }
  std::vector<std::string> names_in(const std::string& path) {
    const auto page = archive_->list(path, 0, 100);
    EXPECT_TRUE(page) << page.error().text();
    std::vector<std::string> names;
    if (page) {
      for (const ArchiveChild& child : page->children) names.push_back(child.name);
    }
    std::sort(names.begin(), names.end());
    return names;
  }
  // Stages a file for the file system of the folder `lab`, and places it at `path`.
  ArchiveVersion publish(const std::string& lab, const std::string& path, const std::string& text,
                         const std::optional<ArchiveVersion>& before = std::nullopt) {
    const std::string leaf = name_on(id_of(lab), "1f");
    const StagedFile staged = stage(leaf, text);
    const auto placed = archive_->place(leaf, path, before);
    EXPECT_TRUE(placed) << placed.error().text();
    if (!placed) return {};
    EXPECT_EQ(placed->identity, staged.version.identity);
    if (before) {
      EXPECT_TRUE(archive_->discard(leaf, *before));
    }
    return *placed;
  }
  static bool is_offline(const Error& error) { return error.is(std::errc::no_such_device); }

  static constexpr uint64_t kBytes = 16 << 20;
  std::unique_ptr<LoopMount> first_;
  std::unique_ptr<LoopMount> second_;
};

std::vector<Backend> some_backends() {
  std::vector<Backend> some;
  for (const Backend& backend : backends()) {
    if (!backend.name.ends_with("Threads")) some.push_back(backend);
  }
  return some;
}
INSTANTIATE_TEST_SUITE_P(Backends, Nested, ::testing::ValuesIn(some_backends()),
                         [](const auto& backend) { return backend.param.name; });

TEST_P(Nested, FileSystemsAreToldFromEachOtherByTheIdentitiesOfTheirFiles) {
  mount_labs();
  write_file(in_archive("file"), "x");
  write_file(in_archive("lab1/file"), "x");
  write_file(in_archive("deep/lab2/file"), "x");
  EXPECT_EQ(id_of("file"), "");
  EXPECT_EQ(id_of("deep"), "");
  EXPECT_EQ(id_of("lab1").size(), 32U);
  EXPECT_EQ(id_of("lab1/file"), id_of("lab1"));
  EXPECT_EQ(id_of("deep/lab2/file"), id_of("deep/lab2"));
  EXPECT_NE(id_of("lab1"), id_of("deep/lab2"));
  EXPECT_NE(version("lab1").identity, version("deep/lab2").identity)
      << "both are inode 2 of an ext4";
  const auto page = archive_->list("lab1", 0, 100);
  ASSERT_TRUE(page) << page.error().text();
  EXPECT_EQ(page->file_system, id_of("lab1"));
}

TEST_P(Nested, FileSystemsKeepTheirIdsWhenTheyAreMountedAnewAndElsewhere) {
  mount_labs();
  write_file(in_archive("lab1/file"), "x");
  const ArchiveVersion before = version("lab1/file");
  first_->unmount();
  first_->mount();
  EXPECT_EQ(version("lab1/file").identity, before.identity);
  ASSERT_EQ(::rename(in_archive("deep").c_str(), in_archive("deeper").c_str()), 0);
  const std::string leaf = name_on(id_of("deeper/lab2"), "5");
  stage(leaf, "x");
  const auto placed = archive_->place(leaf, "deeper/lab2/file", std::nullopt);
  ASSERT_TRUE(placed) << placed.error().text();
  ASSERT_EQ(::rename(in_archive("deeper").c_str(), in_archive("deep").c_str()), 0);
}

TEST_P(Nested, FileSystemsHaveAPrivateFolderThatIsNotListed) {
  mount_labs();
  EXPECT_EQ(names_in("lab1"), std::vector<std::string>());
  struct stat st {};
  for (const char* folder : {".tierhub", ".tierhub/staging", ".tierhub/aside", ".tierhub/trash"}) {
    ASSERT_EQ(::stat((in_archive("lab1/") + folder).c_str(), &st), 0) << folder;
    EXPECT_EQ(st.st_mode & 07777, 0700U) << folder;
  }
  ASSERT_EQ(::mkdir(in_archive("lab1/.zfs").c_str(), 0755), 0);
  ASSERT_EQ(::mkdir(in_archive("lab1/folder").c_str(), 0755), 0);
  for (const char* name : {".tierhub", "@eaDir", "#recycle", ".snapshot", ".zfs", "lost+found"})
    ASSERT_EQ(::mkdir((in_archive("lab1/folder/") + name).c_str(), 0755), 0);
  EXPECT_EQ(names_in("lab1"), std::vector<std::string>{"folder"});
  EXPECT_EQ(names_in("lab1/folder"), (std::vector<std::string>{".tierhub", ".zfs", "lost+found"}))
      << "what only means something at the top of a file system is anybody's elsewhere";
}

TEST_P(Nested, AForeignPrivateFolderIsShownAndNotUsed) {
  mount_labs();
  ASSERT_EQ(::mkdir(in_archive("lab1/.tierhub").c_str(), 0755), 0);
  write_file(in_archive("lab1/.tierhub/notes"), "mine");
  EXPECT_EQ(names_in("lab1"), std::vector<std::string>{".tierhub"});
  EXPECT_EQ(names_in("lab1/.tierhub"), std::vector<std::string>{"notes"});
  StageFileRequest request;
  request.leaf = name_on(id_of("lab1"), "1");
  request.attributes = attributes(FileKind::file, 0644);
  const auto staged = try_stage(request, "");
  ASSERT_FALSE(staged);
  EXPECT_TRUE(staged.error().is(std::errc::operation_not_permitted)) << staged.error().text();
}

TEST_P(Nested, FilesArePublishedReplacedMovedLinkedAndRemovedInside) {
  mount_labs();
  ASSERT_EQ(::mkdir(in_archive("lab1/folder").c_str(), 0755), 0);
  ArchiveVersion file = publish("lab1", "lab1/folder/file", "first");
  EXPECT_EQ(read_file(in_archive("lab1/folder/file")), "first");
  EXPECT_EQ(without_atime(file), without_atime(version("lab1/folder/file")));
  file = publish("lab1", "lab1/folder/file", "second", file);
  EXPECT_EQ(read_file(in_archive("lab1/folder/file")), "second");

  auto moved = archive_->move("lab1/folder/file", file, "lab1/moved", std::nullopt);
  ASSERT_TRUE(moved) << moved.error().text();
  const std::string leaf = name_on(id_of("lab1"), "2");
  const auto linked = archive_->link("lab1/moved", *moved, leaf, "lab1/link", std::nullopt);
  ASSERT_TRUE(linked) << linked.error().text();
  EXPECT_EQ(linked->nlink, 2U);
  Attributes changed = linked->attributes;
  changed.mode = 0600;
  const auto set = archive_->set_attributes("lab1/link", *linked, changed, {{"user.a", "b"}});
  ASSERT_TRUE(set) << set.error().text();
  EXPECT_EQ(set->attributes.mode, 0600U);

  const auto removed = archive_->remove("lab1/link", *set, leaf);
  ASSERT_TRUE(removed) << removed.error().text();
  EXPECT_EQ(read_file(in_archive("lab1/.tierhub/staging/2")), "second");
  const auto staged = archive_->staged();
  ASSERT_TRUE(staged) << staged.error().text();
  EXPECT_EQ(*staged, std::vector<std::string>{leaf});
  EXPECT_TRUE(archive_->stat(".tierhub/staging/" + leaf)->has_value());
  ASSERT_TRUE(archive_->discard(leaf, *set));
  EXPECT_TRUE(archive_->staged()->empty());
  EXPECT_TRUE(archive_->sync(id_of("lab1")));
  EXPECT_TRUE(archive_->sync_folders({"lab1", "lab1/folder"}));
}

TEST_P(Nested, FilesOfAnotherVersionAreNotReplaced) {
  mount_labs();
  const ArchiveVersion file = publish("lab1", "lab1/file", "ours");
  write_file(in_archive("lab1/file"), "theirs, longer");
  const std::string leaf = name_on(id_of("lab1"), "3");
  stage(leaf, "new");
  const auto placed = archive_->place(leaf, "lab1/file", file);
  ASSERT_FALSE(placed);
  EXPECT_TRUE(is_conflict(placed.error())) << placed.error().text();
  EXPECT_EQ(read_file(in_archive("lab1/file")), "theirs, longer");
}

TEST_P(Nested, WhatIsRemovedRestsInItsTrashAndIsListedWithTheOthers) {
  mount_labs();
  const ArchiveVersion file = publish("lab1", "lab1/file", "text");
  const FileSystemId id = id_of("lab1");
  const std::string leaf = name_on(id, "4");
  ASSERT_TRUE(archive_->remove("lab1/file", file, leaf));
  const std::string day = ".tierhub/trash/" + name_on(id, "2026-11-22");
  ASSERT_TRUE(archive_->stage_node({name_on(id, "5"), attributes(FileKind::directory, 0700)}));
  ASSERT_TRUE(archive_->place(name_on(id, "5"), day, std::nullopt));
  const auto taken = archive_->move(".tierhub/staging/" + leaf, file, day + "/file", std::nullopt);
  ASSERT_TRUE(taken) << taken.error().text();
  EXPECT_EQ(read_file(in_archive("lab1/.tierhub/trash/2026-11-22/file")), "text");
  EXPECT_EQ(names_in(".tierhub/trash"), std::vector<std::string>{name_on(id, "2026-11-22")});
  EXPECT_EQ(names_in(day), std::vector<std::string>{"file"});
  const auto restored = archive_->move(day + "/file", *taken, "lab1/file", std::nullopt);
  ASSERT_TRUE(restored) << restored.error().text();
  EXPECT_EQ(restored->identity, file.identity);
}

TEST_P(Nested, NothingGoesFromOneFileSystemToAnother) {
  mount_labs();
  const ArchiveVersion file = publish("lab1", "lab1/file", "text");
  EXPECT_TRUE(
      is_conflict(archive_->move("lab1/file", file, "deep/lab2/file", std::nullopt).error()));
  EXPECT_TRUE(is_conflict(archive_->move("lab1/file", file, "file", std::nullopt).error()));
  stage("6", "for the root");
  EXPECT_TRUE(is_conflict(archive_->place("6", "lab1/new", std::nullopt).error()));
  EXPECT_EQ(names_in("deep/lab2"), std::vector<std::string>());
  EXPECT_EQ(names_in("lab1"), std::vector<std::string>{"file"});
}

TEST_P(Nested, AFileSystemThatWasUnmountedIsOfflineAndItsMountPointStaysEmpty) {
  mount_labs();
  const ArchiveVersion file = publish("lab1", "lab1/file", "text");
  const FileSystemId id = id_of("lab1");
  const ArchiveVersion top = version("lab1");
  const FillRequest request = whole("lab1/file");
  first_->unmount();  // nothing of it is held open

  EXPECT_NE(version("lab1").identity, top.identity);
  EXPECT_FALSE(archive_->stat("lab1/file")->has_value());
  EXPECT_NE(archive_->list("lab1", 0, 10)->file_system, id);
  const std::string leaf = name_on(id, "7");
  StageFileRequest stage_request;
  stage_request.leaf = leaf;
  stage_request.attributes = attributes(FileKind::file, 0644);
  EXPECT_TRUE(is_offline(try_stage(stage_request, "").error()));
  stage("8", "for the root");
  const auto removed = archive_->remove("lab1/file", file, leaf);
  EXPECT_TRUE(is_offline(removed.error())) << removed.error().text();
  EXPECT_TRUE(is_offline(archive_->set_attributes("lab1", top, top.attributes, {}).error()));
  EXPECT_TRUE(is_offline(archive_->move("lab1/file", file, "lab1/x", std::nullopt).error()));
  EXPECT_TRUE(is_offline(archive_->discard(leaf, file).error()));
  EXPECT_TRUE(is_offline(archive_->sync(id).error()));
  EXPECT_FALSE(fill(request, "target"));
  EXPECT_EQ(*archive_->staged(), std::vector<std::string>{"8"});
  EXPECT_EQ(::rmdir(in_archive("lab1").c_str()), 0) << "something was made in the mount point";
  ASSERT_EQ(::mkdir(in_archive("lab1").c_str(), 0755), 0);

  first_->mount();
  EXPECT_EQ(version("lab1/file"), file);
  const auto filled = fill(request, "target");
  ASSERT_TRUE(filled) << filled.error().text();
  EXPECT_EQ(read_file(work_ / "target"), "text");
}

TEST_P(Nested, AnotherFileSystemInItsPlaceIsNotTakenForIt) {
  mount_labs();
  const ArchiveVersion file = publish("lab1", "lab1/file", "text");
  first_->unmount();
  const LoopMount other("ext4", in_archive("lab1"), kBytes);
  EXPECT_NE(id_of("lab1"), file_system_of(file.identity));
  const std::string leaf = name_on(file_system_of(file.identity), "9");
  EXPECT_TRUE(is_offline(archive_->remove("lab1/file", file, leaf).error()));
  EXPECT_EQ(names_in("lab1"), std::vector<std::string>());
}

TEST_P(Nested, LeavesInStagingAreFoundByTheNextProcess) {
  mount_labs();
  const std::string leaf = name_on(id_of("deep/lab2"), "a");
  stage(leaf, "text");
  archive_.reset();
  SetUp();
  const auto staged = archive_->staged();
  ASSERT_TRUE(staged) << staged.error().text();
  EXPECT_EQ(*staged, std::vector<std::string>{leaf});
  const auto placed = archive_->place(leaf, "deep/lab2/file", std::nullopt);
  ASSERT_TRUE(placed) << placed.error().text();
  EXPECT_EQ(read_file(in_archive("deep/lab2/file")), "text");
}

TEST_P(Nested, AFullFileSystemDoesNotFillTheOthers) {
  mount_labs();
  StageFileRequest request;
  request.leaf = name_on(id_of("lab1"), "b");
  request.attributes = attributes(FileKind::file, 0644);
  const std::string text = random_text(2 * kBytes, 1);
  request.size_bytes = text.size();
  const auto refused = try_stage(request, text);
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().is(std::errc::no_space_on_device)) << refused.error().text();
  publish("deep/lab2", "deep/lab2/file", "text");
  EXPECT_EQ(read_file(in_archive("deep/lab2/file")), "text");
  EXPECT_LT(archive_->space(id_of("lab1"))->available_bytes,
            archive_->space(id_of("deep/lab2"))->available_bytes);
}

// The inner one clones by itself; from one to the other the bytes are read and written.
TEST(NestedCapabilities, AreThoseOfTheFileSystemThatIsActedOn) {
  tierhub::test::use_own_mounts();
  const TemporaryDirectory folder;
  const LoopMount outer("ext4", folder / "archive", 64 << 20);
  const LoopMount inner("xfs", outer.path() + "/lab");
  PosixArchive::Options options;
  options.copy.method = CopyMethod::threads;
  auto archive = PosixArchive::open(outer.path(), options);
  ASSERT_TRUE(archive) << archive.error().text();
  const std::string text = random_text(8 * kChunk, 7);
  const auto lab = (*archive)->stat("lab");
  ASSERT_TRUE(lab && *lab);
  for (const std::string source_path : {"source", "lab/source"}) {
    write_file(outer.path() + "/" + source_path, text);
    const auto source = (*archive)->stat(source_path);
    ASSERT_TRUE(source && *source);
    StageFileRequest request;
    request.leaf = name_on(file_system_of((**lab).identity), "1");
    request.size_bytes = text.size();
    request.chunk_bytes = kChunk;
    request.attributes.mode = 0600;
    request.source_path = source_path;
    request.source_version = **source;
    request.source_limit_bytes = text.size();
    request.absent = {{0, text.size()}};
    request.patch = true;
    request.unchanged = {{0, text.size()}};
    const auto staged = (*archive)->stage_file(request);
    ASSERT_TRUE(staged) << staged.error().text();
    EXPECT_EQ(staged->cloned_bytes, source_path == "source" ? 0 : text.size());
    EXPECT_EQ(read_file(inner.path() + "/.tierhub/staging/1"), text);
  }
}

}  // namespace
}  // namespace tierhub::test
