// The prefetch queue: announced reads are fetched piece by piece, with a bounded amount in flight.
// The queue and what is left of each prefetch are in the catalog, so that it continues after a
// restart; what is resident is not copied again.
//
// All prefetches that have what they need take turns (share.h), and no more is in flight than the
// archive delivers in a quarter of a second (rate.h): a small prefetch does not wait for a large
// one.
//
// A prefetch with a lease:
//   1. It is queued; the archive is asked how much of its large files is data, and holes count
//      nothing; it waits until all of its ranges can be leased together (LeaseQueue).
//   2. The grant: a lease on each of its files is committed. Killed in between: the next process
//      asks for the grant again; what is leased already costs nothing.
//   3. Its pieces are fetched; the room that they need can be evicted elsewhere, because leased and
//      dirty bytes together fit.
//   4. It is done when every piece is resident. If the archive's file changes while the lease
//      lives, the receipt is void: the prefetch becomes failed, and names the file that changed.
//
// A prefetch that crashes tierd: it is on record as running before its first piece begins, and no
// longer once tierd exits normally. A start that finds it running counts a crash; after the third
// in a row it is parked until somebody resumes or cancels it.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/mutex.h"
#include "common/result.h"
#include "inodes/inode_table.h"
#include "migrator/fill/mover.h"
#include "migrator/prefetch/lease_owner.h"
#include "migrator/prefetch/leases.h"
#include "migrator/prefetch/limits.h"
#include "migrator/prefetch/rate.h"
#include "migrator/prefetch/share.h"

namespace tierhub {

// What pieces of a prefetch wait for.
struct PieceWait {
  enum class For { room, growing_file, earlier_copy } what = For::room;
  InodeNumber inode;
  SteadyClock::time_point until = {};  // growing_file: when it may be fetched
};

class Prefetcher {
 public:
  // So many starts in a row end in a crash before a prefetch that was running is parked.
  static constexpr uint32_t kCrashedStarts = 3;

  struct Options {
    size_t files_in_flight = 256;
    uint64_t bytes_in_flight = 256 << 20;
    uint64_t piece_bytes = 32 << 20;  // of a large file, at most
    size_t keep_ended = 100;          // ended prefetches that can still be asked after
    double room_wait_s = 60;  // how long a prefetch without room waits for eviction before it fails
    double growing_s = 5;     // how long a file of the archive must not have changed: for people
    PrefetchLimits limits = {};
    // What may be leased now. Called without locks; may take long.
    std::function<Result<LeaseLimits>()> lease_limits = [] { return LeaseLimits(); };
    // What a file occupies in scratch.
    std::function<Result<uint64_t>(InodeNumber)> occupied_bytes =
        [](InodeNumber) -> Result<uint64_t> { return UINT64_MAX; };
  };

  struct Progress {
    PrefetchRecord record;
    uint64_t done_bytes = 0;
    uint64_t copied_bytes = 0;  // since this process started
    uint64_t done_files = 0;
    double rate_bytes_per_s = 0;
    double eta_s = 0;
    std::string reason;  // not empty: why nothing is fetched now
  };

  using TakeItem = std::function<Result<void>(PrefetchItem)>;
  struct Request {
    // Hands over the files one by one; ends with the first error, its own or that of the taker.
    std::function<Result<void>(const TakeItem&)> items;
    std::string label;
    uint32_t owner_uid = 0;
    std::string lease_name;  // not empty: what becomes resident is leased to the owner by this name
    uint64_t lease_ttl_s = 0;
    PrefetchUrgency urgency = PrefetchUrgency::task;
  };

  Prefetcher(InodeTable& inodes, Mover& mover, const Options& options);
  ~Prefetcher();

  // Takes up what an earlier process left; starts the thread.
  Result<void> start();
  void stop();

  const PrefetchLimits& limits() const { return options_.limits; }

  // All functions: any thread.
  // errc::no_space_on_device if its lease could never be granted; errc::argument_list_too_long if
  // it asks for more than one prefetch may, too_much_code() if its user has too much already; each
  // names the limit. Waits for the archive, within its time limit, if the lease depends on where
  // its files have holes.
  Result<Progress> add(const Request& request);
  static std::error_code too_much_code() { return {EUSERS, std::generic_category()}; }
  Result<Progress> progress(uint64_t id) const;
  std::vector<Progress> all() const;
  // It has ended when this returns, also for later processes. What is being copied is finished;
  // nothing more is begun.
  Result<Progress> cancel(uint64_t id);
  // A parked one gets its turns again. errc::invalid_argument if it is not parked.
  Result<Progress> resume(uint64_t id);
  uint64_t active() const;
  std::vector<uint64_t> parked() const;
  // All leases of an owner live until `expires`; with a time that is past they end.
  Result<void> renew_leases(const LeaseOwner& owner, Timestamp expires);
  // The archive has another version of the file now. Cheap: what was promised of it is taken back
  // by the thread.
  void version_changed(InodeNumber inode);

