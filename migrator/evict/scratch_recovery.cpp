#include "migrator/evict/scratch_recovery.h"

#include <optional>
#include <utility>

#include "common/fault_points.h"
#include "migrator/evict/lost_power.h"
#include "storage/scratch/object_state.h"

namespace tierhub {

// A fill that was killed before it committed its first chunk leaves bytes that nobody would ever
// find: the residency does not list the file.
Result<void> ScratchRecovery::drop_unfinished(InodeNumber inode) {
  TRY_ASSIGN(const auto resident, catalog_.resident_near(InodeNumber{inode.value() - 1}));
  if (resident.inode == inode) return {};
  TRY_ASSIGN(const InodeLock lock, inodes_.lock(inode));
  if (!lock.exists() || lock->is_dirty() || !lock->clean.empty() || lock->rec().pending_truncate)
    return {};
  std::optional<ObjectLease> object_lease;
  if (scratch_.has_object_leases()) {
    TRY_ASSIGN(object_lease, scratch_.lease_unused_object(inode));
    if (!object_lease) return {};
  }
  return drop_content(catalog_, scratch_, *lock, lock->rec(), Batch());
}

// What was erased is forgotten next: another power cut must not bring it back.
Result<void> ScratchRecovery::set_unwanted_aside(const std::vector<InodeNumber>& unwanted) {
  if (!catalog_.same_boot()) TRY(adopt_forgotten_(unwanted));
  for (const InodeNumber inode : unwanted) {
    TRY_ASSIGN(const auto record, catalog_.inode(inode));
    if (!record || !record->has_object) TRY(scratch_.set_aside(inode));
  }
  if (catalog_.same_boot() && catalog_.notes_erasures()) return {};
  return scratch_.sync();
}

Result<void> ScratchRecovery::run() {
  // What the catalog says now must not be rolled back by the next power cut after objects were
  // judged by it.
  TRY(catalog_.sync());
  TRY_ASSIGN(const auto aside, scratch_.set_aside_objects());
  for (const InodeNumber inode : aside) {
    TRY_ASSIGN(const auto record, catalog_.inode(inode));
    if (!record || !record->has_object) continue;
    auto back = scratch_.take_back(inode);
    if (!back && !back.error().is(std::errc::file_exists)) return back;
  }
  fault_point(FaultPoint::recovery_after_take_back);
  std::vector<InodeNumber> unknown;
  std::vector<InodeNumber> unfinished;
  std::optional<Error> failure;
  TRY(scratch_.for_each_object([&](InodeNumber inode, uint64_t occupied_bytes) {
    auto record = catalog_.inode(inode);
    if (!record) failure = record.error();
    if (!record) return;
    if (!*record || !(*record)->has_object) {
      unknown.push_back(inode);
    } else if (occupied_bytes > 0 && (*record)->archived && !(*record)->writing &&
               (*record)->content == Content::known) {
      unfinished.push_back(inode);
    }
  }));
  if (failure) return *failure;
  TRY(set_unwanted_aside(unknown));
  fault_point(FaultPoint::recovery_after_set_aside);
  if (!catalog_.same_boot()) TRY(LostPower(inodes_, scratch_).recover());
  for (const InodeNumber inode : unfinished) TRY(drop_unfinished(inode));
  fault_point(FaultPoint::recovery_after_residency);
  return {};
}

}  // namespace tierhub
