// What a run asks of tierd. An interface, so that staging is tested without a daemon.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "api/messages.h"
#include "common/result.h"

namespace tierhub::compute {

// Calls block for a bounded time; any thread. An error for which `may_pass` is true means that
// tierd does not answer now, or, if `is_busy` is true as well, that it answers and has too much to
// do, of everybody or of this user: ask again later, however long that takes.
class TierClient {
 public:
  virtual ~TierClient() = default;
  virtual Result<api::Status> status() = 0;
  virtual Result<api::Prefetch> start_prefetch(const api::PrefetchRequest& request) = 0;
  virtual Result<api::Prefetch> prefetch(uint64_t id) = 0;
  virtual Result<void> cancel_prefetch(uint64_t id) = 0;
  virtual Result<void> renew_lease(const std::string& owner, uint64_t ttl_s) = 0;
  virtual Result<void> report_run(const api::Run& run) = 0;
  virtual Result<void> report_agent(const api::Agent& agent) = 0;
  virtual Result<std::vector<api::Agent>> agents() = 0;
  // At most api::Service::kMaxResidencyFiles files.
  virtual Result<api::ResidencyList> residencies(const api::ResidencyRequest& request) = 0;
  // The sums of all that is below a folder: `size` and `resident`. Without a `state` there was no
  // time for all of it.
  virtual Result<api::Entry> totals(const std::string& path) = 0;
  virtual bool may_pass(const Error& error) const = 0;
  virtual bool is_busy(const Error& error) const = 0;
};

}  // namespace tierhub::compute
