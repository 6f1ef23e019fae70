// Fetches chunks from the archive into scratch: recalls (somebody is reading now) and prefetches
// (somebody announced a read).
//
// Protocol of a fill:
//   1. Under the inode's lock: chunks that are absent and that nobody is fetching yet are marked
//      `filling`; the object exists.
//   2. The archive copies into the object; the file must be the version on record before and after.
//      Killed here: the chunks are still absent, and their bytes in the object mean nothing.
//   3. Under the lock: if the version on record is still the same, one batch makes the chunks
//      clean, with their checksums and the inode's entry in `unsynced`. Write, truncate, punch and
//      evict wait for `filling`, so nothing else changed.
//   4. Those who waited for the fill continue.
// A fill that the archive delayed for too long fails, and may still write when the archive is back:
// until a lease proves that it is gone, nothing is fetched into that object (fill_at_large).
//
// Room is reserved before step 1 for everything that a fill may fetch. If that is so much that it
// could cause eviction of other data, the archive is asked first how much of it is data: holes need
// no room.
//
// Protocol of a read of a cold chunk that would have to wait for much more than it asks for:
//   1. Under the inode's lock, note: the version on record, how much of it counts
//      (`recallable_bytes`), and that these bytes are being answered first. No byte is answered
//      like this twice before its chunk was kept, so the archive reads each byte of a chunk at most
//      twice, however many readers there are.
//   2. The archive copies just these bytes to memory; the file must be the version on record before
//      and after. So they are as the archive delivered them: there is no checksum for a part of a
//      chunk.
//   3. Under the lock: if version and limit have not changed, what is resident or dirty by now is
//      laid over the bytes; otherwise everything starts again. The reader is answered.
//   4. The chunks are filled as above, in the background (fills_behind.h), and nobody waits for
//      them. If one does not match its record, it is not kept, `tierctl status` says so, and later
//      reads of it get EIO.
// Files that are read sequentially are not answered like this: their chunks are fetched ahead of
// the reader.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <thread>

#include "common/clock.h"
#include "common/metrics.h"
#include "common/mutex.h"
#include "common/result.h"
#include "inodes/inode_table.h"
#include "inodes/recall.h"
#include "migrator/evict/capacity.h"
#include "migrator/fill/fills_behind.h"
#include "storage/archive/archive.h"
#include "storage/scratch/scratch.h"

namespace tierhub {

class Mover {
 public:
  using Done = std::function<void(Result<Recalled>)>;
  struct Options {
    bool answer_first = true;              // else a read waits until its chunks are kept
    uint64_t read_ahead_bytes = 32 << 20;  // at most; 0: nothing is brought ahead of a reader
  };

  // Set before use. If somebody may still be writing this file in the archive: how long until it
  // counts as complete, unless it changes again. Until then a recall is answered and not kept, and
  // nothing is changed or prefetched.
  using Growing = std::optional<SteadyClock::duration>;
  std::function<Growing(InodeNumber, const ArchiveVersion&)> growing_for;
  // The archive's file is not the one on record. Called without locks; must not block.
  std::function<void(InodeNumber)> version_changed;
  // The archive's file has bytes that are not those on record, though it seems to be the same
  // version: damaged, or changed without a trace in size and mtime. As above.
  std::function<void(InodeNumber)> content_differs;

  Mover(InodeTable& inodes, const Scratch& scratch, Archive& archive, Capacity& capacity,
        const Options& options);
  ~Mover() { stop(); }

  // From now on nothing is begun behind an answer, or tried again: the archive is about to go.
  void begin_nothing_more();
  // Finishes what the archive has answered, then ends the thread. No fill may be under way, and
  // none begins any more.
  void stop();

  // Makes `range` of a file resident. `done` runs on the mover's thread (or on this one if nothing
  // is to be done). A read may be answered before that. A read or a recall without room is answered
  // and not kept; what was to be brought ahead of a reader is dropped without room; a change or a
  // prefetch fails with errc::no_space_on_device. While an earlier copy has not ended, a change
  // fails with errc::io_error, and a prefetch with errc::operation_in_progress; while the file is
  // growing, a change with errc::device_or_resource_busy, and a prefetch with
  // errc::resource_unavailable_try_again. What TierHub itself is just moving or replacing in the
  // archive is waited for with a bound; what someone else changed there fails with conflict_code().
  // Any thread.
  void bring(InodeNumber inode, ByteRange range, RecallReason reason, Done done);
  // As growing_for, for the version on record. Any thread.
  Growing still_growing(InodeNumber inode) const;
  // Someone who has read `stream_bytes` on end comes to `from_bytes` soon: the more they have read,
  // the more is brought. Any thread.
  void read_ahead(InodeNumber inode, uint64_t from_bytes, uint64_t stream_bytes);

  // How much of `ranges` (in order, disjoint) the archive has as data. `done` runs on a thread of
  // the archive, or on this one, and must not block. Any thread.
  void measure(InodeNumber inode, std::vector<ByteRange> ranges,
               std::function<void(Result<uint64_t>)> done);

