// The file system's hooks over the parts of the migrator.
#pragma once

#include "fusefs/hooks.h"
#include "migrator/evict/capacity.h"
#include "migrator/fill/mover.h"
#include "migrator/housekeeper.h"
#include "migrator/publish/publisher.h"
#include "migrator/scan_schedule.h"

namespace tierhub {

class MigratorHooks final : public FileSystemHooks {
 public:
  // All are borrowed.
  struct Parts {
    Mover& mover;
    Capacity& capacity;
    Publisher& publisher;
    Housekeeper& housekeeper;
    ScanSchedule& schedule;
  };
  explicit MigratorHooks(const Parts& parts) : parts_(parts) {}

  void recall(InodeNumber inode, ByteRange range, RecallReason reason,
              std::function<void(Result<Recalled>)> done) override {
    parts_.mover.bring(inode, range, reason, std::move(done));
  }
  void read_ahead(InodeNumber inode, uint64_t from_bytes, uint64_t stream_bytes) override {
    parts_.mover.read_ahead(inode, from_bytes, stream_bytes);
  }
  bool try_reserve(uint64_t bytes) override { return parts_.capacity.try_reserve_in_turn(bytes); }
  void settle(InodeNumber inode, uint64_t reserved_bytes, uint64_t written_bytes) override {
    parts_.capacity.settle(inode, reserved_bytes, written_bytes);
  }
  void wait_for_room(uint64_t bytes, RequestNumber request,
                     std::function<void(Result<void>)> done) override {
    parts_.capacity.wait_for_room(bytes, request, std::move(done));
  }
  void interrupt(RequestNumber request) override { parts_.capacity.interrupt(request); }
  bool writers_wait() override {
    return parts_.capacity.is_full() && parts_.capacity.nothing_to_come() != RoomQueue::kNever;
  }
  bool room_for_passthrough_writers() override {
    return parts_.capacity.admits_passthrough_writers();
  }
  void writing(InodeNumber inode) override { parts_.capacity.watch(inode); }
  void closed(InodeNumber) override { parts_.publisher.something_closed(); }
  void unnamed(InodeNumber) override { parts_.housekeeper.want_reap(); }
  void listed(InodeNumber folder) override { parts_.schedule.listed(folder); }
  Archive::Space archive_space(const FileSystemId& file_system) override {
    return parts_.housekeeper.archive_space(file_system);
  }

 private:
  const Parts parts_;
};

}  // namespace tierhub
