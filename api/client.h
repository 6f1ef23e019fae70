// The API's client: the calls of Service, made over tierd's unix socket. The kernel identifies the
// caller.
//
// A Client holds no connection: every call connects, asks, reads the answer and closes. So it may
// be copied and used by any thread, and outlives restarts of tierd. Calls block for at most the
// time limit.
//
// A refusal by the Service comes back with its code (errc::no_such_file_or_directory, ...).
// Failures on the way:
// - errc::connection_refused: nobody listens (tierd is not running, the path is wrong); nothing was
//   asked of it.
// - errc::connection_reset: the connection broke before tierd answered; it may have done what was
//   asked.
// - errc::timed_out: no answer within the time limit; tierd may still do what was asked.
// - errc::protocol_error: the other end does not speak this API.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/messages.h"
#include "api/service.h"
#include "common/result.h"

namespace tierhub::api {

// Where tierd listens: `option` (the value of --socket) if not empty, else TIERHUB_SOCKET, else
// /run/tierhub/tierd.sock.
std::string default_socket_path(std::string_view option = {});

// True for errc::connection_refused and errc::connection_reset: asking again later makes sense.
bool is_unreachable(const Error& error);

class Client {
 public:
  static constexpr std::chrono::milliseconds kTimeLimit{30'000};

  // Checks the path only; whether tierd is there shows at the first call.
  static Result<Client> open(std::string socket_path,
                             std::chrono::milliseconds time_limit = kTimeLimit);

  const std::string& socket_path() const { return socket_path_; }
  // The same client with another time limit, for a call that takes longer.
  Client within(std::chrono::milliseconds time_limit) const;

  Result<Status> status() const;
  Result<Listing> list(const std::string& path, Service::Depth depth, const std::string& after = {},
                       size_t limit = 1'000) const;

  // As the Service's: ask again with `next` as `after` until that is empty.
  Result<Listing> find(const std::string& name, const std::string& path,
                       const std::string& after = {}, size_t limit = 100) const;

  // As the Service's: at most kMaxResidentRanges ranges.
  Result<Residency> residency(const std::string& path, ByteRange part, size_t limit = 1'000) const;
  // At most kMaxResidencyFiles files, kMaxResidencyRanges ranges and 8 MiB of JSON.
  Result<ResidencyList> residencies(const ResidencyRequest& request) const;

  // At most 32 MiB of JSON: about 200,000 files. Split what is longer.
  Result<Prefetch> start_prefetch(const PrefetchRequest& request) const;
  Result<Prefetch> prefetch(uint64_t id) const;
  Result<std::vector<Prefetch>> prefetches() const;
  Result<Prefetch> cancel_prefetch(uint64_t id) const;
  Result<Prefetch> resume_prefetch(uint64_t id) const;
  // Renews (ttl_s > 0) or ends (ttl_s == 0) all leases of an owner.
  Result<void> renew_lease(const std::string& owner, uint64_t ttl_s) const;

  Result<EvictResult> evict(const std::vector<std::string>& paths) const;
  Result<PublishProgress> start_publish(const std::vector<std::string>& paths) const;
  // Waits until it has ended, or half a second if `wait` is longer.
  Result<PublishProgress> publish_progress(uint64_t id, std::chrono::milliseconds wait = {}) const;
  // After `since`; none: the last `last` ones. The client's time limit must be longer than `wait`.
  Result<EventList> events(std::optional<uint64_t> since, size_t last,
                           std::chrono::milliseconds wait) const;
  Result<uint64_t> pin(const std::vector<std::string>& paths, const std::string& owner,
                       const std::string& reason) const;
  Result<uint64_t> unpin(const std::vector<std::string>& paths, const std::string& owner) const;
  Result<ScanProgress> start_scan(
      Service::MuchMissing much_missing = Service::MuchMissing::ask) const;
  Result<ScanProgress> scan_progress() const;
  Result<TrashListing> trash(const std::string& path) const;
  Result<TrashResult> restore_trash(const TrashRequest& request) const;
  Result<TrashResult> purge_trash(const TrashRequest& request) const;

  // tierd takes the caller for the run's user; only root may name another. `run.json` may be up to 512
  // KiB.
  Result<void> report_run(const Run& run) const;
  Result<std::vector<Run>> runs() const;
  Result<Run> run(const std::string& run) const;
  Result<void> report_agent(const Agent& agent) const;
  Result<std::vector<Agent>> agents() const;

 private:
  Client(std::string socket_path, std::chrono::milliseconds time_limit);

  std::string socket_path_;
  std::chrono::milliseconds time_limit_;
};

}  // namespace tierhub::api
