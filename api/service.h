// What the API does: tierd implements it, the HTTP routes call it. The functions may block for a
// while (they run on the control plane's pool); long work is started, and its progress queried by
// id.
//
// Permissions: everyone may look and prefetch, and gets what the kernel would show that caller;
// users may publish and evict what they may write, and pin it within a limit of the administrator, who
// may set none. start_scan, which takes time from others, is for root. A refusal is
// errc::permission_denied.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "api/messages.h"
#include "common/result.h"

namespace tierhub::api {

class Service {
 public:
  virtual ~Service() = default;

  virtual Result<Status> status(const Caller& caller) = 0;
  // `path` in the namespace ("/a/b") or in the mount ("/mnt/tier/a/b"). A file lists itself.
  // At most `limit` entries (1 to 10,000), in a stable order.
  //   children  what is in the folder
  //   totals    the same; each folder has the sums of all files below it. Summing takes about a
  //             second at most: folders for which there was no time, or which the caller may not
  //             list, have no state
  //   all       all below the folder
  enum class Depth { children, totals, all };
  virtual Result<Listing> list(const Caller& caller, const std::string& path, Depth depth,
                               const std::string& after, size_t limit) = 0;

  // What has a name that fits `name`, below the folder `path`: the caller sees what they could find
  // by listing every folder that they may list. `name` is words, which must all be in it, or a pattern
  // with * and ?, which is the whole of it; case does not count. At most `limit` entries (1 to
  // 1,000), in no order that means anything; takes about a fifth of a second at most, so the answer
  // may be empty and yet have a `next`, to be passed as `after`.
  static constexpr size_t kMostFound = 1'000;
  virtual Result<Listing> find(const Caller& caller, const std::string& name,
                               const std::string& path, const std::string& after, size_t limit) = 0;

  // How much of `part` of a file is on the SSD, with the first `limit` resident ranges (0 to 10,000).
  // `part` is cut to the file. The caller must be allowed to read the file.
  static constexpr size_t kMaxResidentRanges = 10'000;
  virtual Result<Residency> residency(const Caller& caller, const std::string& path, ByteRange part,
                                      size_t limit) = 0;
  // The same for many files, without the ranges. Takes about a second at most: the answer may lack
  // the last files, but never all of them. A file that cannot be looked at has the reason in its
  // place.
  static constexpr size_t kMaxResidencyFiles = 10'000;
  static constexpr size_t kMaxResidencyRanges = 100'000;
  virtual Result<ResidencyList> residencies(const Caller& caller,
                                            const ResidencyRequest& request) = 0;

  virtual Result<Prefetch> start_prefetch(const Caller& caller, const PrefetchRequest& request) = 0;
  virtual Result<Prefetch> prefetch(const Caller& caller, uint64_t id) = 0;
  virtual Result<std::vector<Prefetch>> prefetches(const Caller& caller) = 0;
  virtual Result<Prefetch> cancel_prefetch(const Caller& caller, uint64_t id) = 0;
  // Of one that is parked.
  virtual Result<Prefetch> resume_prefetch(const Caller& caller, uint64_t id) = 0;
  // Renews (ttl_s > 0) or ends (ttl_s == 0) all leases of an owner.
  virtual Result<void> renew_lease(const Caller& caller, const std::string& owner,
                                   uint64_t ttl_s) = 0;

  // Of what the caller may write; the rest is skipped, with the reason.
  virtual Result<EvictResult> evict(const Caller& caller,
                                    const std::vector<std::string>& paths) = 0;
  // Publishes now, without waiting for `settle`. The caller must be allowed to write each path.
  virtual Result<PublishProgress> start_publish(const Caller& caller,
                                                const std::vector<std::string>& paths) = 0;
  // Waits until it has ended, at most so long, and less if many wait. Shown to whoever started it,
  // and to root.
  virtual Result<PublishProgress> publish_progress(const Caller& caller, uint64_t id,
                                                   std::chrono::milliseconds wait) = 0;
  virtual Result<uint64_t> pin(const Caller& caller, const std::vector<std::string>& paths,
                               const std::string& owner,
                               const std::string& reason) = 0;  // how many files
  virtual Result<uint64_t> unpin(const Caller& caller, const std::vector<std::string>& paths,
                                 const std::string& owner) = 0;
  // A scan that would remove much asks first, by failing; accept: somebody looked, and it is right.
  enum class MuchMissing { ask, accept };
  virtual Result<ScanProgress> start_scan(const Caller& caller, MuchMissing much_missing) = 0;
  virtual Result<ScanProgress> scan_progress(const Caller& caller) = 0;

  // What rests in the trash at a path and below it, as far as it was the caller's.
  virtual Result<TrashListing> trash(const Caller& caller, const std::string& path) = 0;
  virtual Result<TrashResult> restore_trash(const Caller& caller, const TrashRequest& request) = 0;
  virtual Result<TrashResult> purge_trash(const Caller& caller, const TrashRequest& request) = 0;

  virtual Result<void> report_run(const Caller& caller, const Run& run) = 0;
  virtual Result<std::vector<Run>> runs(const Caller& caller) = 0;
  virtual Result<Run> run(const Caller& caller, const std::string& run) = 0;

  // What has happened that the caller may know of: folders that they may list, prefetches of theirs,
  // and what is wrong. After `since`; waits for something to happen, at most so long, and less if
  // many wait. Without `since`: the last `last` ones.
  static constexpr size_t kMostEvents = 1'000;
  virtual Result<EventList> events(const Caller& caller, std::optional<uint64_t> since, size_t last,
                                   std::chrono::milliseconds wait) = 0;

  // A heartbeat of a compute agent that the caller runs.
  virtual Result<void> report_agent(const Caller& caller, const Agent& agent) = 0;
  // Root's agents and the caller's; root sees all.
  virtual Result<std::vector<Agent>> agents(const Caller& caller) = 0;
};

}  // namespace tierhub::api
