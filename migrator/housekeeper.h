// The migrator's own pace: one thread ticks, and does what is due. It evicts ahead of writers,
// deletes removed files, syncs scratch so that less must be fetched again after a power cut, and
// drops expired leases. A second thread polls how full scratch is: passthrough writers don't wait
// for the first, which may be evicting. A third asks the archive for its state.
#pragma once

#include <atomic>
#include <functional>
#include <thread>

#include "common/clock.h"
#include "common/mutex.h"
#include "common/rate_window.h"
#include "common/result.h"
#include "inodes/inode_table.h"
#include "migrator/evict/capacity.h"
#include "migrator/evict/evictor.h"
#include "migrator/fill/mover.h"
#include "migrator/publish/nested_spaces.h"
#include "storage/archive/archive.h"
#include "storage/scratch/scratch.h"

namespace tierhub {

class Housekeeper {
 public:
  struct Options {
    double tick_s = 0.1;           // between two looks at how full scratch is
    double pass_interval_s = 0.2;  // between two evictions, however much they are wanted
    double sync_interval_s = 5;
    double sync_erased_interval_s = 60;  // as long as nothing but erasures waits for a sync
    double space_interval_s = 5;
    double lease_interval_s = 10;
  };

  Housekeeper(Catalog& catalog, const Scratch& scratch, Archive& archive, Capacity& capacity,
              Evictor& evictor, Mover& mover, const Options& options);
  ~Housekeeper() { stop(); }

  void start();
  void stop();
  // Scratch needs room. Any thread; cheap.
  void wake();
  // A file was deleted: the next tick looks at the reap list. Any thread; cheap.
  void want_reap() { reap_wanted_ = true; }

  // The size and free space of the archive's root, or of a file system mounted below it, as last
  // asked; those of the root if that one has not answered yet. Any thread.
  Archive::Space archive_space(const FileSystemId& file_system);
  // The last answer of the archive was an error. Any thread.
  bool archive_online() const;

  // How fast the archive takes what is published. Any thread.
  double publish_bytes_per_s() const { return publish_rate_.per_s(); }

 private:
  void run(const std::stop_token& stop);
  void look_at_capacity(const std::stop_token& stop);
  void make_room();
  void sync_scratch();
  bool can_wait(const std::vector<std::pair<uint64_t, InodeNumber>>& unsynced) const;
  // The clean chunks that a failed sync did not cover.
  Result<void> drop_unwritten();
  void ask_space();
  Result<void> drop_expired_leases();

  Catalog& catalog_;
  const Scratch& scratch_;
  Archive& archive_;
  Capacity& capacity_;
  Evictor& evictor_;
  Mover& mover_;
  Options options_;
  uint64_t failed_epoch_ =
      0;  // of scratch: no sync covered this one and those before; the thread's
  SteadyClock::time_point last_sync_;  // of scratch; the thread's
  mutable Mutex mutex_;
  StoppableConditionVariable woken_;
  StoppableConditionVariable capacity_woken_;  // only by the end
  bool room_wanted_ GUARDED_BY(mutex_) = false;
  std::atomic<bool> reap_wanted_ = false;
  Archive::Space space_ GUARDED_BY(mutex_);
  bool online_ GUARDED_BY(mutex_) = true;
  RateWindow publish_rate_{10};
  NestedSpaces nested_spaces_;
  std::jthread thread_;
  std::jthread capacity_thread_;
  std::jthread space_thread_;
};

}  // namespace tierhub
