// Answers the control API: combines requests with the catalog and the migrator. Functions run on
// the API's pool and may block; each answers for the caller, whom the kernel identified.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <semaphore>
#include <string>
#include <thread>
#include <vector>

#include "api/agent_book.h"
#include "api/service.h"
#include "common/guarded.h"
#include "daemon/config.h"
#include "daemon/event_book.h"
#include "daemon/event_watch.h"
#include "daemon/namespace_walk.h"
#include "inodes/inode_table.h"
#include "migrator/evict/capacity.h"
#include "migrator/evict/evictor.h"
#include "migrator/evict/user_pins.h"
#include "migrator/housekeeper.h"
#include "migrator/prefetch/prefetcher.h"
#include "migrator/publish/publisher.h"
#include "migrator/publish/trash.h"
#include "migrator/scan_schedule.h"

namespace tierhub {

class Control final : public api::Service {
 public:
  struct Parts {
    const Config& config;
    InodeTable& inodes;
    const Scratch& scratch;
    const Capacity& capacity;
    UserPins& user_pins;
    Evictor& evictor;
    Housekeeper& housekeeper;
    Publisher& publisher;
    Prefetcher& prefetcher;
    ScanSchedule& scans;
    Scanner& scanner;
    Trash& trash;
    std::function<std::string()> data_path;      // how hot files are served
    std::function<std::string()> copy_engine;    // how bytes are copied
    std::function<std::string()> archive_state;  // "online", "offline", "hung"
  };
  // So many threads must serve it.
  static constexpr size_t kThreads = 4 + 8;
  explicit Control(Parts parts);
  ~Control() override;
  // Calls that wait for events end now, and later ones at once.
  void wait_no_more() { events_.close(); }

  Result<api::Status> status(const api::Caller& caller) override;
  Result<api::Listing> list(const api::Caller& caller, const std::string& path, Depth depth,
                            const std::string& after, size_t limit) override;
  Result<api::Listing> find(const api::Caller& caller, const std::string& name,
                            const std::string& path, const std::string& after,
                            size_t limit) override;
  Result<api::Residency> residency(const api::Caller& caller, const std::string& path,
                                   ByteRange part, size_t limit) override;
  Result<api::ResidencyList> residencies(const api::Caller& caller,
                                         const api::ResidencyRequest& request) override;
  Result<api::Prefetch> start_prefetch(const api::Caller& caller,
                                       const api::PrefetchRequest& request) override;
  Result<api::Prefetch> prefetch(const api::Caller& caller, uint64_t id) override;
  Result<std::vector<api::Prefetch>> prefetches(const api::Caller& caller) override;
  Result<api::Prefetch> cancel_prefetch(const api::Caller& caller, uint64_t id) override;
  Result<api::Prefetch> resume_prefetch(const api::Caller& caller, uint64_t id) override;
  Result<void> renew_lease(const api::Caller& caller, const std::string& owner,
                           uint64_t ttl_s) override;
  Result<api::EvictResult> evict(const api::Caller& caller,
                                 const std::vector<std::string>& paths) override;
  Result<api::PublishProgress> start_publish(const api::Caller& caller,
                                             const std::vector<std::string>& paths) override;
  Result<api::PublishProgress> publish_progress(const api::Caller& caller, uint64_t id,
                                                std::chrono::milliseconds wait) override;
  Result<uint64_t> pin(const api::Caller& caller, const std::vector<std::string>& paths,
                       const std::string& owner, const std::string& reason) override;
  Result<uint64_t> unpin(const api::Caller& caller, const std::vector<std::string>& paths,
                         const std::string& owner) override;
  Result<api::ScanProgress> start_scan(const api::Caller& caller,
                                       MuchMissing much_missing) override;
  Result<api::ScanProgress> scan_progress(const api::Caller& caller) override;
  Result<api::TrashListing> trash(const api::Caller& caller, const std::string& path) override;
  Result<api::TrashResult> restore_trash(const api::Caller& caller,
                                         const api::TrashRequest& request) override;
  Result<api::TrashResult> purge_trash(const api::Caller& caller,
                                       const api::TrashRequest& request) override;
  Result<api::EventList> events(const api::Caller& caller, std::optional<uint64_t> since,
                                size_t last, std::chrono::milliseconds wait) override;
  Result<void> report_run(const api::Caller& caller, const api::Run& run) override;
  Result<std::vector<api::Run>> runs(const api::Caller& caller) override;
  Result<api::Run> run(const api::Caller& caller, const std::string& run) override;
  Result<void> report_agent(const api::Caller& caller, const api::Agent& agent) override;
  Result<std::vector<api::Agent>> agents(const api::Caller& caller) override;

