// The namespace: names, folders, links. Each change is one batch (entries, inodes and journal keys
// together) under the locks of the inodes that it touches.
#include "fusefs/file_system.h"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>

#include <stdio.h>

#include "common/access_list.h"
#include "common/fault_points.h"
#include "common/log.h"
#include "common/posix.h"
#include "fusefs/file_system_names.h"
#include "fusefs/request_scope.h"
#include "storage/scratch/object_state.h"

namespace tierhub {
namespace {

// Worth asking scratch for the holes of; small files are stat'ed by the hundred thousand.
bool may_be_sparse(const InodeRecord& record, const Attributes& attributes) {
  constexpr uint64_t kLeastBytes = 1 << 20;
  return record.has_object && attributes.kind == FileKind::file &&
         attributes.size_bytes >= kLeastBytes;
}

// All that a new file's object has to say: where it belongs is in the object of its folder.
ObjectTag tag_of_new(InodeNumber inode, const InodeRecord& record, InodeNumber parent,
                     const std::string& name) {
  ObjectTag tag;
  tag.inode = inode;
  tag.generation = record.generation;
  tag.parent = parent;
  tag.name = name;
  tag.uid = record.attributes.uid;
  tag.gid = record.attributes.gid;
  tag.mode = record.attributes.mode;
  return tag;
}

}  // namespace

FileSystem::FileSystem(InodeTable& inodes, Scratch& scratch, FileSystemHooks& hooks)
    : inodes_(inodes), catalog_(inodes.catalog()), scratch_(scratch), hooks_(hooks) {}

// The one batch of a change that cannot be made twice. With it goes the answer to the request that
// asked for the change: killed behind this, the request comes again and finds it.
Result<void> FileSystem::commit_change(Batch& batch, InodeNumber made, Durability durability) {
  if (const auto& request = RequestScope::current()) {
    batch.put_reply({request->start, request->worker, request->session, request->unique, made});
  }
  TRY(catalog_.commit(batch, durability));
  fault_point(FaultPoint::change_after_commit);
  return {};
}

Result<NodeInfo> FileSystem::node_of(const InodeState& inode) const {
  TRY_ASSIGN(const Attributes attributes, current_attributes(scratch_, inode));
  NodeInfo node{inode.number, attributes, inode.rec().nlink, !inode.rec().writing};
  if (!may_be_sparse(inode.rec(), attributes) || !inode.all_present()) return node;
  TRY_ASSIGN(const UniqueFd object, scratch_.open_object(inode.number, O_RDONLY));
  TRY_ASSIGN(const struct stat st, posix::stat_fd(object.get()));
  node.blocks = static_cast<uint64_t>(st.st_blocks);
  return node;
}

Result<NodeInfo> FileSystem::getattr(InodeNumber inode) {
  TRY_ASSIGN(const auto record, catalog_.inode(inode));
  return node_of(inode, record);
}

// Most inodes are not being written: their committed record is the truth and needs no lock.
Result<NodeInfo> FileSystem::node_of(InodeNumber inode, const std::optional<InodeRecord>& record) {
  if (!record) {
    if (const auto held = nameless(inode)) return *held;
    return Error(std::errc::no_such_file_or_directory, "no such file or folder");
  }
  if (!record->writing && !may_be_sparse(*record, record->attributes))
    return NodeInfo{inode, record->attributes, record->nlink, true};
  TRY_ASSIGN(const InodeLock lock, inodes_.lock_existing(inode));
  return node_of(*lock);
}

void FileSystem::remember_nameless(InodeNumber inode, const Attributes& attributes) {
  if (attributes.kind == FileKind::file) return;
  nameless_.with([&](auto& nameless) { nameless[inode] = attributes; });
}

std::optional<NodeInfo> FileSystem::nameless(InodeNumber inode) const {
  return nameless_.with([&](const auto& nameless) -> std::optional<NodeInfo> {
    const auto it = nameless.find(inode);
    if (it == nameless.end()) return std::nullopt;
    return NodeInfo{inode, it->second, 0, true};
  });
}

void FileSystem::forget(InodeNumber inode) {
  nameless_.with([&](auto& nameless) { nameless.erase(inode); });
}

Result<NodeInfo> FileSystem::parent_of(InodeNumber directory) {
  TRY_ASSIGN(const auto names, catalog_.names(directory));
  return getattr(names.empty() ? kRootInode : names.front().parent);
}

// What a file handle means that the kernel has no inode for. A file without a name lives as long as
// somebody has it open; until it is reaped it is there, and gone.
Result<NodeInfo> FileSystem::by_handle(InodeNumber inode) {
  TRY_ASSIGN(const InodeLock lock, inodes_.lock(inode));
  const bool lives = lock.exists() && (lock->rec().nlink > 0 || lock->handles > 0);
  if (!lives) return Error::from_errno(ESTALE, "the file of this handle was removed");
  return node_of(*lock);
}

Result<NodeInfo> FileSystem::lookup(InodeNumber parent, const std::string& name) {
  TRY(check_length(name));
  if (name == ".") return by_handle(parent);
  if (name == "..") return parent_of(parent);
  TRY_ASSIGN(const auto inode, catalog_.lookup(parent, name));
  if (!inode) return no_entry(name);
  return getattr(*inode);
}

Result<std::string> FileSystem::readlink(InodeNumber inode) {
  TRY_ASSIGN(const auto record, catalog_.inode(inode));
  if (!record) return Error(std::errc::no_such_file_or_directory, "no such link");
  if (record->attributes.kind != FileKind::symlink)
    return Error(std::errc::invalid_argument, "not a symbolic link");
  return record->symlink_target;
}

Result<std::vector<FileSystem::ListedEntry>> FileSystem::list(InodeNumber directory,
                                                              uint64_t after_cookie, size_t limit) {
  constexpr uint64_t kDotCookie = 1;
  constexpr uint64_t kDotDotCookie = 2;
  std::vector<ListedEntry> entries;
  if (after_cookie < kDotCookie) {
    TRY_ASSIGN(const NodeInfo self, getattr(directory));
    entries.push_back({".", kDotCookie, self});
  }
  if (after_cookie < kDotDotCookie) {
    TRY_ASSIGN(const NodeInfo parent, parent_of(directory));
    entries.push_back({"..", kDotDotCookie, parent});
  }
  // Behind all names that share the cookie: no name is greater than 255 bytes of 0xff.
  const std::string last_name =
      after_cookie > kDotDotCookie ? std::string(kNameMax + 1, '\xff') : std::string();
  TRY_ASSIGN(const auto children, catalog_.list(directory, after_cookie, last_name, limit));
  std::vector<InodeNumber> numbers;
  for (const DirectoryEntry& child : children) numbers.push_back(child.inode);
  TRY_ASSIGN(const auto records, catalog_.inodes(numbers));
  for (size_t i = 0; i < children.size(); ++i) {
    const DirectoryEntry& child = children[i];
    auto node = node_of(child.inode, records[i]);
    if (!node && node.error().is(std::errc::no_such_file_or_directory))
      continue;  // removed in between
    if (!node) return node.error();
    entries.push_back({child.name, child.cookie, *node});
  }
  return entries;
}

Result<FileSystem::LockedEntry> FileSystem::lock_entry(InodeNumber parent,
                                                       const std::string& name) {
  for (int i = 0; i < kLookupTries; ++i) {
    TRY_ASSIGN(const auto inode, catalog_.lookup(parent, name));
    if (!inode) return no_entry(name);
    TRY_ASSIGN(auto locks, inodes_.lock_all({parent, *inode}));
    TRY_ASSIGN(const auto again, catalog_.lookup(parent, name));
    if (again == inode && locks[1].exists())
      return LockedEntry{std::move(locks[0]), std::move(locks[1])};
  }
  return Error(std::errc::device_or_resource_busy, name + " keeps being replaced; try again");
}

// What a new file or folder gets from its folder: the group and set-group-id, and either the
// default access control list or what the caller's umask leaves of the mode.
Result<FileSystem::NewNode> FileSystem::inherit(const InodeState& folder, FileKind kind,
                                                uint32_t mode, const FsCaller& caller) {
  NewNode node;
  Attributes& attributes = node.attributes;
  attributes.kind = kind;
  attributes.mode = mode & 07777;
  attributes.uid = caller.uid;
  attributes.gid = caller.gid;
  attributes.atime = attributes.mtime = attributes.ctime = attributes.btime = Timestamp::now();
  if ((folder.rec().attributes.mode & S_ISGID) != 0) {
    attributes.gid = folder.rec().attributes.gid;
    if (kind == FileKind::directory) attributes.mode |= S_ISGID;
  }
  if (kind == FileKind::symlink) return node;
  TRY_ASSIGN(const auto given, catalog_.xattr(folder.number, kDefaultListXattr));
  if (!given) {
    attributes.mode &= ~caller.umask;
    return node;
  }
  TRY_ASSIGN(AccessList list, AccessList::parse(*given));
  list.narrow_to(attributes.mode);
  attributes.mode = (attributes.mode & 07000) | list.mode();
  if (!list.is_a_mode()) node.xattrs.emplace_back(kAccessListXattr, list.bytes());
  if (kind == FileKind::directory) node.xattrs.emplace_back(kDefaultListXattr, *given);
  return node;
}

// A folder in which something new is made has an empty object: its tag says where the folder is,
// also when it was never in the archive, or is renamed. `record` is what the folder becomes with
// the caller's batch.
Result<void> FileSystem::ensure_folder_object(const InodeState& folder, InodeRecord& record) const {
  if (folder.number == kRootInode || record.has_object) return {};
  TRY_ASSIGN(const UniqueFd object, scratch_.create(folder.number));
  record.has_object = true;
  return tag_object(catalog_, scratch_, object.get(), folder, record);
}

// A tag that is out of date costs a rebuild its newest knowledge; the operation is done all the
// same.
void FileSystem::retag(const InodeState& inode) const {
  if (auto tagged = retag_object(catalog_, scratch_, inode); !tagged) {
    log::warning("could not update the tag of an object",
                 {{"inode", inode.number}, {"error", tagged.error().text()}});
  }
}

// One new inode with one new entry: everything but regular files, which have an object too (see
// create).
Result<NodeInfo> FileSystem::make_node(InodeNumber parent, const std::string& name, FileKind kind,
                                       uint32_t mode, uint64_t rdev, const std::string& target,
                                       const FsCaller& caller) {
  TRY(check_new_name(catalog_, parent, name));
  TRY_ASSIGN(const InodeNumber number, catalog_.allocate_inode());
  TRY_ASSIGN(auto locks, inodes_.lock_all({parent, number}));
  InodeLock& folder = locks[0];
  InodeLock& child = locks[1];
  TRY(check_live_directory(folder));
  TRY_ASSIGN(const auto existing, catalog_.lookup(parent, name));
  if (existing) return Error(std::errc::file_exists, name + " already exists");

  TRY_ASSIGN(const NewNode node, inherit(*folder, kind, mode, caller));
  InodeRecord record;
  record.attributes = node.attributes;
  record.attributes.rdev = rdev;
  record.attributes.size_bytes = target.size();
  record.symlink_target = target;
  record.nlink = kind == FileKind::directory ? 2 : 1;
  if (kind == FileKind::file) record.content = Content::unknown;
  InodeRecord parent_record = touched(folder->rec(), kind == FileKind::directory ? 1 : 0);
  if (kind == FileKind::directory) {
    TRY(ensure_folder_object(*folder, parent_record));
    TRY_ASSIGN(const UniqueFd object, scratch_.create(number));
    record.has_object = true;
    ObjectTag tag = tag_of_new(number, record, parent, name);
    tag.kind = kind;
    tag.bytes = ObjectTag::Bytes::none;
    TRY(scratch_.tag(object.get(), tag));
  }
  Batch batch;
  batch.put_inode(number, record);
  for (const auto& [xattr, value] : node.xattrs) batch.put_xattr(number, xattr, value);
  batch.put_entry(parent, name, number);
  batch.put_inode(parent, parent_record);
  const JournalRecord journal{Timestamp::now(), ""};
  batch.put_journal(JournalKey::of_inode(number), journal);
  batch.put_journal(JournalKey::of_entry(parent, name), journal);
  TRY(commit_change(batch, number));
  fault_point(FaultPoint::mkdir_after_commit);
  folder->record = parent_record;
  child->record = std::move(record);
  return node_of(*child);
}

Result<NodeInfo> FileSystem::mkdir(InodeNumber parent, const std::string& name, uint32_t mode,
                                   const FsCaller& caller) {
  return make_node(parent, name, FileKind::directory, mode, 0, "", caller);
}

Result<NodeInfo> FileSystem::mknod(InodeNumber parent, const std::string& name, uint32_t mode,
                                   uint64_t rdev, const FsCaller& caller) {
  switch (mode & S_IFMT) {
    case 0:
    case S_IFREG:
      return make_node(parent, name, FileKind::file, mode, 0, "", caller);
    case S_IFIFO:
      return make_node(parent, name, FileKind::fifo, mode, 0, "", caller);
    case S_IFSOCK:
      return make_node(parent, name, FileKind::socket, mode, 0, "", caller);
    case S_IFCHR:
      return make_node(parent, name, FileKind::character_device, mode, rdev, "", caller);
    case S_IFBLK:
      return make_node(parent, name, FileKind::block_device, mode, rdev, "", caller);
    default:
      return Error(std::errc::invalid_argument, "mknod: unknown type of file");
  }
}

Result<NodeInfo> FileSystem::symlink(InodeNumber parent, const std::string& name,
                                     const std::string& target, const FsCaller& caller) {
  return make_node(parent, name, FileKind::symlink, 0777, 0, target, caller);
}

Result<Created> FileSystem::create(InodeNumber parent, const std::string& name, uint32_t mode,
                                   int flags, const FsCaller& caller) {
  TRY(check_new_name(catalog_, parent, name));
  return make_file(parent, name, mode, flags, caller);
}

Result<Created> FileSystem::create_unnamed(InodeNumber folder, uint32_t mode, int flags,
                                           const FsCaller& caller) {
  return make_file(folder, "", mode, flags, caller);
}

// A new file: the object stands before the batch that makes it known, so that there is no record
// without its object. Killed in between, the object is an orphan that recovery removes. A file
// without a name is noted for the reaper, which leaves it alone while it is open.
Result<Created> FileSystem::make_file(InodeNumber parent, const std::string& name, uint32_t mode,
                                      int flags, const FsCaller& caller) {
  const bool named = !name.empty();
  TRY_ASSIGN(const InodeNumber number, catalog_.allocate_inode());
  TRY_ASSIGN(auto locks, inodes_.lock_all({parent, number}));
  InodeLock& folder = locks[0];
  InodeLock& child = locks[1];
  TRY(check_live_directory(folder));
  if (named) {
    TRY_ASSIGN(const auto existing, catalog_.lookup(parent, name));
    if (existing) return Error(std::errc::file_exists, name + " already exists");
  }

  const bool writable = (flags & O_ACCMODE) != O_RDONLY;
  TRY_ASSIGN(const NewNode inherited, inherit(*folder, FileKind::file, mode, caller));
  InodeRecord record;
  record.attributes = inherited.attributes;
  record.nlink = named ? 1 : 0;
  record.generation = Generation(1);
  record.content = Content::unknown;
  record.has_object = true;
  record.writing = writable;

  TRY_ASSIGN(UniqueFd object, scratch_.create(number, O_RDONLY));
  ObjectTag tag = tag_of_new(number, record, parent, name);
  tag.removed = !named;
  TRY(scratch_.tag(object.get(), tag));
  fault_point(FaultPoint::create_before_commit);
  InodeRecord parent_record = named ? touched(folder->rec()) : folder->rec();
  if (named) TRY(ensure_folder_object(*folder, parent_record));
  Batch batch;
  batch.put_inode(number, record);
  for (const auto& [xattr, value] : inherited.xattrs) batch.put_xattr(number, xattr, value);
  if (named) {
    batch.put_entry(parent, name, number);
    batch.put_inode(parent, parent_record);
    const JournalRecord journal{Timestamp::now(), ""};
    batch.put_journal(JournalKey::of_inode(number), journal);
    batch.put_journal(JournalKey::of_entry(parent, name), journal);
  } else {
    batch.put_reap(number, ReapKind::inode);
  }
  const bool sync = (flags & O_SYNC) != 0 || (flags & O_DSYNC) != 0;
  if (auto committed = commit_change(batch, number, sync ? Durability::synced : Durability::wal);
      !committed) {
    static_cast<void>(scratch_.set_aside(number));
    return committed.error();
  }
  fault_point(FaultPoint::create_after_commit);
  folder->record = parent_record;
  child->record = std::move(record);
  if (writable) hooks_.writing(number);

  const FileHandle handle{writable, sync};
  TRY_ASSIGN(const auto st, posix::stat_fd(object.get()));
  const NodeInfo node{number, attributes_now(child->rec(), st), child->rec().nlink,
                      !child->rec().writing};
  TRY_ASSIGN(const Opened opened,
             add_handle(*child, handle, choose_mode(*child, handle), std::move(object)));
  return Created{node, opened};
}

// The object says where its file belongs, should the catalog be lost.
Result<void> FileSystem::tag_with_name(const InodeState& inode, const Name& name) const {
  TRY_ASSIGN(const UniqueFd object, scratch_.open_object(inode.number, O_RDONLY));
  return scratch_.tag(object.get(), tag_of_new(inode.number, inode.rec(), name.parent, name.name));
}

// The kernel lets a file without a name have one only if it never had any (O_TMPFILE): it is the
// reaper's until then, and the publisher hears of it here.
Result<NodeInfo> FileSystem::link(InodeNumber inode, InodeNumber new_parent,
                                  const std::string& new_name) {
  TRY(check_new_name(catalog_, new_parent, new_name));
  if (inode == new_parent)
    return Error(std::errc::operation_not_permitted, "a folder cannot have a second name");
  TRY_ASSIGN(auto locks, inodes_.lock_all({inode, new_parent}));
  InodeLock& child = locks[0];
  InodeLock& folder = locks[1];
  if (!child.exists()) return Error(std::errc::no_such_file_or_directory, "the file was removed");
  if (child->is_directory())
    return Error(std::errc::operation_not_permitted, "a folder cannot have a second name");
  TRY(check_live_directory(folder));
  TRY_ASSIGN(const auto existing, catalog_.lookup(new_parent, new_name));
  if (existing) return Error(std::errc::file_exists, new_name + " already exists");
  // A file that never had a name may get one anywhere.
  if (child->rec().nlink > 0) TRY(check_same_file_system(catalog_, inode, new_parent));

  InodeRecord record = child->rec();
  ++record.nlink;
  record.attributes.ctime = Timestamp::now();
  InodeRecord parent_record = touched(folder->rec());
  TRY(ensure_folder_object(*folder, parent_record));
  Batch batch;
  if (record.nlink == 1) {
    TRY(tag_with_name(*child, {new_parent, new_name}));
    batch.erase_reap(inode);
    batch.put_journal(JournalKey::of_inode(inode), {Timestamp::now(), ""});
  }
  batch.put_inode(inode, record);
  batch.put_entry(new_parent, new_name, inode);
  batch.put_inode(new_parent, parent_record);
  batch.put_journal(JournalKey::of_entry(new_parent, new_name), {Timestamp::now(), ""});
  TRY(commit_change(batch, inode));
  fault_point(FaultPoint::link_after_commit);
  child->record = std::move(record);
  folder->record = parent_record;
  retag(*child);
  return node_of(*child);
}

// `child` loses a name. An inode that has none left is noted for the reaper: it may still be open.
InodeRecord FileSystem::drop_name(const InodeState& child, Batch& batch) const {
  InodeRecord record = child.rec();
  --record.nlink;
  record.attributes.ctime = Timestamp::now();
  batch.put_inode(child.number, record);
  if (record.nlink == 0) batch.put_reap(child.number, ReapKind::inode);
  return record;
}

Result<void> FileSystem::unlink(InodeNumber parent, const std::string& name) {
  InodeNumber number;
  {
    TRY_ASSIGN(LockedEntry entry, lock_entry(parent, name));
    TRY(check_live_directory(entry.parent));
    if (entry.child->is_directory()) return Error(std::errc::is_a_directory, name + " is a folder");
    number = entry.child->number;
    Batch batch;
    InodeRecord record = drop_name(*entry.child, batch);
    const InodeRecord parent_record = touched(entry.parent->rec());
    batch.erase_entry(parent, name, number);
    batch.put_inode(parent, parent_record);
    batch.put_journal(JournalKey::of_entry(parent, name), {Timestamp::now(), ""});
    TRY(commit_change(batch));
    if (record.nlink == 0) remember_nameless(number, record.attributes);
    entry.child->record = std::move(record);
    entry.parent->record = parent_record;
    // Else it would come back with a rebuild. One that nobody has open is gone soon.
    if (entry.child->rec().nlink > 0 || entry.child->handles > 0) retag(*entry.child);
  }
  fault_point(FaultPoint::unlink_after_commit);
  hooks_.unnamed(number);
  return {};
}

// A folder that must go: with its record, its extended attributes and its journal key.
Result<void> FileSystem::erase_directory(const InodeState& directory, Batch& batch) const {
  TRY_ASSIGN(const bool empty, catalog_.is_empty(directory.number));
  if (!empty) return Error(std::errc::directory_not_empty, "the folder is not empty");
  TRY_ASSIGN(const auto xattrs, catalog_.xattrs(directory.number));
  for (const auto& [name, value] : xattrs) batch.erase_xattr(directory.number, name);
  batch.erase_inode(directory.number);
  batch.erase_journal(JournalKey::of_inode(directory.number));
  return {};
}

Result<void> FileSystem::rmdir(InodeNumber parent, const std::string& name) {
  TRY_ASSIGN(LockedEntry entry, lock_entry(parent, name));
  TRY(check_live_directory(entry.parent));
  if (!entry.child->is_directory())
    return Error(std::errc::not_a_directory, name + " is not a folder");
  TRY(check_not_mount_point(catalog_, *entry.child, name));
  Batch batch;
  TRY(erase_directory(*entry.child, batch));
  const InodeRecord parent_record = touched(entry.parent->rec(), -1);
  batch.erase_entry(parent, name, entry.child->number);
  batch.put_inode(parent, parent_record);
  batch.put_journal(JournalKey::of_entry(parent, name), {Timestamp::now(), ""});
  const bool has_object = entry.child->rec().has_object;
  TRY(commit_change(batch));
  fault_point(FaultPoint::rmdir_after_commit);
  remember_nameless(entry.child->number, entry.child->rec().attributes);
  entry.child->record.reset();
  entry.parent->record = parent_record;
  return has_object ? scratch_.set_aside(entry.child->number) : Result<void>();
}

Result<FileSystem::Statistics> FileSystem::statfs(InodeNumber inode) {
  TRY_ASSIGN(const FileSystemId file_system, file_system_of(catalog_, inode));
  Statistics statistics;
  statistics.space = hooks_.archive_space(file_system);
  return statistics;
}

}  // namespace tierhub
