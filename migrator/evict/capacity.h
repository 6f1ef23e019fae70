// How much of scratch is used, and who may use more.
//
// The used bytes are the sum of three numbers:
//   seen         what the file system or the objects showed at the last poll, ten times a second;
//   outstanding  reserved for writes through tierd and for copies into scratch that are about to
//                happen;
//   unseen       written under a reservation that has ended, and not yet covered by a poll.
//
// If scratch has a file system of its own, a poll is one statvfs: it sees everything, including
// what passthrough writers add, what is unlinked and still open, and the catalog. If scratch shares
// a file system, `seen` is a counter that fills and removals change; a poll only stats the objects
// that may be being written, less often the longer they have not grown; from time to time a walk
// over all objects corrects the counter.
//
// Passthrough writers cannot be made to wait: `reserve` is the room for what they write between two
// polls and while eviction runs; the end of the file system is the hard limit.
//
// Scratch is *short* of room from the moment when a writer waits, or a pass of the evictor ends
// above the high mark, until there is room again. Then quiet files are published at once, because
// only published data can be evicted, and new writers go through tierd, where they can wait
// (RoomQueue).
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>

#include "catalog/catalog.h"
#include "common/clock.h"
#include "common/mutex.h"
#include "common/result.h"
#include "migrator/evict/room_queue.h"
#include "storage/scratch/scratch.h"

namespace tierhub {

class Capacity {
 public:
  struct Options {
    uint64_t capacity_bytes = 0;  // 0: the size of scratch's file system
    uint64_t reserve_bytes = 256 << 20;
    double high_share = 0.90;  // of what may be used: eviction begins
    double low_share = 0.80;   // eviction ends
    double write_wait_s = 60;  // how long a writer waits for room before it gets ENOSPC
  };
  // Where the numbers come from.
  struct Source {
    bool own_file_system = false;
    std::function<Result<Scratch::Space>()> space;
    // What one object occupies; 0 if there is none.
    std::function<Result<uint64_t>(InodeNumber)> occupied_bytes;
    // What all objects occupy, set-aside ones included.
    std::function<Result<uint64_t>()> count;
    // A writer may be left.
    std::function<Result<bool>(InodeNumber)> is_writing;
  };
  static Source source_of(const Scratch& scratch, const Catalog& catalog);

  // How full scratch is, for people.
  struct Marks {
    uint64_t capacity_bytes = 0;
    uint64_t used_bytes = 0;
    uint64_t reserve_bytes = 0;
    uint64_t limit_bytes = 0;  // what may be used before the reserve begins
    uint64_t high_bytes = 0;   // eviction begins
    uint64_t low_bytes = 0;    // eviction ends
    bool own_file_system = false;
    bool full = false;  // a write may be refused: there is no room for the largest one
  };

  Capacity(Source source, const Options& options);

  // Counts everything and polls. At start, before anything is reserved.
  Result<void> begin();

