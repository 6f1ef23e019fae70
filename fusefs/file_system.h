// The namespace as a POSIX file system: what each operation does, without a FUSE header. The shim
// (kernel/session.h) turns kernel requests into these calls; tests call them directly.
//
// Everything returns at once, except fsync and catalog commits. Operations that may have to wait
// for the archive or for a fill take a `done` callback, which is called once, on this thread or on
// a thread of the migrator.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "common/guarded.h"
#include "common/result.h"
#include "common/types.h"
#include "fusefs/hooks.h"
#include "inodes/inode_table.h"
#include "storage/archive/file_system_id.h"
#include "storage/scratch/scratch.h"

namespace tierhub {

// What the shim gives the file system: passthrough and cache invalidation. Any thread.
class KernelChannel {
 public:
  virtual ~KernelChannel() = default;
  // Passthrough was negotiated.
  virtual bool passthrough() const = 0;
  // Registers an O_RDONLY descriptor of an object; the descriptor may be closed afterwards. The id
  // is positive.
  virtual Result<int32_t> open_backing(int fd) = 0;
  virtual void close_backing(int32_t backing_id) = 0;
  // Queued for the one thread that notifies the kernel; returns at once.
  virtual void invalidate_inode(InodeNumber inode) = 0;
  virtual void invalidate_entry(InodeNumber parent, const std::string& name) = 0;
  // Returns when the kernel knows all of that, or after two seconds: it may be waiting for an answer
  // of ours. Not from the thread of a request.
  virtual void wait_invalidated() = 0;
};

struct FsCaller {
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint32_t umask = 0;
  // Is the caller a member of this supplementary group? Asked rarely, and only while the request is
  // not answered yet. Empty: of none.
  std::function<bool(uint32_t gid)> is_member = {};
  RequestNumber request = 0;
  bool in_group(uint32_t group) const {
    return uid == 0 || gid == group || (is_member && is_member(group));
  }
};

// What the kernel learns about an inode.
struct NodeInfo {
  InodeNumber inode;
  Attributes attributes;
  uint32_t nlink = 1;
  // False while passthrough writers may change size and times unseen: attribute timeout 0.
  bool attributes_stable = true;
  // What a large file that is whole in scratch takes there, in units of 512 bytes. Without it a
  // file is said to take what it is long.
  std::optional<uint64_t> blocks = {};
};

// An open file. There is nothing behind it but the counts in InodeState; the shim keeps what the
// kernel calls it (kept_session.h).
struct FileHandle {
  bool writable = false;
  bool sync = false;  // O_SYNC or O_DSYNC
};

struct Opened {
  FileHandle handle;
  ServeMode mode = ServeMode::daemon;
  int32_t backing_id = 0;  // with passthrough
};

struct Created {
  NodeInfo node;
  Opened opened;
};

// Which attributes to set; what is not there stays.
struct AttributeChange {
  std::optional<uint32_t> mode;
  std::optional<uint32_t> uid;
  std::optional<uint32_t> gid;
  std::optional<uint64_t> size_bytes;
  std::optional<Timestamp> atime;
  std::optional<Timestamp> mtime;
  // Set-user-id, set-group-id and capabilities go, as when `caller` writes.
  bool clear_privileges = false;
  // It asks for nothing else: because of a write, or of a `chown` that changes neither owner nor
  // group, and the kernel does not say which. Who may write only may not chown.
  bool nothing_else = false;
  FsCaller caller;
};

// Bytes for a read: send them from `fd` at `offset_bytes`. `owner` keeps the descriptor open; if it
// is empty the open handle does.
struct ReadAnswer {
  int fd = -1;
  uint64_t offset_bytes = 0;
  uint64_t size_bytes = 0;  // 0 at the end of the file
  std::shared_ptr<UniqueFd> owner;
};

// The bytes of a write request.
class WriteSource {
 public:
  virtual ~WriteSource() = default;
  virtual uint64_t size_bytes() const = 0;
  // Called if the write cannot be done before the request handler returns: keep the bytes.
  virtual Result<void> detach() = 0;
  virtual Result<size_t> copy_to(int fd, uint64_t offset_bytes) = 0;
};

class FileSystem {
 public:
  // All are borrowed.
  FileSystem(InodeTable& inodes, Scratch& scratch, FileSystemHooks& hooks);

  // Before the first request. `channel` outlives the file system's use.
  void attach(KernelChannel& channel) { channel_ = &channel; }

  // "." is the inode itself, of any kind: so the kernel finds what it was given a handle of. ESTALE
  // if that was removed, and nobody has it open.
  Result<NodeInfo> lookup(InodeNumber parent, const std::string& name);
  Result<NodeInfo> getattr(InodeNumber inode);
  template <class T>
  using Done = std::function<void(Result<T>)>;
  void setattr(InodeNumber inode, const AttributeChange& change, Done<NodeInfo> done);
  Result<std::string> readlink(InodeNumber inode);
  // The kernel knows this inode no more: nobody has it open, nobody is in it.
  void forget(InodeNumber inode);

