#include "fusefs/kernel/node_reply.h"

#include <algorithm>
#include <cmath>

namespace tierhub {
namespace {

constexpr uint64_t kBlockBytes = 512;  // the unit of st_blocks
constexpr uint32_t kPreferredBytes = 4096;
constexpr double kNewFileTimeout_s = 0.1;

mode_t file_type(FileKind kind) {
  switch (kind) {
    case FileKind::file:
      return S_IFREG;
    case FileKind::directory:
      return S_IFDIR;
    case FileKind::symlink:
      return S_IFLNK;
    case FileKind::fifo:
      return S_IFIFO;
    case FileKind::socket:
      return S_IFSOCK;
    case FileKind::character_device:
      return S_IFCHR;
    case FileKind::block_device:
      return S_IFBLK;
  }
  return 0;
}

struct KernelTimeout {
  uint64_t seconds;
  uint32_t ns;
};

KernelTimeout to_kernel_timeout(double timeout_s) {
  const double whole = std::floor(timeout_s);
  return {static_cast<uint64_t>(whole), static_cast<uint32_t>((timeout_s - whole) * 1e9)};
}

fuse_attr to_fuse_attr(const struct stat& st) {
  fuse_attr attr{};
  attr.ino = st.st_ino;
  attr.size = static_cast<uint64_t>(st.st_size);
  attr.blocks = static_cast<uint64_t>(st.st_blocks);
  attr.atime = static_cast<uint64_t>(st.st_atim.tv_sec);
  attr.mtime = static_cast<uint64_t>(st.st_mtim.tv_sec);
  attr.ctime = static_cast<uint64_t>(st.st_ctim.tv_sec);
  attr.atimensec = static_cast<uint32_t>(st.st_atim.tv_nsec);
  attr.mtimensec = static_cast<uint32_t>(st.st_mtim.tv_nsec);
  attr.ctimensec = static_cast<uint32_t>(st.st_ctim.tv_nsec);
  attr.mode = st.st_mode;
  attr.nlink = static_cast<uint32_t>(st.st_nlink);
  attr.uid = st.st_uid;
  attr.gid = st.st_gid;
  attr.rdev = static_cast<uint32_t>(st.st_rdev);
  attr.blksize = static_cast<uint32_t>(st.st_blksize);
  return attr;
}

}  // namespace

struct stat to_stat(const NodeInfo& node) {
  const Attributes& attributes = node.attributes;
  struct stat st {};
  st.st_ino = node.inode.value();
  st.st_mode = file_type(attributes.kind) | (attributes.mode & 07777);
  st.st_nlink = node.nlink;
  st.st_uid = attributes.uid;
  st.st_gid = attributes.gid;
  st.st_rdev = attributes.rdev;
  st.st_size = static_cast<off_t>(attributes.size_bytes);
  st.st_blocks = static_cast<blkcnt_t>(
      node.blocks.value_or((attributes.size_bytes + kBlockBytes - 1) / kBlockBytes));
  st.st_blksize = kPreferredBytes;
  st.st_atim = attributes.atime.to_timespec();
  st.st_mtim = attributes.mtime.to_timespec();
  st.st_ctim = attributes.ctime.to_timespec();
  return st;
}

double attr_timeout_s(const NodeInfo& node, const CacheTimeouts& timeouts) {
  return node.attributes_stable ? timeouts.attr_s : 0;
}

fuse_entry_param to_entry_param(const NodeInfo& node, const CacheTimeouts& timeouts) {
  fuse_entry_param entry{};
  entry.ino = node.inode.value();
  entry.attr = to_stat(node);
  entry.attr_timeout = attr_timeout_s(node, timeouts);
  entry.entry_timeout = timeouts.entry_s;
  return entry;
}

fuse_entry_out to_entry_out(const NodeInfo& node, const CacheTimeouts& timeouts) {
  const KernelTimeout entry_valid = to_kernel_timeout(timeouts.entry_s);
  const KernelTimeout attr_valid = to_kernel_timeout(attr_timeout_s(node, timeouts));
  fuse_entry_out entry{};
  entry.nodeid = node.inode.value();
  entry.entry_valid = entry_valid.seconds;
  entry.entry_valid_nsec = entry_valid.ns;
  entry.attr_valid = attr_valid.seconds;
  entry.attr_valid_nsec = attr_valid.ns;
  entry.attr = to_fuse_attr(to_stat(node));
  return entry;
}

fuse_abi::OpenReply to_open_reply(const Opened& opened, uint64_t fh) {
  // The kernel's cache of a file that the daemon serves stays: whoever changes the content behind
  // the kernel's back says so by invalidate_inode. Behind passthrough it has to be dropped.
  if (opened.mode == ServeMode::passthrough)
    return {fh, fuse_abi::kOpenPassthrough, opened.backing_id};
  return {fh, fuse_abi::kOpenKeepCache, 0};
}

fuse_abi::CreateReply to_create_reply(const Created& created, uint64_t fh,
                                      const CacheTimeouts& timeouts) {
  fuse_entry_out entry = to_entry_out(created.node, timeouts);
  // The kernel asks again while it is still opening the file, if it may not believe this for a
  // moment. What it writes itself makes it forget the attributes, and nobody else has the file yet.
  const KernelTimeout moment = to_kernel_timeout(std::min(kNewFileTimeout_s, timeouts.attr_s));
  entry.attr_valid = moment.seconds;
  entry.attr_valid_nsec = moment.ns;
  return {entry, to_open_reply(created.opened, fh)};
}

AttributeChange to_attribute_change(const struct stat& wanted, int to_set, const FsCaller& caller) {
  constexpr int kKillPrivileges = FUSE_SET_ATTR_KILL_SUID | FUSE_SET_ATTR_KILL_SGID;
  AttributeChange change;
  change.caller = caller;
  if ((to_set & FUSE_SET_ATTR_MODE) != 0) change.mode = wanted.st_mode & 07777;
  if ((to_set & FUSE_SET_ATTR_UID) != 0) change.uid = wanted.st_uid;
  if ((to_set & FUSE_SET_ATTR_GID) != 0) change.gid = wanted.st_gid;
  if ((to_set & FUSE_SET_ATTR_SIZE) != 0) change.size_bytes = static_cast<uint64_t>(wanted.st_size);
  if ((to_set & FUSE_SET_ATTR_ATIME_NOW) != 0)
    change.atime = Timestamp::now();
  else if ((to_set & FUSE_SET_ATTR_ATIME) != 0)
    change.atime = Timestamp::from(wanted.st_atim);
  if ((to_set & FUSE_SET_ATTR_MTIME_NOW) != 0)
    change.mtime = Timestamp::now();
  else if ((to_set & FUSE_SET_ATTR_MTIME) != 0)
    change.mtime = Timestamp::from(wanted.st_mtim);
  const bool cut_by_other = change.size_bytes && caller.uid != 0;
  change.nothing_else = to_set == 0;
  change.clear_privileges = to_set == 0 || (to_set & kKillPrivileges) != 0 || cut_by_other;
  return change;
}

}  // namespace tierhub