 private:
  struct Job;
  struct File;
  struct Piece;
  struct Intake;
  struct Measuring;
  using JobPtr = std::shared_ptr<Job>;

  // intake.cpp
  Result<void> admit(const Request& request) const;
  Result<void> take(Intake& intake, PrefetchItem item) const;
  Result<LeaseQueue::Measure> check_lease(Intake& intake);
  Result<void> queue(Intake& intake);

  // work.cpp: the thread.
  void run(const std::stop_token& stop);
  bool begin_next();
  FairShare::Readiness readiness(const Job& job) const REQUIRES(mutex_);
  void find_ready();
  bool begin_job(Job& job);
  std::optional<Piece> next_piece(const JobPtr& job);
  bool next_file(const JobPtr& job);
  Result<std::vector<ByteRange>> ranges_of(File& file) const;
  void begin_piece(const JobPtr& job, const Piece& piece);
  void fetched(const JobPtr& job, const Piece& piece, const ArchiveRate::Piece& measured,
               Result<Recalled> brought);
  void wait(Job& job, Piece piece, PieceWait::For what, SteadyClock::duration rest)
      REQUIRES(mutex_);
  void waited(Job& job) REQUIRES(mutex_);
  void count(Job& job, uint64_t done_bytes, uint64_t copied_bytes) REQUIRES(mutex_);
  void file_ended(const JobPtr& job, File& file);
  void fail(Job& job, const Error& error);
  Result<void> check_resident(const PrefetchItem& item) const;
  void warm(Batch& batch, InodeNumber inode) const;
  void drop_rest(Job& job) REQUIRES(mutex_);
  void end_jobs();
  SteadyClock::time_point next_look() const REQUIRES(mutex_);

  // records.cpp
  Result<void> take_up(const PrefetchRecord& record);
  bool count_some();
  Result<bool> count_page(Job& job);
  void counted(Job& job);
  bool sweep_some();
  Result<void> put_record(Job& job, Durability durability = Durability::wal);
  void forget_old();
  void rest();

  // granting.cpp
  Result<void> add_to_ask(LeaseAsk& ask, const PrefetchItem& item) const;
  Result<void> restore_leases();
  std::vector<InodeNumber> large_files(const LeaseAsk& ask) const;
  std::optional<Error> measure(LeaseAsk& ask, const std::vector<InodeNumber>& inodes);
  Result<uint64_t> data_bytes(InodeNumber inode, const IntervalSet& ranges);
  bool measure_some();
  void count_written_holes();
  void grant_leases();
  Result<void> put_leases(Job& job);
  bool tend_leases();
  void end_expired_leases();
  void void_receipts();

  Result<uint64_t> size_of(InodeNumber inode) const;
  std::string reason_of(const Job& job) const REQUIRES(mutex_);
  std::string waiting_reason(const PieceWait& wait) const;
  Progress progress_of(const Job& job) const REQUIRES(mutex_);
  Result<JobPtr> find(uint64_t id) const REQUIRES(mutex_);
  void look_again() REQUIRES(mutex_);

  InodeTable& inodes_;
  Catalog& catalog_;
  Mover& mover_;
  Options options_;
  Mutex records_mutex_;  // one put_record() at a time: the last one has the last state
  mutable Mutex mutex_;
  StoppableConditionVariable changed_;
  bool something_changed_ GUARDED_BY(mutex_) = false;  // the thread looks again
  std::map<uint64_t, JobPtr> jobs_ GUARDED_BY(mutex_);
  FairShare share_ GUARDED_BY(mutex_);
  ArchiveRate rate_ GUARDED_BY(mutex_);
  LeaseQueue leases_ GUARDED_BY(mutex_);
  std::map<std::string, Timestamp> lease_ends_ GUARDED_BY(mutex_);  // by owner
  std::vector<InodeNumber> changed_inodes_ GUARDED_BY(mutex_);
  bool leases_changed_ GUARDED_BY(mutex_) = false;  // a grant may be possible
  // Prefetches that ended or never began, of which items may be left, and the index from which.
  std::deque<std::pair<uint64_t, uint64_t>> to_sweep_ GUARDED_BY(mutex_);
  // The thread's own.
  std::unique_ptr<Measuring> measuring_;
  bool counts_leases_ = false;  // of prefetches that came before all that wait now
  SteadyClock::time_point soonest_grant_;
  SteadyClock::time_point next_grant_;
  std::jthread thread_;
};

}  // namespace tierhub
