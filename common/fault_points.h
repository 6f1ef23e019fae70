// Named places in the protocols where the crash tests kill the process.
// TIERHUB_FAULT_POINT=name[:n] in the environment kills it with SIGKILL when it reaches the place
// for the n-th time (default 1).
#pragma once

#include <array>
#include <optional>
#include <string_view>

namespace tierhub {

#define TIERHUB_FAULT_POINTS(X)                               \
  X(create_before_commit, "create.before_commit")             \
  X(create_after_commit, "create.after_commit")               \
  X(change_after_commit, "change.after_commit")               \
  X(open_before_answer, "open.before_answer")                 \
  X(write_grant_after_commit, "write.grant_after_commit")     \
  X(write_before_mark, "write.before_mark")                   \
  X(write_after_mark, "write.after_mark")                     \
  X(write_after_data, "write.after_data")                     \
  X(truncate_after_commit, "truncate.after_commit")           \
  X(truncate_after_data, "truncate.after_data")               \
  X(harvest_before_commit, "harvest.before_commit")           \
  X(harvest_after_commit, "harvest.after_commit")             \
  X(mkdir_after_commit, "mkdir.after_commit")                 \
  X(link_after_commit, "link.after_commit")                   \
  X(rmdir_after_commit, "rmdir.after_commit")                 \
  X(setattr_before_commit, "setattr.before_commit")           \
  X(setattr_after_commit, "setattr.after_commit")             \
  X(xattr_after_commit, "xattr.after_commit")                 \
  X(fsync_after_data, "fsync.after_data")                     \
  X(rename_before_commit, "rename.before_commit")             \
  X(rename_after_commit, "rename.after_commit")               \
  X(unlink_after_commit, "unlink.after_commit")               \
  X(reap_before_remove, "reap.before_remove")                 \
  X(reap_after_remove, "reap.after_remove")                   \
  X(publish_after_stage, "publish.after_stage")               \
  X(publish_after_archive_sync, "publish.after_archive_sync") \
  X(publish_after_intent, "publish.after_intent")             \
  X(publish_after_act, "publish.after_act")                   \
  X(publish_before_commit, "publish.before_commit")           \
  X(publish_after_commit, "publish.after_commit")             \
  X(patch_before_stage, "patch.before_stage")                 \
  X(patch_after_stage, "patch.after_stage")                   \
  X(conflict_before_commit, "conflict.before_commit")         \
  X(conflict_after_commit, "conflict.after_commit")           \
  X(trash_after_take, "trash.after_take")                     \
  X(prefetch_after_queue, "prefetch.after_queue")             \
  X(prefetch_before_fill, "prefetch.before_fill")             \
  X(prefetch_after_fill, "prefetch.after_fill")               \
  X(prefetch_after_commit, "prefetch.after_commit")           \
  X(recall_after_commit, "recall.after_commit")               \
  X(prefetch_resumed, "prefetch.resumed")                     \
  X(sync_after_scratch, "sync.after_scratch")                 \
  X(sync_after_commit, "sync.after_commit")                   \
  X(scan_before_commit, "scan.before_commit")                 \
  X(scan_after_commit, "scan.after_commit")                   \
  X(evict_after_check, "evict.after_check")                   \
  X(evict_after_commit, "evict.after_commit")                 \
  X(evict_after_sync, "evict.after_sync")                     \
  X(evict_after_remove, "evict.after_remove")                 \
  X(recovery_after_take_back, "recovery.after_take_back")     \
  X(recovery_after_set_aside, "recovery.after_set_aside")     \
  X(recovery_after_residency, "recovery.after_residency")     \
  X(recovery_after_mark, "recovery.after_mark")               \
  X(recovery_after_intent, "recovery.after_intent")           \
  X(recovery_after_harvest, "recovery.after_harvest")         \
  X(adopt_after_commit, "adopt.after_commit")                 \
  X(evict_chunks_after_commit, "evict.chunks_after_commit")   \
  X(evict_chunks_after_punch, "evict.chunks_after_punch")     \
  X(fsck_before_commit, "fsck.before_commit")                 \
  X(fsck_after_commit, "fsck.after_commit")                   \
  X(rebuild_after_aside, "rebuild.after_aside")               \
  X(rebuild_after_import, "rebuild.after_import")             \
  X(rebuild_after_adopt, "rebuild.after_adopt")

enum class FaultPoint {
#define X(id, name) id,
  TIERHUB_FAULT_POINTS(X)
#undef X
};

inline constexpr std::array kFaultPointNames = {
#define X(id, name) std::string_view(name),
    TIERHUB_FAULT_POINTS(X)
#undef X
};

// Reads TIERHUB_FAULT_POINT. Call once in main, before threads start. Returns the name if it is not
// one of the list.
std::optional<std::string_view> arm_fault_point_from_environment();
// For tests in one process: `on_reach` runs at the n-th reach. An empty name disarms.
void arm_fault_point(std::string_view name, int nth, void (*on_reach)());
// Costs one relaxed load if no point is armed. Any thread.
void fault_point(FaultPoint point);

}  // namespace tierhub