 private:
  // Of the few threads that answer requests, so many may wait for a publish to end.
  static constexpr ptrdiff_t kMostPublishWaits = 2;
  // For events; so many more threads there are.
  static constexpr ptrdiff_t kMostEventWaits = 8;
  // In control_trash.cpp.
  std::string trash_path(const std::string& path) const;
  Result<void> require_own(const api::Caller& caller, const std::string& path) const;
  Result<std::string> restore_target(const api::Caller& caller, const std::string& path,
                                     const std::string& to);
  Result<InodeNumber> folder_in_base(const std::string& path) const;
  struct Publish {
    uint32_t uid = 0;  // who started it
    std::vector<std::string> paths;
    uint64_t files_before = 0;
    uint64_t bytes_before = 0;
    // What the last look at all keys found, and for how long that is new enough.
    Publisher::Pending pending;
    SteadyClock::time_point look_again;
  };
  Result<api::Entry> entry_of(const FoundNode& node);
  // In control_residency.cpp.
  Result<void> check_readable_file(const api::Caller& caller, const FoundNode& node) const;
  Result<void> add_residency(const api::Caller& caller, NamespaceWalk::Nearby& nearby,
                             const api::FileRanges& file, api::FileResidency& sums);
  Result<bool> add_totals(const api::Caller& caller, const FoundNode& folder,
                          SteadyClock::time_point end, api::Entry& entry);
  // Visits each regular file at or below the paths.
  Result<void> check_lease_time(uint64_t ttl_s) const;
  Result<void> for_each_file(const api::Caller& caller, const std::vector<std::string>& paths,
                             const std::function<Result<void>(const FoundNode&)>& visit);
  Result<void> check_size(const api::PrefetchRequest& request) const;
  Result<void> hand_over_items(const api::Caller& caller, const api::PrefetchRequest& request,
                               const Prefetcher::TakeItem& take);
  Result<void> require_own(const api::Caller& caller, uint64_t prefetch) const;
  Result<void> require_keeper(const api::Caller& caller, const FoundNode& node) const;
  Result<void> put_only_pin(Batch& batch, InodeNumber inode, const LeaseRecord& pin) const;
  Result<void> add_dirty(api::Status& status);
  void add_agents(const api::Caller& caller, api::Status& status) const;
  Result<api::Run> to_run(const std::string& json) const;
  Result<void> look_at_keys(Publish& publish);
  api::PublishProgress progress_of(const api::Caller& caller, uint64_t id,
                                   const Publish& publish) const;
  // In control_events.cpp.
  std::unique_ptr<EventWatch> watch_events();
  bool may_hear(const api::Caller& caller, const EventBook::Item& item) const;
  // Whether the caller could learn of this name by listing the folder.
  bool may_know_of(const api::Caller& caller, const std::string& path) const;

  Parts parts_;
  Catalog& catalog_;
  NamespaceWalk walk_;
  const SteadyClock::time_point started_ = SteadyClock::now();
  Guarded<std::map<uint64_t, Publish>> publishes_;
  Guarded<api::AgentBook> agents_;
  std::counting_semaphore<> publish_waits_{kMostPublishWaits};
  EventBook events_;
  std::counting_semaphore<> event_waits_{kMostEventWaits};
  const std::unique_ptr<EventWatch> event_watch_;  // last: it ends first
};

}  // namespace tierhub
