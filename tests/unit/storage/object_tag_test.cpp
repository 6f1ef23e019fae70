// What stands on objects, byte by byte; docs/ON_DISK.md describes it. Never edit a case: add one.
#include "storage/scratch/object_tag.h"

#include <fcntl.h>

#include <gtest/gtest.h>

#include "common/posix.h"
#include "storage/posix/posix_archive.h"
#include "tests/support/temporary_directory.h"

namespace tierhub {
namespace {

std::string hex(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return text;
}

ObjectTag new_file() {
  ObjectTag tag;
  tag.inode = InodeNumber(0x1234);
  tag.generation = Generation(1);
  tag.parent = InodeNumber(0x99);
  tag.name = "a.tif";
  tag.uid = 1000;
  tag.gid = 100;
  tag.mode = 0640;
  return tag;
}

ObjectTag everything() {
  ObjectTag tag = new_file();
  tag.bytes = ObjectTag::Bytes::some;
  tag.removed = true;
  tag.atime = {1};
  tag.mtime = {2};
  tag.base = {"id"};
  tag.base_size_bytes = 5;
  tag.base_mtime = {6};
  tag.archive_limit_bytes = 4;
  tag.new_ranges = {{1, 2}};
  tag.further_names = {{InodeNumber(7), "b"}};
  tag.folders = {{InodeNumber(8), "up"}, {InodeNumber(0x99), "in"}};
  tag.from_root = true;
  return tag;
}

TEST(ObjectTag, OfANewFileIsSmall) {
  const std::string bytes = encode_tag(new_file());
  EXPECT_EQ(hex(bytes),
            "0202"
            "0000000000001234"
            "0000000000000001"
            "0000000000000099"
            "05612e746966"
            "000003e8"
            "00000064"
            "01a0");
}

TEST(ObjectTag, IsGolden) {
  EXPECT_EQ(hex(encode_tag(everything())),
            "027c"
            "0000000000001234"
            "0000000000000001"
            "0000000000000099"
            "05612e746966"
            "000003e8"
            "00000064"
            "01a0"
            "0000000000000001"
            "0000000000000002"
            "000000026964"
            "0000000000000005"
            "0000000000000006"
            "0000000000000004"
            "0001"
            "00000000000000010000000000000002"
            "0001"
            "00000000000000070000000162"
            "01"
            "0002"
            "0000000000000008000000027570"
            "000000000000009900000002696e");
}

TEST(ObjectTag, IsReadBack) {
  const auto tag = decode_tag(encode_tag(everything()));
  ASSERT_TRUE(tag) << tag.error().text();
  EXPECT_EQ(encode_tag(*tag), encode_tag(everything()));
  EXPECT_TRUE(tag->removed);
  EXPECT_EQ(tag->folders, everything().folders);
}

TEST(ObjectTag, OfADeepPlaceKeepsTheNearestFolders) {
  ObjectTag tag = everything();
  tag.folders.clear();
  for (uint64_t i = 0; i < 100; ++i)
    tag.folders.emplace_back(InodeNumber(100 + i), std::string(200, 'x'));
  const std::string bytes = encode_tag(tag);
  EXPECT_LT(bytes.size(), kTagBytes + 100);
  const auto read = decode_tag(bytes);
  ASSERT_TRUE(read) << read.error().text();
  ASSERT_FALSE(read->folders.empty());
  EXPECT_EQ(read->folders.back().first, InodeNumber(199));
  EXPECT_FALSE(read->from_root) << "the outermost were left out";
}

TEST(ObjectTag, CutAnywhereIsRefused) {
  const std::string bytes = encode_tag(everything());
  for (size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(decode_tag(std::string_view(bytes).substr(0, size))) << size;
  EXPECT_FALSE(decode_tag(bytes + "x"));
  ObjectTag tag = everything();
  tag.folders[0].second = "..";
  EXPECT_FALSE(decode_tag(encode_tag(tag)));
}

TEST(ObjectTag, OfANewerTierHubIsRefused) {
  std::string bytes = encode_tag(new_file());
  bytes[0] = 3;
  const auto tag = decode_tag(bytes);
  ASSERT_FALSE(tag);
  EXPECT_TRUE(tag.error().is(std::errc::not_supported));
}

TEST(FormatMark, OfANewerTierHubIsRefusedByScratchAndArchive) {
  const TemporaryDirectory folder;
  ASSERT_TRUE(Scratch::open(folder.path()));
  ASSERT_TRUE(posix::replace_file(folder / "format", "2\n"));
  for (const auto open : {&Scratch::open, &Scratch::inspect}) {
    const auto scratch = open(folder.path());
    ASSERT_FALSE(scratch);
    EXPECT_TRUE(scratch.error().is(std::errc::not_supported));
    EXPECT_NE(scratch.error().text().find("install a newer one"), std::string::npos);
  }
  ASSERT_TRUE(posix::replace_file(folder / "format", "1\n"));
  EXPECT_TRUE(Scratch::open(folder.path()));

  const TemporaryDirectory root;
  ASSERT_TRUE(PosixArchive::open(root.path(), {}));
  ASSERT_TRUE(posix::replace_file(root / ".tierhub/format", "2\n"));
  const auto archive = PosixArchive::open(root.path(), {});
  ASSERT_FALSE(archive);
  EXPECT_TRUE(archive.error().is(std::errc::not_supported));
}

}  // namespace
}  // namespace tierhub
