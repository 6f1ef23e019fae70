// Owner, mode, times, size and extended attributes.
#include <algorithm>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "common/access_list.h"
#include "common/fault_points.h"
#include "common/posix.h"
#include "fusefs/file_system.h"
#include "storage/scratch/object_state.h"

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

// What a write by someone else, or a change of owner, takes away from a program file. Without
// execution by the group, set-group-id makes no program: who is of the group leaves it.
uint32_t without_privileges(const Attributes& attributes, const FsCaller& caller) {
  uint32_t mode = attributes.mode & ~static_cast<uint32_t>(S_ISUID);
  if ((mode & S_ISGID) == 0) return mode;
  const bool kept = (mode & S_IXGRP) == 0 && caller.in_group(attributes.gid);
  return kept ? mode : mode & ~static_cast<uint32_t>(S_ISGID);
}

// A folder has none of them: its set-group-id means something else.
bool takes_privileges(const Attributes& attributes, const AttributeChange& change) {
  return attributes.kind != FileKind::directory &&
         (change.clear_privileges || change.uid || change.gid);
}

// Not by a stranger, but for a write: that comes from somebody who has the file open for it.
Result<void> check_may_take_privileges(const InodeState& inode, const AttributeChange& change) {
  const Attributes& attributes = inode.rec().attributes;
  const uint32_t uid = change.caller.uid;
  if (!change.nothing_else || uid == 0 || uid == attributes.uid || inode.writable_handles > 0 ||
      attributes.kind == FileKind::directory)
    return {};
  if (without_privileges(attributes, change.caller) == attributes.mode) return {};
  return Error(std::errc::operation_not_permitted, "the file belongs to another user");
}

void change_attributes(Attributes& attributes, const AttributeChange& change) {
  if (takes_privileges(attributes, change))
    attributes.mode = without_privileges(attributes, change.caller);
  if (change.mode) attributes.mode = *change.mode & 07777;
  if (change.uid) attributes.uid = *change.uid;
  if (change.gid) attributes.gid = *change.gid;
  if (change.atime) attributes.atime = *change.atime;
  if (change.mtime) attributes.mtime = *change.mtime;
  attributes.ctime = Timestamp::now();
}

// The kernel shows these alone on a local file system.
Result<void> check_xattr_name(const std::string& name) {
  for (const std::string_view space : {"user.", "trusted.", "security."}) {
    if (!name.starts_with(space)) continue;
    if (name.size() > space.size()) return {};
    return Error(std::errc::invalid_argument, "an extended attribute needs a name");
  }
  if (name == kAccessListXattr || name == kDefaultListXattr) return {};
  return Error(std::errc::operation_not_supported,
               "this kind of extended attribute is not supported: " + name);
}

Result<void> set_object_times(const Scratch& scratch, InodeState& inode,
                              const AttributeChange& change) {
  TRY_ASSIGN(const UniqueFd object, scratch.open_object(inode.number, O_RDONLY));
  const timespec omit{0, UTIME_OMIT};
  const timespec times[2] = {change.atime ? change.atime->to_timespec() : omit,
                             change.mtime ? change.mtime->to_timespec() : omit};
  if (::futimens(object.get(), times) < 0)
    return Error::from_errno(errno, "set times of scratch object");
  return change.mtime ? note_change(inode, object.get()) : Result<void>();
}

}  // namespace

Result<NodeInfo> FileSystem::set_attributes(InodeState& inode, const AttributeChange& change) {
  InodeRecord record = inode.rec();
  Attributes& attributes = record.attributes;
  Batch batch;
  change_attributes(attributes, change);
  if (takes_privileges(attributes, change)) batch.erase_xattr(inode.number, kCapability);
  if (change.mode) {
    TRY_ASSIGN(const auto bytes, catalog_.xattr(inode.number, kAccessListXattr));
    if (bytes) {
      TRY_ASSIGN(AccessList list, AccessList::parse(*bytes));
      list.set_mode(attributes.mode);
      batch.put_xattr(inode.number, kAccessListXattr, list.bytes());
    }
  }
  // While `writing`, the object's times are the file's.
  if (record.writing && (change.atime || change.mtime))
    TRY(set_object_times(scratch_, inode, change));
  batch.put_inode(inode.number, record);
  batch.put_journal(JournalKey::of_inode(inode.number), {Timestamp::now(), ""});
  fault_point(FaultPoint::setattr_before_commit);
  TRY(catalog_.commit(batch));
  fault_point(FaultPoint::setattr_after_commit);
  const bool narrower = (inode.rec().attributes.mode & ~record.attributes.mode & 0777) != 0;
  inode.record = std::move(record);
  // Else whoever was shut out could read it again should it be adopted by its tag.
  if (narrower) retag(inode);
  return node_of(inode);
}