  // After a sync of scratch that covers the epochs behind the first up to the second.
  Result<void> forget_epochs(uint64_t after_epoch, uint64_t last_epoch);

 private:
  struct Fill;
  struct Join;
  // How much of the chunks around a range the archive's version has as data.
  struct Measured {
    ArchiveVersion version;
    uint64_t bytes = 0;
  };
  // One call of bring(), until it is answered.
  struct Attempt {
    InodeNumber inode;
    ByteRange range;
    RecallReason reason = RecallReason::sequential;
    Done done;
    SteadyClock::time_point until;  // no further try after it
    std::optional<Measured> measured = {};
  };
  // What a copy was to be taken from.
  struct Source {
    std::string path;
    ArchiveVersion version;
  };
  struct Delayed {
    std::function<void()> retry;
    std::function<void()> give_up;
  };
  // What bring() found under the lock.
  struct Start {
    enum class Kind {
      resident,
      waiting,
      filling,
      answer,
      no_room,
      growing,
      at_large,
      measure
    } kind;
    explicit Start(Kind kind_) : kind(kind_) {}
    std::vector<std::shared_ptr<Fill>> fills;
    ByteRange chunks;  // of an answer: what comes behind it
    MeasureRequest measure;
  };
  static bool reads(RecallReason reason) {
    return reason == RecallReason::read || reason == RecallReason::sequential;
  }
  void begin(const Attempt& attempt);
  Result<Start> start(const Attempt& attempt);
  std::optional<ByteRange> answered_first(const Attempt& attempt, InodeState& inode,
                                          const std::vector<IntervalSet::Interval>& absent);
  Start wait_for_fills(const Attempt& attempt, InodeState& inode);
  Result<Source> source_on_record(InodeNumber inode) const;
  Result<std::vector<std::shared_ptr<Fill>>> make_fills(
      const Attempt& attempt, const Source& source, const InodeState& inode,
      const std::vector<IntervalSet::Interval>& parts, uint64_t bytes) const;
  bool may_answer_first(const InodeState& inode, ByteRange range, ByteRange chunks);
  // none: this version was not measured.
  static std::optional<uint64_t> measured_bytes(const Attempt& attempt,
                                                const ArchiveVersion& version);
  bool is_to_be_measured(const Attempt& attempt, const ArchiveVersion& version,
                         uint64_t bytes) const;
  void measure_first(const Attempt& attempt, const MeasureRequest& request);
  void answer_first(const Attempt& attempt, ByteRange chunks);
  void fill_behind(const FillsBehind::Chunks& chunks);
  // What is brought to memory: the bytes asked for, or the whole chunks around them, which can be
  // compared with their checksums.
  enum class Extent { bytes, chunks };
  void bring_unkept(const Attempt& attempt, Extent extent, Counter& counter);
  void again(const Attempt& attempt);
  // The archive did not have `source`. Tries again if the publisher's own change explains that.
  void not_there(const Attempt& attempt, const Source& source, const Error& error);
  enum class Motion { none, ended, under_way };
  Result<Motion> own_change(InodeNumber inode, const Source& source) const;
  // Lays what scratch has of the range over what the archive gave. False: what it gave counts no
  // more.
  Result<bool> overlay_resident(InodeNumber inode, ByteRange range, int memory_fd,
                                const FillRequest& request, const FillResult& filled);
  // With the checksums on record of the same version.
  Result<void> compare(InodeState& inode, const FillRequest& request,
                       const std::vector<Checksum>& checksums);
  void failed(const Join& join, const Error& reason);
  void copied(std::shared_ptr<Fill> fill, Result<FillResult> result);
  // Puts the bytes that came to memory into the object, around those that are newer than the
  // archive's.
  Result<void> lay_around_dirty(const InodeState& inode, const Fill& fill) const;
  Result<void> commit_fill(InodeState& inode, const Fill& fill, const FillResult& result);
  bool begins_nothing();
  void post(std::function<void()> work);
  std::function<void()> next_work(SteadyClock::time_point now) REQUIRES(mutex_);
  SteadyClock::time_point next_due(SteadyClock::time_point now) const REQUIRES(mutex_);
  void run(const std::stop_token& stop);

  InodeTable& inodes_;
  Catalog& catalog_;
  const Scratch& scratch_;
  Archive& archive_;
  Capacity& capacity_;
  const Options options_;
  Mutex mutex_;
  StoppableConditionVariable work_arrived_;
  std::deque<std::function<void()>> work_ GUARDED_BY(mutex_);  // bounded by the fills in flight
  std::multimap<SteadyClock::time_point, Delayed> delayed_ GUARDED_BY(mutex_);
  FillsBehind behind_ GUARDED_BY(mutex_);
  bool begins_nothing_ GUARDED_BY(mutex_) = false;
  bool working_ GUARDED_BY(mutex_) = false;
  ConditionVariable work_ended_;
  std::jthread thread_;  // last: it uses everything above
};

}  // namespace tierhub
