// The fast tier: one sparse object file per inode, named by inode number, in a folder that only
// TierHub writes.
//   objects/<last 2 hex digits of the number>/<number in hex>   as long as the file in the
//                                                               namespace
//   reap/<number in hex>                                        an object that is no longer needed
// An object is given up in two steps, so that power loss can roll the catalog back: set_aside()
// renames it into reap/ after the batch that allows it; it is deleted from there only when that
// batch is durable. Recovery takes back what the catalog still wants. Extended attributes on each
// object say which file it belongs to, so that a catalog can be rebuilt from the two tiers alone.
//
// Object leases (F_SETLEASE) show who uses an object, which RELEASE does not (a mapping outlives it,
// and a passthrough descriptor outlives the daemon). They work only where the file system has them:
// probed at open.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>

#include "catalog/records.h"
#include "common/clock.h"
#include "common/result.h"
#include "common/types.h"
#include "common/unique_fd.h"

namespace tierhub {

// What an object's extended attribute says of it, for the day when there is no catalog (see
// docs/ON_DISK.md). Folders have empty objects, which are there for their tags alone.
struct ObjectTag {
  // Which of the object's bytes the archive has not got.
  enum class Bytes : uint8_t {
    none = 0,  // all are in the archive
    all = 1,   // the object is whole
    some = 2,  // `new_ranges`, and whatever has data in the object; the rest is the archive's
  };
  InodeNumber inode;
  Generation generation;
  FileKind kind = FileKind::file;
  InodeNumber parent;
  std::string name;
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint32_t mode = 0;
  Timestamp atime;
  Timestamp mtime;  // of a file that is written to, the object's own is newer
  Bytes bytes = Bytes::all;
  // It has no name any more.
  bool removed = false;
  // The archived version that the bytes are newer than; empty: none.
  Identity base;
  uint64_t base_size_bytes = 0;
  Timestamp base_mtime;
  uint64_t archive_limit_bytes = 0;
  std::vector<ByteRange> new_ranges;
  // The folders that lead to `parent`, the outermost first and `parent` last, as far as there was
  // room: number and name of each. Stale once one of them is renamed; its own object tells then.
  std::vector<std::pair<InodeNumber, std::string>> folders;
  bool from_root = false;  // `folders` begins below the root
  std::vector<Name> further_names;

  bool is_dirty() const { return bytes != Bytes::none; }
};

// Held while something is done to an object that nobody else may use meanwhile. Released when
// destroyed.
class ObjectLease {
 public:
  int fd() const { return fd_.get(); }

 private:
  friend class Scratch;
  explicit ObjectLease(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;  // closing it ends the object lease
};

class Scratch {
 public:
  struct Space {
    uint64_t total_bytes = 0;
    uint64_t free_bytes = 0;
    uint64_t available_bytes = 0;
  };

  // Makes the folders; probes object leases. Fails if the folder cannot be written.
  static Result<Scratch> open(const std::string& folder);

  // The same for a look: makes and probes nothing, and fails if the folders are not there.
  static Result<Scratch> inspect(const std::string& folder);

  // All functions: any thread; for one inode, under its lock.
  bool has_object_leases() const { return has_object_leases_; }
  const std::string& folder() const { return folder_; }
  // Nothing else lives on the file system of the folder: it is the mount's root, or alone on the
  // way to it. Found out at open.
  bool own_file_system() const { return own_file_system_; }

  // Makes an empty object; what stands there is replaced. The descriptor is O_RDONLY or O_RDWR.
  Result<UniqueFd> create(InodeNumber inode, int access = O_RDWR) const;
  Result<struct stat> stat_object(InodeNumber inode) const;
  // O_RDONLY or O_RDWR. errc::no_such_file_or_directory if there is none.
  Result<UniqueFd> open_object(InodeNumber inode, int flags) const;
  // Moves the object into reap/. No object is success.
  Result<void> set_aside(InodeNumber inode) const;
  // The opposite. errc::file_exists if a newer object stands there.
  Result<void> take_back(InodeNumber inode) const;
  Result<bool> is_set_aside(InodeNumber inode) const;
  Result<std::vector<InodeNumber>> set_aside_objects() const;
  // What the objects in reap/ occupy.
  Result<uint64_t> set_aside_bytes() const;
  // Deletes it from reap/; returns the bytes that it occupied.
  Result<uint64_t> remove_set_aside(InodeNumber inode) const;
  Result<void> tag(int object_fd, const ObjectTag& tag) const;
  Result<ObjectTag> read_tag(int object_fd) const;

  // quiet: no writer and no writable mapping is left on the object. Needs our own writable
  // descriptors closed.
  Result<bool> is_quiet(InodeNumber inode) const;
  // The same, by a descriptor of the object, O_RDONLY.
  static Result<bool> is_quiet(int object_fd);
  // unused: nobody else has it open or mapped. Holds the object lease. none: it is in use.
  Result<std::optional<ObjectLease>> lease_unused_object(InodeNumber inode) const;

  Result<Space> space() const;
  // What the object occupies; 0 if there is none.
  Result<uint64_t> occupied_bytes(InodeNumber inode) const;
  // Everything written so far is on the device.
  Result<void> sync() const;
  // What became resident, an object that was made, or the inode that gave one up for good, is in
  // the catalog's `unsynced` under the present epoch until a sync covers it. Epochs of an earlier
  // process are smaller.
  uint64_t epoch() const { return epoch_->number.load(); }
  // Ends the epoch and returns it: call sync() after it, then forget it in the catalog. Waits for
  // those who hold the epoch.
  uint64_t end_epoch() const;
  // The epoch does not end meanwhile: for what is noted under it before it is done to scratch.
  std::shared_lock<std::shared_mutex> hold_epoch() const {
    return std::shared_lock(epoch_->ending);
  }
  // Calls `visit` for each object with the bytes that it occupies.
  Result<void> for_each_object(
      const std::function<void(InodeNumber, uint64_t occupied_bytes)>& visit) const;

 private:
  struct Epoch {
    std::shared_mutex ending;
    std::atomic<uint64_t> number{static_cast<uint64_t>(Timestamp::now().ns)};
  };
  Scratch(std::string folder, UniqueFd objects, UniqueFd reap)
      : folder_(std::move(folder)),
        objects_(std::move(objects)),
        reap_(std::move(reap)),
        epoch_(std::make_unique<Epoch>()) {}
  Result<void> remove(InodeNumber inode) const;
  static std::string object_path(InodeNumber inode);
  Result<bool> probe_object_leases() const;

  std::string folder_;
  UniqueFd objects_;
  UniqueFd reap_;
  std::unique_ptr<Epoch> epoch_;
  bool has_object_leases_ = false;
  bool own_file_system_ = false;
};

}  // namespace tierhub