void FileSystem::setattr(InodeNumber inode, const AttributeChange& change, Done<NodeInfo> done) {
  auto changed = [&]() -> Result<std::optional<NodeInfo>> {
    TRY_ASSIGN(const InodeLock lock, inodes_.lock(inode));
    nameless_.with([&](auto& nameless) {
      if (const auto it = nameless.find(inode); it != nameless.end())
        change_attributes(it->second, change);
    });
    if (!lock.exists()) {
      TRY_ASSIGN(const NodeInfo node, getattr(inode));
      return std::optional<NodeInfo>(node);
    }
    InodeState& state = *lock;
    TRY(check_may_take_privileges(state, change));
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
  TRY(check_xattr_name(name));
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
                                  std::string_view value, XattrMode mode, const FsCaller& caller) {
  TRY(check_xattr_name(name));
  if (name.starts_with(kOwnXattrs)) {
    return Error(std::errc::operation_not_supported,
                 "the extended attribute " + name + " cannot be set");
  }
  if (value.size() > kXattrValueMax)
    return Error(std::errc::argument_list_too_long, "the value is longer than 64 KiB");
  TRY_ASSIGN(const InodeLock lock, inodes_.lock_existing(inode));
  TRY_ASSIGN(const auto existing, catalog_.xattr(inode, name));
  if (mode == XattrMode::create && existing)
    return Error(std::errc::file_exists, name + " is already set");
  if (mode == XattrMode::replace && !existing) return no_attribute(name);
  if (name == kAccessListXattr) return set_access_list(*lock, value, caller);
  if (name == kDefaultListXattr) {
    if (!lock->is_directory())
      return Error(std::errc::permission_denied, "only a folder has a default access list");
    TRY(AccessList::parse(value));
  }
  Batch batch;
  batch.put_xattr(inode, name, value);
  return commit_xattr_change(*lock, lock->rec(), std::move(batch));
}

// The list and the mode change together; a list that names nobody is kept as the mode alone.
Result<void> FileSystem::set_access_list(InodeState& inode, std::string_view value,
                                         const FsCaller& caller) {
  TRY_ASSIGN(const AccessList list, AccessList::parse(value));
  InodeRecord record = inode.rec();
  Attributes& attributes = record.attributes;
  attributes.mode = (attributes.mode & 07000) | list.mode();
  if ((attributes.mode & S_ISGID) != 0 && !caller.in_group(attributes.gid))
    attributes.mode &= ~static_cast<uint32_t>(S_ISGID);
  Batch batch;
  if (list.is_a_mode())
    batch.erase_xattr(inode.number, kAccessListXattr);
  else
    batch.put_xattr(inode.number, kAccessListXattr, value);
  return commit_xattr_change(inode, std::move(record), std::move(batch));
}

Result<void> FileSystem::removexattr(InodeNumber inode, const std::string& name) {
  TRY(check_xattr_name(name));
  TRY_ASSIGN(const InodeLock lock, inodes_.lock_existing(inode));
  TRY_ASSIGN(const auto existing, catalog_.xattr(inode, name));
  // A mode is an access list too: there is always one, so taking it away never fails.
  if (!existing && (name == kAccessListXattr || name == kDefaultListXattr)) return {};
  if (!existing) return no_attribute(name);
  Batch batch;
  batch.erase_xattr(inode, name);
  return commit_xattr_change(*lock, lock->rec(), std::move(batch));
}

Result<void> FileSystem::commit_xattr_change(InodeState& inode, InodeRecord record, Batch batch) {
  record.attributes.ctime = Timestamp::now();
  batch.put_inode(inode.number, record);
  batch.put_journal(JournalKey::of_inode(inode.number), {Timestamp::now(), ""});
  TRY(commit_change(batch));
  fault_point(FaultPoint::xattr_after_commit);
  inode.record = std::move(record);
  return {};
}

Result<std::vector<std::string>> FileSystem::listxattr(InodeNumber inode, const FsCaller& caller) {
  TRY_ASSIGN(const auto xattrs, catalog_.xattrs(inode));
  std::vector<std::string> names;
  for (const auto& [name, value] : xattrs) {
    if (caller.uid == 0 || !name.starts_with("trusted.")) names.push_back(name);
  }
  return names;
}

}  // namespace tierhub