  struct ListedEntry {
    std::string name;
    uint64_t cookie = 0;  // pass it as `after_cookie` to go on behind this entry
    NodeInfo node;
  };
  // Before list(); what others changed in the archive is looked for behind it.
  void open_folder(InodeNumber directory) { hooks_.listed(directory); }
  // "." and ".." have cookies 1 and 2.
  Result<std::vector<ListedEntry>> list(InodeNumber directory, uint64_t after_cookie, size_t limit);

  // The caller's umask counts where the folder has no default access control list.
  Result<Created> create(InodeNumber parent, const std::string& name, uint32_t mode, int flags,
                         const FsCaller& caller);
  // O_TMPFILE: a file without a name, which link() may give it. It is never published before.
  Result<Created> create_unnamed(InodeNumber folder, uint32_t mode, int flags,
                                 const FsCaller& caller);
  Result<NodeInfo> mkdir(InodeNumber parent, const std::string& name, uint32_t mode,
                         const FsCaller& caller);
  // `mode` with the file type (S_IFREG, S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK).
  Result<NodeInfo> mknod(InodeNumber parent, const std::string& name, uint32_t mode, uint64_t rdev,
                         const FsCaller& caller);
  Result<NodeInfo> symlink(InodeNumber parent, const std::string& name, const std::string& target,
                           const FsCaller& caller);
  Result<NodeInfo> link(InodeNumber inode, InodeNumber new_parent, const std::string& new_name);
  Result<void> unlink(InodeNumber parent, const std::string& name);
  Result<void> rmdir(InodeNumber parent, const std::string& name);
  // `flags` as in renameat2(2): 0, RENAME_NOREPLACE, RENAME_EXCHANGE.
  Result<void> rename(InodeNumber parent, const std::string& name, InodeNumber new_parent,
                      const std::string& new_name, unsigned flags);

  // Opening for writing waits while scratch is full and room is to come, and never fails for it:
  // what is written then waits in its turn.
  void open(InodeNumber inode, int flags, Done<Opened> done, RequestNumber request = 0);
  void release(InodeNumber inode, FileHandle handle);
  void read(InodeNumber inode, uint64_t offset_bytes, uint64_t size_bytes, Done<ReadAnswer> done);
  void write(InodeNumber inode, FileHandle handle, uint64_t offset_bytes,
             std::shared_ptr<WriteSource> source, const FsCaller& caller, Done<size_t> done);
  enum class SyncKind { data, all };
  Result<void> fsync(InodeNumber inode, SyncKind kind);
  Result<void> fsync_directory(InodeNumber inode);
  // `mode` as in fallocate(2).
  void fallocate(InodeNumber inode, int mode, uint64_t offset_bytes, uint64_t length_bytes,
                 Done<std::monostate> done, RequestNumber request = 0);
  // The program that made the request was interrupted. Any thread.
  void interrupt(RequestNumber request) { hooks_.interrupt(request); }
  Result<uint64_t> lseek(InodeNumber inode, uint64_t offset_bytes,
                         int whence);  // SEEK_DATA, SEEK_HOLE

  Result<std::string> getxattr(InodeNumber inode, const std::string& name);
  enum class XattrMode { any, create, replace };
  // Setting an access list changes the mode with it.
  Result<void> setxattr(InodeNumber inode, const std::string& name, std::string_view value,
                        XattrMode mode, const FsCaller& caller);
  // Those of `trusted.` are shown to root only.
  Result<std::vector<std::string>> listxattr(InodeNumber inode, const FsCaller& caller);
  Result<void> removexattr(InodeNumber inode, const std::string& name);

  struct Statistics {
    Archive::Space space;
    uint64_t block_bytes = 4096;
    uint64_t name_max = 255;
  };
  // Of the archive's file system in which the inode is.
  Result<Statistics> statfs(InodeNumber inode);