  // All functions: any thread; none blocks, but for those that say so.
  Marks marks() const;
  uint64_t used_bytes() const;
  uint64_t limit_bytes() const { return limit_.load(); }
  bool has_room(uint64_t bytes) const { return used_bytes() + bytes <= limit_bytes(); }
  bool above_high_mark() const { return passes_high_mark(0); }
  // With so many bytes more, eviction would begin.
  bool passes_high_mark(uint64_t bytes) const;
  // Counts the bytes as used if there is room for them; else remembers that they are wanted and
  // wakes the evictor. What was reserved is given back by settle().
  bool try_reserve(uint64_t bytes);
  // The same for a writer: it does not overtake those who wait for room already.
  bool try_reserve_in_turn(uint64_t bytes);
  // The reservation ends; so much of it was written to the inode's object.
  void settle(InodeNumber inode, uint64_t reserved_bytes, uint64_t written_bytes);
  // For a writer that got false: calls `done` when the bytes are reserved, or with an error, as
  // RoomQueue says. On a thread of the housekeeper, on this one, or on that of interrupt().
  // `request`: for interrupt(); 0 if nobody will.
  void wait_for_room(uint64_t bytes, uint64_t request, std::function<void(Result<void>)> done);
  void interrupt(uint64_t request) { queue_.interrupt(request); }
  // Who waits is refused, now and from now on.
  void wait_no_more() { queue_.close(); }
  RoomQueue::State waiting() const { return queue_.state(); }
  bool writers_wait() const { return queue_.anybody(); }
  bool is_short() const { return short_.load() || writers_wait(); }
  // A passthrough writer cannot be made to wait.
  bool admits_passthrough_writers() const { return !is_short() && has_room(0); }
  // There is no room even for one write.
  bool is_full() const { return !has_room(kLargestWriteBytes); }
  static constexpr uint64_t kLargestWriteBytes = 1 << 20;  // of one request of the kernel
  // Somebody may write to the inode's object from now on. Called under its lock, before the writer
  // is told.
  void watch(InodeNumber inode);
  // An object of this size was deleted.
  void removed(InodeNumber inode, uint64_t bytes);
  // So many bytes of an object were punched out.
  void punched(InodeNumber inode, uint64_t bytes);

  // Looks how much is used; answers waiters. Every tenth of a second, one at a time.
  Result<void> poll();
  // Walks the objects and corrects the counter. Takes long with many objects: every
  // recount_interval_s(). Nothing to do on a file system of its own.
  Result<void> recount();
  // So that recounting takes a fiftieth of a processor at most.
  double recount_interval_s() const { return recount_interval_s_.load(); }

  // The evictor tells when it begins and ends a pass, and in between when it removed something.
  struct Pass {
    uint64_t wanted_bytes = 0;  // down to the low mark, and room for what was asked for in vain
                                // since the last pass began
    uint64_t needed_bytes = 0;  // of that: down to the high mark, and the same room
  };
  // How much the pass is to free.
  Pass pass_begins();
  void pass_ended();
  void answer_waiters();
  // Called when someone waits for room; set once, before threads start.
  std::function<void()> wake_evictor;
  // Called when scratch becomes short of room, and when a writer begins to wait; set like
  // wake_evictor. May be empty.
  std::function<void()> wake_publisher;
  // What publishing can still do for those who wait; set like wake_evictor.
  std::function<RoomQueue::NothingToCome()> nothing_to_come = [] { return RoomQueue::kNever; };

 private:
  struct Watched {
    uint64_t bytes = 0;
    bool touched = true;  // since it was last looked at
    // It was as large as before when it was last looked at: so many cycles pass it by, fewer and
    // fewer of which are left.
    uint8_t rest = 0;
    uint8_t rest_left = 0;
  };
  uint64_t share_of_limit(double share) const {
    return static_cast<uint64_t>(static_cast<double>(limit_bytes()) * share);
  }
  Error no_room(RoomQueue::Refusal why);
  bool reserve_if_room(uint64_t bytes);
  void want(uint64_t bytes);
  void become_short();
  Result<void> look_at_watched();
  void set_limit(const Scratch::Space& space);

  const Source source_;
  const Options options_;
  std::atomic<int64_t> counted_{0};          // objects that nobody writes
  std::atomic<uint64_t> seen_elsewhere_{0};  // watched objects, or the whole file system
  std::atomic<uint64_t> outstanding_{0};
  std::atomic<uint64_t> unseen_{0};
  std::atomic<uint64_t> capacity_{0};
  std::atomic<uint64_t> limit_{0};
  std::atomic<uint64_t> wanted_{0};
  std::atomic<double> recount_interval_s_{1};

  Mutex watch_mutex_;
  std::map<InodeNumber, Watched> watched_ GUARDED_BY(watch_mutex_);
  InodeNumber watch_cursor_;            // poll() only
  uint64_t unseen_at_cycle_begin_ = 0;  // poll() only

  std::atomic<bool> short_ = false;
  std::atomic<SteadyClock::time_point> last_refusal_{SteadyClock::time_point()};
  RoomQueue queue_;
};

}  // namespace tierhub
