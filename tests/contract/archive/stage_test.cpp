#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "common/posix.h"
#include "fixture.h"

namespace tierhub::test {
namespace {

TIERHUB_ARCHIVE_TEST(Staging);

TEST_P(Staging, GivesContentAndAttributes) {
  const std::string text = random_text(3 * kChunk + 77, 1);
  StageFileRequest request;
  request.leaf = "leaf";
  request.size_bytes = text.size();
  request.attributes = attributes(FileKind::file, 04751);
  request.xattrs = {{"user.sample", "brain"}, {"user.empty", ""}};
  const auto staged = try_stage(request, text);
  ASSERT_TRUE(staged) << staged.error().text();
  EXPECT_EQ(read_file(in_staging("leaf")), text);
  EXPECT_EQ(without_atime(staged->version), without_atime(version(".tierhub/staging/leaf")));
  EXPECT_EQ(staged->version.attributes.mode, 04751U);
  EXPECT_EQ(staged->version.attributes.mtime, request.attributes.mtime);
  EXPECT_EQ(staged->version.attributes.size_bytes, text.size());
  EXPECT_EQ(staged->written_bytes, text.size());
  const auto xattrs = archive_->xattrs(".tierhub/staging/leaf");
  ASSERT_TRUE(xattrs) << xattrs.error().text();
  EXPECT_EQ(*xattrs, request.xattrs);
}

TEST_P(Staging, OfManyAtOnceAnswersEachInOrder) {
  std::vector<UniqueFd> objects;
  std::vector<StageFileRequest> requests;
  for (size_t i = 0; i < Archive::kMostAtOnce; ++i) {
    StageFileRequest request;
    request.leaf = i == 2 ? "no/leaf" : "leaf" + std::to_string(i);
    request.chunk_bytes = kChunk;
    request.attributes = attributes(FileKind::file, 0640);
    if (i != 1) {  // that one is empty
      const std::string path = work_ / request.leaf.substr(0, 2) + std::to_string(i);
      write_file(path, "text " + std::to_string(i));
      auto object = posix::open_at(AT_FDCWD, path, O_RDONLY);
      ASSERT_TRUE(object) << object.error().text();
      request.size_bytes = posix::stat_fd(object->get())->st_size;
      request.object_fd = object->get();
      objects.push_back(*std::move(object));
    }
    requests.push_back(std::move(request));
  }
  const auto staged = archive_->stage_files(requests);
  ASSERT_EQ(staged.size(), requests.size());
  for (size_t i = 0; i < staged.size(); ++i) {
    ASSERT_EQ(staged[i].has_value(), i != 2) << i;
    if (!staged[i]) continue;
    const std::string& leaf = requests[i].leaf;
    EXPECT_EQ(read_file(in_staging(leaf)), i == 1 ? "" : "text " + std::to_string(i));
    EXPECT_EQ(without_atime(staged[i]->version),
              without_atime(version(".tierhub/staging/" + leaf)));
    EXPECT_EQ(staged[i]->checksums.size(), i == 1 ? 0u : 1u);
  }
}

TEST_P(Staging, GivesOwnersAsRoot) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give files away";
  StageFileRequest request;
  request.leaf = "leaf";
  request.attributes = attributes(FileKind::file, 06755);
  request.attributes.uid = 1234;
  request.attributes.gid = 4321;
  const auto staged = try_stage(request, "");
  ASSERT_TRUE(staged) << staged.error().text();
  EXPECT_EQ(staged->version.attributes.uid, 1234U);
  EXPECT_EQ(staged->version.attributes.gid, 4321U);
  EXPECT_EQ(staged->version.attributes.mode, 06755U)
      << "a change of owner must not come after the mode";
}

TEST_P(Staging, ChecksumsEveryChunk) {
  const std::string text = random_text(2 * kChunk + 5, 2);
  const StagedFile staged = stage("leaf", text);
  ASSERT_EQ(staged.checksums.size(), 3U);
  for (size_t i = 0; i < 3; ++i) {
    const std::string chunk = text.substr(i * kChunk, kChunk);
    EXPECT_EQ(staged.checksums[i], checksum(std::as_bytes(std::span(chunk)))) << i;
  }
}

TEST_P(Staging, KeepsHoles) {
  const std::string object = (work_ / "sparse");
  constexpr uint64_t kSize = 16 << 20;
  const auto fd = posix::open_at(AT_FDCWD, object, O_RDWR | O_CREAT, 0600);
  ASSERT_TRUE(fd);
  ASSERT_TRUE(posix::truncate_fd(fd->get(), kSize));
  ASSERT_EQ(::pwrite(fd->get(), "middle", 6, kSize / 2), 6);
  StageFileRequest request;
  request.leaf = "leaf";
  request.object_fd = fd->get();
  request.size_bytes = kSize;
  request.chunk_bytes = 4 << 20;
  request.attributes = attributes(FileKind::file, 0600);
  const auto staged = archive_->stage_file(request);
  ASSERT_TRUE(staged) << staged.error().text();
  EXPECT_EQ(staged->version.attributes.size_bytes, kSize);
  EXPECT_LE(allocated_bytes(in_staging("leaf")), 1U << 20);
  EXPECT_EQ(read_file(in_staging("leaf")), read_file(object));
}

TEST_P(Staging, TakesAbsentRangesFromTheArchivedFile) {
  const std::string old = random_text(4 * kChunk, 3);
  write_file(in_archive("file"), old);
  const std::string fresh = random_text(4 * kChunk, 4);
  StageFileRequest request;
  request.leaf = "leaf";
  request.size_bytes = fresh.size();
  request.absent = {{kChunk, kChunk + 1000}, {3 * kChunk - 10, 4 * kChunk}};
  request.source_path = "file";
  request.source_version = version("file");
  request.source_limit_bytes = 3 * kChunk + 100;
  request.attributes = attributes(FileKind::file, 0600);
  const auto staged = try_stage(request, fresh);
  ASSERT_TRUE(staged) << staged.error().text();
  std::string expected = fresh;
  expected.replace(kChunk, 1000, old.substr(kChunk, 1000));
  expected.replace(3 * kChunk - 10, 110, old.substr(3 * kChunk - 10, 110));
  std::fill(expected.begin() + 3 * kChunk + 100, expected.end(), '\0');
  EXPECT_EQ(read_file(in_staging("leaf")), expected);
}

TEST_P(Staging, TakesNothingFromAnArchivedFileThatSomeoneChanged) {
  write_file(in_archive("file"), "old");
  StageFileRequest request;
  request.leaf = "leaf";
  request.size_bytes = 3;
  request.absent = {{0, 3}};
  request.source_path = "file";
  request.source_version = version("file");
  request.source_limit_bytes = 3;
  request.attributes = attributes(FileKind::file, 0600);
  write_file(in_archive("file"), "new");
  set_mtime(in_archive("file"), 1);
  const auto staged = try_stage(request, "");
  ASSERT_FALSE(staged);
  EXPECT_TRUE(is_conflict(staged.error())) << staged.error().text();
}

TEST_P(Staging, ReplacesWhatHasTheSameLeafName) {
  ASSERT_EQ(::mkdir(in_staging("leaf").c_str(), 0700), 0);
  stage("leaf", "one");
  stage("leaf", "two");
  EXPECT_EQ(read_file(in_staging("leaf")), "two");
}

TEST_P(Staging, MakesFoldersLinksAndSpecialFiles) {
  const auto folder = archive_->stage_node({"folder", attributes(FileKind::directory, 02750)});
  ASSERT_TRUE(folder) << folder.error().text();
  EXPECT_EQ(folder->attributes.kind, FileKind::directory);
  EXPECT_EQ(folder->attributes.mode, 02750U);
  const auto link =
      archive_->stage_node({"link", attributes(FileKind::symlink, 0777), {}, "far/away"});
  ASSERT_TRUE(link) << link.error().text();
  EXPECT_EQ(link->attributes.kind, FileKind::symlink);
  EXPECT_EQ(link->attributes.mtime, attributes(FileKind::symlink, 0).mtime);
  char target[64] = {};
  ASSERT_EQ(::readlink(in_staging("link").c_str(), target, sizeof target), 8);
  EXPECT_STREQ(target, "far/away");
  const auto fifo = archive_->stage_node({"fifo", attributes(FileKind::fifo, 0620)});
  ASSERT_TRUE(fifo) << fifo.error().text();
  EXPECT_EQ(fifo->attributes.kind, FileKind::fifo);
  EXPECT_EQ(fifo->attributes.mode, 0620U);
  const auto names = archive_->staged();
  ASSERT_TRUE(names) << names.error().text();
  EXPECT_EQ(names->size(), 3U);
  EXPECT_FALSE(archive_->stage_node({"file", attributes(FileKind::file, 0644)}));
}

// As the kernel shows an ACL: version 2, then entries of tag, permissions and id, all
// little-endian.
std::string acl_with_reader(uint32_t uid) {
  std::string acl("\2\0\0\0", 4);
  const auto add = [&](uint16_t tag, uint16_t permissions, uint32_t id) {
    acl.append(reinterpret_cast<const char*>(&tag), sizeof tag);
    acl.append(reinterpret_cast<const char*>(&permissions), sizeof permissions);
    acl.append(reinterpret_cast<const char*>(&id), sizeof id);
  };
  constexpr uint32_t kNobody = UINT32_MAX;
  add(0x01, 6, kNobody);  // owner
  add(0x02, 4, uid);
  add(0x04, 4, kNobody);  // group
  add(0x10, 4, kNobody);  // mask
  add(0x20, 0, kNobody);  // others
  return acl;
}

TEST_P(Staging, CarriesAccessControlLists) {
  StageFileRequest request;
  request.leaf = "leaf";
  request.attributes = attributes(FileKind::file, 0640);
  request.xattrs = {{"system.posix_acl_access", acl_with_reader(1234)}};
  const auto staged = try_stage(request, "");
  ASSERT_TRUE(staged) << staged.error().text();
  EXPECT_EQ(staged->version.attributes.mode, 0640U);
  const auto xattrs = archive_->xattrs(".tierhub/staging/leaf");
  ASSERT_TRUE(xattrs) << xattrs.error().text();
  EXPECT_EQ(*xattrs, request.xattrs);
}

TEST_P(Staging, HoldsDevicesAsRoot) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can make devices";
  Attributes device = attributes(FileKind::character_device, 0600);
  device.rdev = 0x103;
  const auto staged = archive_->stage_node({"device", device});
  ASSERT_TRUE(staged) << staged.error().text();
  EXPECT_EQ(staged->attributes.rdev, device.rdev);
}

}  // namespace
}  // namespace tierhub::test
