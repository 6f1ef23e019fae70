// A Service without tiers: it answers from values that the test sets, and remembers what it was
// asked.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "api/service.h"

namespace tierhub::api {

class FakeService : public Service {
 public:
  // Set these before the server starts, or with() the lock.
  struct State {
    uint32_t administrator_uid = 0;  // who may evict, publish, pin, unpin and scan
    Status status;
    std::map<std::string, Entry> entries;  // by path
    std::map<uint64_t, std::vector<Prefetch>>
        prefetches;                                // by id: successive answers, the last one stays
    std::map<std::string, Residency> residencies;  // by path
    size_t residencies_at_once = SIZE_MAX;         // answered of one request
    EvictResult evict_result;
    std::vector<PublishProgress> publishes;  // successive answers, the last one stays
    std::vector<ScanProgress> scans;         // the same
    std::map<std::string, Run> runs;
    std::vector<Agent> agents;
    // What came.
    std::vector<std::string> calls;  // "evict /a /b"
    Caller caller;
    PrefetchRequest prefetch_request;  // the last one
    std::vector<PrefetchRequest> prefetch_requests;
    // Runs at the start of status(), without the lock.
    std::function<void()> on_status;
  };
  template <class Use>
  auto with(Use use) {
    std::lock_guard lock(mutex_);
    return use(state_);
  }
  std::vector<std::string> calls() {
    return with([](State& state) { return state.calls; });
  }

  Result<Status> status(const Caller& caller) override;
  Result<Listing> find(const Caller& caller, const std::string& name, const std::string& path,
                       const std::string& after, size_t limit) override;
  Result<Listing> list(const Caller& caller, const std::string& path, Depth depth,
                       const std::string& after, size_t limit) override;
  Result<Residency> residency(const Caller& caller, const std::string& path, ByteRange part,
                              size_t limit) override;
  Result<ResidencyList> residencies(const Caller& caller, const ResidencyRequest& request) override;
  Result<Prefetch> start_prefetch(const Caller& caller, const PrefetchRequest& request) override;
  Result<Prefetch> prefetch(const Caller& caller, uint64_t id) override;
  Result<std::vector<Prefetch>> prefetches(const Caller& caller) override;
  Result<Prefetch> cancel_prefetch(const Caller& caller, uint64_t id) override;
  Result<Prefetch> resume_prefetch(const Caller& caller, uint64_t id) override;
  Result<void> renew_lease(const Caller& caller, const std::string& owner, uint64_t ttl_s) override;
  Result<EvictResult> evict(const Caller& caller, const std::vector<std::string>& paths) override;
  Result<PublishProgress> start_publish(const Caller& caller,
                                        const std::vector<std::string>& paths) override;
  Result<PublishProgress> publish_progress(const Caller& caller, uint64_t id,
                                           std::chrono::milliseconds wait) override;
  Result<uint64_t> pin(const Caller& caller, const std::vector<std::string>& paths,
                       const std::string& owner, const std::string& reason) override;
  Result<uint64_t> unpin(const Caller& caller, const std::vector<std::string>& paths,
                         const std::string& owner) override;
  Result<ScanProgress> start_scan(const Caller& caller, MuchMissing much_missing) override;
  Result<ScanProgress> scan_progress(const Caller& caller) override;
  Result<TrashListing> trash(const Caller& caller, const std::string& path) override;
  Result<TrashResult> restore_trash(const Caller& caller, const TrashRequest& request) override;
  Result<TrashResult> purge_trash(const Caller& caller, const TrashRequest& request) override;
  Result<EventList> events(const Caller& caller, std::optional<uint64_t> since, size_t last,
                           std::chrono::milliseconds wait) override;
  Result<void> report_run(const Caller& caller, const Run& run) override;
  Result<std::vector<Run>> runs(const Caller& caller) override;
  Result<Run> run(const Caller& caller, const std::string& run) override;
  Result<void> report_agent(const Caller& caller, const Agent& agent) override;
  Result<std::vector<Agent>> agents(const Caller& caller) override;

 private:
  Result<void> check_administrator(const Caller& caller, const std::string& call);

  std::mutex mutex_;
  State state_;
};

// An entry as list() answers it.
Entry make_file(const std::string& path, const std::string& state, uint64_t size,
                uint64_t resident);
Entry make_folder(const std::string& path);

}  // namespace tierhub::api
