// What a process that serves a mount leaves to the one that takes over the mount: how the session
// with the kernel began, and which files are open. It is in memory that outlives the process if
// somebody else, the keeper, also holds it. Every change is complete at any moment at which the
// process may be killed.
//
// Who writes: the process that serves the mount, and in it the FuseConnection alone, which owns the
// KeptSession. The next process counts its start and frees what was half released when it adopts
// the memory; by then the one before has ended. The keeper only reads the place.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/mutex.h"
#include "common/result.h"
#include "common/unique_fd.h"
#include "fusefs/file_system.h"
#include "fusefs/kernel/kernel_layout.h"
#include "inodes/inode_table.h"

namespace tierhub {

// An open file as the kernel knows it.
struct KeptHandle {
  InodeNumber inode;
  Opened opened;
  uint64_t unique = 0;  // of the request that opened it
};

class KeptSession {
 public:
  // What is the same in all processes of a session.
  struct Place {
    std::string mount_point;
    std::string device;  // "major:minor" of the mount
  };

  // Of a new mount. Texts that are longer than a path can be are cut.
  static Result<std::unique_ptr<KeptSession>> create(const Place& place);
  // Takes over what an earlier process left, by the descriptor of its memory. Refuses what another
  // version of TierHub has laid out otherwise.
  static Result<std::unique_ptr<KeptSession>> adopt(UniqueFd memory);
  // Reads where the session is mounted, and changes nothing.
  static Result<Place> place_in(UniqueFd memory);
  ~KeptSession();
  KeptSession(const KeptSession&) = delete;
  KeptSession& operator=(const KeptSession&) = delete;

  int memory_fd() const { return memory_.get(); }
  // Random: tells this session from any other.
  uint64_t id() const;
  // 1 in the process that created it, one more in each that adopted it.
  uint64_t start() const { return start_; }

  Place place() const;
  // INIT as the kernel sent it and as it was answered; once.
  void begin(std::span<const std::byte> init_request, const fuse_abi::InitReply& reply);
  bool begun() const;
  std::span<const std::byte> init_request() const;
  fuse_abi::InitReply init_reply() const;

  // The open files. Any thread. Returns what the kernel keeps as `fh`;
  // errc::too_many_files_open_in_system if there are a million already.
  Result<uint64_t> add(const KeptHandle& handle);
  static FileHandle file_handle(uint64_t fh);
  // A handle is released in two steps, around the release of what it stands for. False: it is
  // released already, the kernel asks again.
  bool begin_release(uint64_t fh);
  void end_release(uint64_t fh);
  // Every number that the kernel gave for passthrough, as soon as it is known.
  void note_backing(int32_t backing_id);

  // What was adopted.
  struct Adopted {
    // By `unique`. The kernel may not have heard of those that were opened last.
    std::unordered_map<uint64_t, std::pair<uint64_t, KeptHandle>> handles;
    // Their release had begun: the kernel forgot them.
    std::vector<KeptHandle> half_released;
    int32_t last_backing_id = 0;
  };
  const Adopted& adopted() const { return adopted_; }
  // The `fh` and the handle that an earlier process granted for this request; none if it did not.
  std::optional<std::pair<uint64_t, KeptHandle>> granted(uint64_t unique) const;

 private:
  struct Header;
  struct Slot;
  explicit KeptSession(UniqueFd memory) : memory_(std::move(memory)) {}
  // What a process laid out in the same way.
  static Result<std::unique_ptr<KeptSession>> map_existing(UniqueFd memory);
  Result<void> map();
  void read_slots();
  Header& header() const;
  Slot& slot(uint32_t index) const;
  std::optional<uint32_t> live_index(uint64_t fh) const;
  Result<uint32_t> take_slot();

  UniqueFd memory_;
  void* address_ = nullptr;
  uint64_t start_ = 1;
  Adopted adopted_;
  Mutex mutex_;
  std::vector<uint32_t> free_ GUARDED_BY(mutex_);
};

// Makes the live inodes know what is open, as if it had been opened here. Before anything looks at
// their users.
Result<void> restore_handles(InodeTable& inodes, const KeptSession& session);
// What earlier processes of the session carried out and may not have answered; null: there were
// none. Erases from the catalog what no request can ask for any more.
Result<std::vector<ReplyRecord>> replies_left(Catalog& catalog, const KeptSession* session);

}  // namespace tierhub
