// The prefetch queue: what someone said will be read, brought in order, a bounded number of fills
// at a time. The queue and what is left of each prefetch are in the catalog, so that it goes on
// after a restart; what is resident is not copied again.
//
// A prefetch with a lease:
//   1. it is queued; the archive is asked how much of its large files is data, and holes count
//   nothing; it waits until all of its ranges can be leased together (LeaseQueue);
//   2. the grant: a lease on each of its files is committed. Killed in between: the next process
//      asks for the grant again, for what is leased already costs nothing;
//   3. its pieces are brought; what they need can be evicted elsewhere, for leased and dirty bytes
//      together fit;
//   4. it is done when every piece is resident. If the archive's file changes while the lease
//   lives,
//      the receipt is void: the prefetch becomes failed, and says which file changed.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "catalog/inode_table.h"
#include "common/result.h"
#include "migrator/mover.h"
#include "migrator/prefetcher_leases.h"

namespace tierhub {

// What pieces of a prefetch wait for.
struct PieceWait {
  enum class For { room, growing_file, earlier_copy } what = For::room;
  InodeNumber inode;
  SteadyClock::time_point until = {};  // growing_file: when it may be brought
};

class Prefetcher {
 public:
  struct Options {
    size_t files_in_flight = 256;
    uint64_t bytes_in_flight = 256 << 20;
    uint64_t piece_bytes =
        32 << 20;  // of a large file; what is resident after a restart is a multiple of it, about
    size_t keep_ended = 100;  // ended prefetches that can still be asked after
    double room_wait_s = 60;  // how long a prefetch without room waits for eviction before it fails
    double growing_s = 5;     // how long a file of the archive must not have changed: for people
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
    std::string reason;  // not empty: why nothing is brought now
  };

  struct Request {
    std::vector<PrefetchItem> items;
    std::string label;
    uint32_t owner_uid = 0;
    std::string lease_owner;
    uint64_t lease_ttl_s = 0;
  };

  Prefetcher(InodeTable& inodes, Mover& mover, const Options& options);
  ~Prefetcher();

  // Takes up what an earlier process left; starts the thread.
  Result<void> start();
  void stop();

  // All functions: any thread.
  // errc::no_space_on_device if its lease could never be granted. Waits for the archive, within its
  // time limit, if that depends on where its files have holes.
  Result<Progress> add(Request request);
  Result<Progress> progress(uint64_t id) const;
  std::vector<Progress> all() const;
  // What is being copied is finished; nothing more is begun.
  Result<Progress> cancel(uint64_t id);
  uint64_t active() const;
  // All leases of an owner live until `expires`; with a time that is past they end.
  Result<void> renew_leases(const std::string& owner, Timestamp expires);
  // The archive has another version of the file now. Cheap: what was promised of it is taken back
  // by the thread.
  void version_changed(InodeNumber inode);

 private:
  struct Job;
  struct File;
  struct Piece;
  struct NodeSize {
    uint64_t size_bytes = 0;
  };
  void run(const std::stop_token& stop);
  void work_off(const std::shared_ptr<Job>& job, const std::stop_token& stop);
  bool begin_item(const std::shared_ptr<Job>& job, uint64_t index, const PrefetchItem& item,
                  const std::stop_token& stop);
  Result<std::vector<ByteRange>> pieces_of(const PrefetchItem& item);
  void begin_piece(const std::shared_ptr<Job>& job, Piece piece);
  static void count(Job& job, uint64_t done_bytes, uint64_t copied_bytes);
  void wait(Job& job, Piece piece, PieceWait::For what, SteadyClock::time_point until);
  void retry_waiting(const std::shared_ptr<Job>& job, std::unique_lock<std::mutex>& lock);
  void abandon_waiting(Job& job);
  void piece_ended(const std::shared_ptr<Job>& job, File& file);
  void end_job(Job& job);
  Result<void> count_done(Job& job);
  Result<LeaseAsk> ask_of(const PrefetchRecord& record) const;
  Result<void> add_to_ask(LeaseAsk& ask, const PrefetchItem& item) const;
  Result<void> restore_leases();
  std::shared_ptr<Job> next_job();
  std::vector<InodeNumber> large_files(const LeaseAsk& ask) const;
  std::optional<Error> measure(LeaseAsk& ask);
  Result<uint64_t> data_bytes(InodeNumber inode, const IntervalSet& ranges);
  void measure_asks(const std::stop_token& stop);
  void count_written_holes();
  void grant_leases();
  Result<void> put_leases(Job& job);
  void tend_leases(const std::stop_token& stop);
  std::string reason_of(const Job& job) const;
  std::string waiting_reason(const Job& job) const;
  void end_expired_leases();
  void void_receipts();
  Result<void> check_resident(const PrefetchItem& item) const;
  void warm(Batch& batch, InodeNumber inode) const;
  Result<NodeSize> size_of(InodeNumber inode) const;
  Progress progress_of(const Job& job) const;
  void forget_old();

  InodeTable& inodes_;
  Catalog& catalog_;
  Mover& mover_;
  Options options_;
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::map<uint64_t, std::shared_ptr<Job>> jobs_;  // guarded by mutex_
  size_t files_in_flight_ = 0;                     // guarded by mutex_
  uint64_t bytes_in_flight_ = 0;                   // guarded by mutex_
  LeaseQueue leases_;                              // guarded by mutex_
  std::map<std::string, Timestamp> lease_ends_;    // guarded by mutex_; by owner
  std::vector<InodeNumber> changed_inodes_;        // guarded by mutex_
  std::jthread thread_;
};

}  // namespace tierhub