 private:
  void open_now(InodeNumber inode, int flags, Done<Opened> done);
  // Called with the bytes reserved.
  void write_reserved(InodeNumber inode, FileHandle handle, uint64_t offset_bytes,
                      const std::shared_ptr<WriteSource>& source, const FsCaller& caller,
                      const Done<size_t>& done);
  void bring_and_write(InodeNumber inode, FileHandle handle, uint64_t offset_bytes,
                       const std::shared_ptr<WriteSource>& source, const FsCaller& caller,
                       const Done<size_t>& done);
  void allocate_reserved(InodeNumber inode, int mode, ByteRange range, uint64_t reserved_bytes,
                         const Done<std::monostate>& done, RequestNumber request);
  struct LockedEntry {
    InodeLock parent;
    InodeLock child;
  };
  struct LockedRename {
    InodeLock parent;
    InodeLock source;
    InodeLock new_parent;  // empty if it is the same as parent
    InodeLock target;      // empty if there is none
    bool same_parent = false;
    bool same_inode = false;
    bool has_target = false;
  };
  Result<NodeInfo> node_of(const InodeState& inode) const;
  Result<NodeInfo> node_of(InodeNumber inode, const std::optional<InodeRecord>& record);
  Result<NodeInfo> by_handle(InodeNumber inode);
  Result<void> note_replaced(InodeNumber inode, Batch& batch) const;
  Result<NodeInfo> parent_of(InodeNumber directory);
  // `made`: the inode that the request made or named, if it is answered with one.
  Result<void> commit_change(Batch& batch, InodeNumber made = kNoInode,
                             Durability durability = Durability::wal);
  Result<LockedEntry> lock_entry(InodeNumber parent, const std::string& name);
  Result<LockedRename> lock_rename(InodeNumber parent, const std::string& name,
                                   InodeNumber new_parent, const std::string& new_name);
  Result<NodeInfo> make_node(InodeNumber parent, const std::string& name, FileKind kind,
                             uint32_t mode, uint64_t rdev, const std::string& target,
                             const FsCaller& caller);
  struct NewNode {
    Attributes attributes;
    std::vector<std::pair<std::string, std::string>> xattrs;
  };
  Result<NewNode> inherit(const InodeState& folder, FileKind kind, uint32_t mode,
                          const FsCaller& caller);
  // `name` empty: a file without a name.
  Result<Created> make_file(InodeNumber parent, const std::string& name, uint32_t mode, int flags,
                            const FsCaller& caller);
  Result<void> tag_with_name(const InodeState& inode, const Name& name) const;
  InodeRecord drop_name(const InodeState& child, Batch& batch) const;
  Result<void> erase_directory(const InodeState& directory, Batch& batch) const;
  Result<void> ensure_folder_object(const InodeState& folder, InodeRecord& record) const;
  void retag(const InodeState& inode) const;
  Result<void> check_borders(const LockedRename& locked, const std::string& name,
                             const std::string& new_name) const;
  Result<void> move_entry(LockedRename& locked, const std::string& name,
                          const std::string& new_name);
  Result<void> exchange(LockedRename& locked, const std::string& name, const std::string& new_name);

  ServeMode choose_mode(const InodeState& inode, FileHandle handle) const;
  // begin_writing() of storage, told to whoever counts the bytes.
  Result<void> grant_writing(InodeState& inode, ServeMode mode);
  // `object`: an O_RDONLY descriptor of the inode's object, if the caller has one.
  Result<Opened> add_handle(InodeState& inode, FileHandle handle, ServeMode mode,
                            UniqueFd object = UniqueFd());
  // `uses`: one, or the part of one that it was.
  void note_use(InodeState& inode, double uses);
  // Runs `retry` when no fill of the inode is under way, on a thread of the migrator; false if none
  // is now.
  static bool wait_for_fills(InodeState& inode, std::function<void()> retry);
  void read_tried(InodeNumber inode, uint64_t offset_bytes, uint64_t size_bytes,
                  Done<ReadAnswer> done, int tries);
  Result<NodeInfo> set_attributes(InodeState& inode, const AttributeChange& change);
  void remember_nameless(InodeNumber inode, const Attributes& attributes);
  std::optional<NodeInfo> nameless(InodeNumber inode) const;
  Result<std::string> own_xattr(InodeNumber inode, const std::string& name);
  Result<void> set_access_list(InodeState& inode, std::string_view value, const FsCaller& caller);
  Result<void> commit_xattr_change(InodeState& inode, InodeRecord record, Batch batch);
  Result<void> truncate(InodeState& inode, uint64_t size_bytes);
  Result<size_t> write_present(InodeState& inode, uint64_t offset_bytes, WriteSource& source,
                               const FsCaller& caller);
  Result<ByteRange> changed_by_fallocate(const InodeState& inode, int mode, ByteRange range) const;
  Result<void> mark_dirty(InodeState& inode, ByteRange range);
  void recall(InodeNumber inode, ByteRange range, RecallReason reason, Done<Recalled> done);
  Result<int> writable_fd(InodeState& inode);

  InodeTable& inodes_;
  Catalog& catalog_;
  Scratch& scratch_;
  FileSystemHooks& hooks_;
  KernelChannel* channel_ = nullptr;
  // Folders, links, fifos, sockets and devices without a name: someone may still have them open, or
  // be in them. The catalog knows them no more; their attributes are here until the kernel forgets
  // them. Files are not: an open file has a handle, and its record lives as long.
  Guarded<std::unordered_map<InodeNumber, Attributes>> nameless_;
};

}  // namespace tierhub
