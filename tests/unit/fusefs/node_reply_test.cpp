#include "fusefs/kernel/node_reply.h"

#include <cstring>

#include <sys/sysmacros.h>

#include <gtest/gtest.h>

namespace tierhub {
namespace {

constexpr CacheTimeouts kTimeouts{60.5, 30.25};
const FsCaller kRoot{0, 0};
const FsCaller kOther{1000, 1000};

NodeInfo file_of(uint64_t size_bytes) {
  NodeInfo node;
  node.inode = InodeNumber(0x1'0000'0007);
  node.attributes.kind = FileKind::file;
  node.attributes.mode = 0640;
  node.attributes.uid = 1000;
  node.attributes.gid = 100;
  node.attributes.size_bytes = size_bytes;
  node.attributes.atime = {1'000'000'001};
  node.attributes.mtime = {2'000'000'002};
  node.attributes.ctime = {3'000'000'003};
  node.nlink = 2;
  return node;
}

TEST(NodeReply, ShowsAnInodeAsStatDoes) {
  const struct stat st = to_stat(file_of(1000));
  EXPECT_EQ(st.st_ino, 0x1'0000'0007u);
  EXPECT_EQ(st.st_mode, static_cast<mode_t>(S_IFREG | 0640));
  EXPECT_EQ(st.st_nlink, 2u);
  EXPECT_EQ(st.st_uid, 1000u);
  EXPECT_EQ(st.st_gid, 100u);
  EXPECT_EQ(st.st_size, 1000);
  EXPECT_EQ(st.st_blksize, 4096);
  EXPECT_EQ(st.st_atim.tv_sec, 1);
  EXPECT_EQ(st.st_mtim.tv_nsec, 2);
  EXPECT_EQ(st.st_ctim.tv_nsec, 3);
}

TEST(NodeReply, CountsBlocksFromTheSizeAlone) {
  EXPECT_EQ(to_stat(file_of(0)).st_blocks, 0);
  EXPECT_EQ(to_stat(file_of(1)).st_blocks, 1);
  EXPECT_EQ(to_stat(file_of(512)).st_blocks, 1);
  EXPECT_EQ(to_stat(file_of(513)).st_blocks, 2);
  EXPECT_EQ(to_stat(file_of(uint64_t{1} << 62)).st_blocks, blkcnt_t{1} << 53);
}

TEST(NodeReply, NamesEachKindOfFile) {
  const std::pair<FileKind, mode_t> kinds[] = {
      {FileKind::file, S_IFREG},        {FileKind::directory, S_IFDIR},
      {FileKind::symlink, S_IFLNK},     {FileKind::fifo, S_IFIFO},
      {FileKind::socket, S_IFSOCK},     {FileKind::character_device, S_IFCHR},
      {FileKind::block_device, S_IFBLK}};
  for (const auto& [kind, type] : kinds) {
    NodeInfo node = file_of(0);
    node.attributes.kind = kind;
    EXPECT_EQ(to_stat(node).st_mode & S_IFMT, type);
  }
}

TEST(NodeReply, KeepsTheNumbersOfADevice) {
  NodeInfo node = file_of(0);
  node.attributes.kind = FileKind::block_device;
  node.attributes.rdev = makedev(259, 70'000);
  const fuse_entry_out entry = to_entry_out(node, kTimeouts);
  EXPECT_EQ(major(entry.attr.rdev), 259u);
  EXPECT_EQ(minor(entry.attr.rdev), 70'000u);
}

TEST(NodeReply, LetsTheKernelKeepStableAttributes) {
  const fuse_entry_param entry = to_entry_param(file_of(1), kTimeouts);
  EXPECT_EQ(entry.ino, 0x1'0000'0007u);
  EXPECT_EQ(entry.generation, 0u);
  EXPECT_EQ(entry.entry_timeout, 60.5);
  EXPECT_EQ(entry.attr_timeout, 30.25);
}

TEST(NodeReply, LetsTheKernelKeepNoAttributesThatMayChangeUnseen) {
  NodeInfo node = file_of(1);
  node.attributes_stable = false;
  EXPECT_EQ(to_entry_param(node, kTimeouts).attr_timeout, 0);
  EXPECT_EQ(to_entry_param(node, kTimeouts).entry_timeout, 60.5);
  const fuse_entry_out entry = to_entry_out(node, kTimeouts);
  EXPECT_EQ(entry.attr_valid, 0u);
  EXPECT_EQ(entry.attr_valid_nsec, 0u);
}

TEST(NodeReply, WritesAnEntryAsTheKernelReadsIt) {
  const fuse_entry_out entry = to_entry_out(file_of(1000), kTimeouts);
  EXPECT_EQ(entry.nodeid, 0x1'0000'0007u);
  EXPECT_EQ(entry.entry_valid, 60u);
  EXPECT_EQ(entry.entry_valid_nsec, 500'000'000u);
  EXPECT_EQ(entry.attr_valid, 30u);
  EXPECT_EQ(entry.attr_valid_nsec, 250'000'000u);
  EXPECT_EQ(entry.attr.ino, 0x1'0000'0007u);
  EXPECT_EQ(entry.attr.mode, static_cast<uint32_t>(S_IFREG | 0640));
  EXPECT_EQ(entry.attr.size, 1000u);
  EXPECT_EQ(entry.attr.blocks, 2u);
  EXPECT_EQ(entry.attr.blksize, 4096u);
  EXPECT_EQ(entry.attr.nlink, 2u);
  EXPECT_EQ(entry.attr.mtime, 2u);
  EXPECT_EQ(entry.attr.mtimensec, 2u);
}

TEST(NodeReply, ShowsTimesBefore1970) {
  NodeInfo node = file_of(0);
  node.attributes.mtime = {-1};
  const fuse_entry_out entry = to_entry_out(node, kTimeouts);
  EXPECT_EQ(static_cast<int64_t>(entry.attr.mtime), -1);
  EXPECT_EQ(entry.attr.mtimensec, 999'999'999u);
}

TEST(OpenReply, CarriesTheHandleAndTheBackingIdOfAPassthroughOpen) {
  const Opened opened{{.writable = true, .sync = true}, ServeMode::passthrough, 9};
  const auto reply = to_open_reply(opened, 0x100000003);
  uint32_t words[4];
  std::memcpy(words, &reply, sizeof words);
  EXPECT_EQ(words[0], 3u);  // fh
  EXPECT_EQ(words[1], 1u);
  EXPECT_EQ(words[2], 1u << 7);  // open_flags: passthrough, and nothing of the page cache is kept
  EXPECT_EQ(words[3], 9u);       // backing_id
}

TEST(OpenReply, KeepsTheKernelsCacheOfAFileThatTheDaemonServes) {
  const auto reply = to_open_reply({{}, ServeMode::daemon, 0}, 0);
  EXPECT_EQ(reply.fh, 0u);
  EXPECT_EQ(reply.open_flags, static_cast<uint32_t>(FOPEN_KEEP_CACHE));
  EXPECT_EQ(reply.backing_id, 0);
}

TEST(CreateReply, PutsTheOpenBehindTheEntry) {
  const Created created{file_of(0), {{.writable = true}, ServeMode::passthrough, 5}};
  const auto reply = to_create_reply(created, 1, kTimeouts);
  EXPECT_EQ(sizeof reply, 128u + 16u);
  EXPECT_EQ(reply.entry.nodeid, 0x1'0000'0007u);
  EXPECT_EQ(reply.open.fh, 1u);
  EXPECT_EQ(reply.open.backing_id, 5);
}

TEST(AttributeChange, HasOnlyWhatTheKernelSet) {
  struct stat wanted {};
  wanted.st_mode = S_IFREG | 04755;
  wanted.st_uid = 7;
  wanted.st_gid = 8;
  wanted.st_size = 9;
  wanted.st_atim = {1, 2};
  wanted.st_mtim = {3, 4};
  const auto change = to_attribute_change(wanted, FUSE_SET_ATTR_MODE | FUSE_SET_ATTR_MTIME, kRoot);
  EXPECT_EQ(change.mode, 04755u);
  EXPECT_EQ(change.mtime, Timestamp{3'000'000'004});
  EXPECT_FALSE(change.uid || change.gid || change.size_bytes || change.atime);
  EXPECT_FALSE(change.clear_privileges);
  const auto rest = to_attribute_change(
      wanted, FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID | FUSE_SET_ATTR_SIZE | FUSE_SET_ATTR_ATIME,
      kRoot);
  EXPECT_EQ(rest.uid, 7u);
  EXPECT_EQ(rest.gid, 8u);
  EXPECT_EQ(rest.size_bytes, 9u);
  EXPECT_EQ(rest.atime, Timestamp{1'000'000'002});
  EXPECT_FALSE(rest.mode || rest.mtime);
}

TEST(AttributeChange, TakesTheTimeFromTheClockForNow) {
  struct stat wanted {};
  const Timestamp before = Timestamp::now();
  const auto change = to_attribute_change(
      wanted,
      FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_ATIME_NOW | FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_MTIME_NOW,
      kOther);
  EXPECT_GE(change.atime, before);
  EXPECT_GE(change.mtime, before);
}

TEST(AttributeChange, ClearsPrivilegesWhenNothingIsSet) {
  EXPECT_TRUE(to_attribute_change({}, 0, kOther).clear_privileges);
  EXPECT_TRUE(to_attribute_change({}, 0, kRoot).clear_privileges);
}

TEST(AttributeChange, ClearsPrivilegesWhenSomeoneOtherThanRootCutsTheFile) {
  EXPECT_TRUE(to_attribute_change({}, FUSE_SET_ATTR_SIZE, kOther).clear_privileges);
  EXPECT_FALSE(to_attribute_change({}, FUSE_SET_ATTR_SIZE, kRoot).clear_privileges);
  // As the kernel says it: FATTR_KILL_SUIDGID.
  EXPECT_TRUE(to_attribute_change({}, FUSE_SET_ATTR_SIZE | 1 << 11, kRoot).clear_privileges);
}

}  // namespace
}  // namespace tierhub
