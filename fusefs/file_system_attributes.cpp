// Owner, mode, times, size and extended attributes.
#include <algorithm>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "common/posix.h"
#include "fusefs/file_system.h"
#include "storage/object_state.h"

namespace tierhub {
namespace {

constexpr size_t kXattrValueMax = 65536;
// Answered by TierHub itself; never stored, never listed, so never copied.
constexpr std::string_view kOwnXattrs = "user.tierhub.";
constexpr const char* kCapability = "security.capability";

Error no_attribute(const std::string& name) {
  return Error::from_errno(ENODATA, "extended attribute " + name);
}

std::string_view state_name(FileState state) {
  switch (state) {
    case FileState::cold:
      return "cold";
    case FileState::partial:
      return "partial";
    case FileState::hot:
      return "hot";
    case FileState::dirty:
      return "dirty";
  }
  return "";
}

// What a write by someone else, or a change of owner, takes away from a program file.
uint32_t without_privileges(uint32_t mode) {
  if ((mode & S_IXGRP) != 0) mode &= ~static_cast<uint32_t>(S_ISGID);
  return mode & ~static_cast<uint32_t>(S_ISUID);
}

Result<void> set_object_times(const Scratch& scratch, const InodeState& inode,
                              const AttributeChange& change) {
  TRY_ASSIGN(const UniqueFd object, scratch.open_object(inode.number, O_RDONLY));
  const timespec omit{0, UTIME_OMIT};
  const timespec times[2] = {change.atime ? change.atime->to_timespec() : omit,
                             change.mtime ? change.mtime->to_timespec() : omit};
  if (::futimens(object.get(), times) < 0)
    return Error::from_errno(errno, "set times of scratch object");
  return {};
}

}  // namespace

Result<NodeInfo> FileSystem::set_attributes(InodeState& inode, const AttributeChange& change) {
  InodeRecord record = inode.rec();
  Attributes& attributes = record.attributes;
  Batch batch;
  const bool owner_changes = (change.uid && *change.uid != attributes.uid) ||
                             (change.gid && *change.gid != attributes.gid);
  if (change.clear_privileges || (owner_changes && attributes.kind == FileKind::file)) {
    attributes.mode = without_privileges(attributes.mode);
    batch.erase_xattr(inode.number, kCapability);
  }
  if (change.mode) attributes.mode = *change.mode & 07777;
  if (change.uid) attributes.uid = *change.uid;
  if (change.gid) attributes.gid = *change.gid;
  if (change.atime) attributes.atime = *change.atime;
  if (change.mtime) attributes.mtime = *change.mtime;
  attributes.ctime = Timestamp::now();
  // While `writing`, the object's times are the file's.
  if (record.writing && (change.atime || change.mtime))
    TRY(set_object_times(scratch_, inode, change));
  batch.put_inode(inode.number, record);
  batch.put_journal(JournalKey::of_inode(inode.number), {Timestamp::now(), ""});
  TRY(catalog_.commit(batch));
  inode.record = std::move(record);
  return node_of(inode);
}

void FileSystem::setattr(InodeNumber inode, const AttributeChange& change, Done<NodeInfo> done) {
  auto changed = [&]() -> Result<std::optional<NodeInfo>> {
    TRY_ASSIGN(const InodeLock lock, inodes_.lock_existing(inode));
    InodeState& state = *lock;
    if (change.size_bytes) {
      if (!state.is_file())
        return Error(std::errc::invalid_argument, "only a file can be truncated");
      if (wait_for_fills(state, [=, this] { setattr(inode, change, done); }))
        return std::optional<NodeInfo>();
      TRY(grant_writing(state, state.serve_mode));
      TRY(truncate(state, *change.size_bytes));
      TRY(harvest(catalog_, scratch_, state));
    }
    TRY_ASSIGN(NodeInfo node, set_attributes(state, change));
    return std::optional<NodeInfo>(node);
  }();
  if (!changed) return done(changed.error());
  if (changed->has_value()) done(**changed);
}

Result<std::string> FileSystem::getxattr(InodeNumber inode, const std::string& name) {
  if (name.starts_with(kOwnXattrs)) return own_xattr(inode, name.substr(kOwnXattrs.size()));
  TRY_ASSIGN(auto value, catalog_.xattr(inode, name));
  if (!value) return no_attribute(name);
  return *std::move(value);
}

Result<std::string> FileSystem::own_xattr(InodeNumber inode, const std::string& name) {
  TRY_ASSIGN(const InodeLock lock, inodes_.lock_existing(inode));
  if (!lock->is_file()) return no_attribute(name);
  if (name == "state") return std::string(state_name(lock->state()));
  if (name == "resident") return std::to_string(lock->resident_bytes());
  return no_attribute(name);
}

Result<void> FileSystem::setxattr(InodeNumber inode, const std::string& name,
                                  std::string_view value, XattrMode mode) {
  if (name.starts_with(kOwnXattrs) || name.starts_with("system.")) {
    return Error(std::errc::operation_not_supported,
                 "the extended attribute " + name + " cannot be set");
  }
  if (value.size() > kXattrValueMax)
    return Error(std::errc::argument_list_too_long, "the value is longer than 64 KiB");
  TRY_ASSIGN(const InodeLock lock, inodes_.lock_existing(inode));
  TRY_ASSIGN(const auto existing, catalog_.xattr(inode, name));
  if (mode == XattrMode::create && existing)
    return Error(std::errc::file_exists, name + " is set already");
  if (mode == XattrMode::replace && !existing) return no_attribute(name);
  Batch batch;
  batch.put_xattr(inode, name, value);
  return commit_xattr_change(*lock, std::move(batch));
}

Result<void> FileSystem::removexattr(InodeNumber inode, const std::string& name) {
  TRY_ASSIGN(const InodeLock lock, inodes_.lock_existing(inode));
  TRY_ASSIGN(const auto existing, catalog_.xattr(inode, name));
  if (!existing) return no_attribute(name);
  Batch batch;
  batch.erase_xattr(inode, name);
  return commit_xattr_change(*lock, std::move(batch));
}

Result<void> FileSystem::commit_xattr_change(InodeState& inode, Batch batch) {
  InodeRecord record = inode.rec();
  record.attributes.ctime = Timestamp::now();
  batch.put_inode(inode.number, record);
  batch.put_journal(JournalKey::of_inode(inode.number), {Timestamp::now(), ""});
  TRY(catalog_.commit(batch));
  inode.record = std::move(record);
  return {};
}

Result<std::vector<std::string>> FileSystem::listxattr(InodeNumber inode) {
  TRY_ASSIGN(const auto xattrs, catalog_.xattrs(inode));
  std::vector<std::string> names;
  for (const auto& [name, value] : xattrs) names.push_back(name);
  return names;
}

}  // namespace tierhub
