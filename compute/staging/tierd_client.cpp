#include "compute/staging/tierd_client.h"

#include <cerrno>

#include "api/client.h"

namespace tierhub::compute {
namespace {

class TierdClient : public TierClient {
 public:
  explicit TierdClient(api::Client client) : client_(std::move(client)) {}

  Result<api::Status> status() override { return client_.status(); }
  Result<api::Prefetch> start_prefetch(const api::PrefetchRequest& request) override {
    return client_.start_prefetch(request);
  }
  Result<api::Prefetch> prefetch(uint64_t id) override { return client_.prefetch(id); }
  Result<void> cancel_prefetch(uint64_t id) override {
    TRY(client_.cancel_prefetch(id));
    return {};
  }
  Result<void> renew_lease(const std::string& owner, uint64_t ttl_s) override {
    return client_.renew_lease(owner, ttl_s);
  }
  Result<void> report_run(const api::Run& run) override { return client_.report_run(run); }
  Result<void> report_agent(const api::Agent& agent) override {
    return client_.report_agent(agent);
  }
  Result<std::vector<api::Agent>> agents() override { return client_.agents(); }
  Result<api::ResidencyList> residencies(const api::ResidencyRequest& request) override {
    return client_.residencies(request);
  }
  Result<api::Entry> totals(const std::string& folder) override {
    api::Entry sum;
    sum.path = folder;
    sum.state = "partial";
    std::string after;
    do {
      TRY_ASSIGN(const api::Listing listing,
                 client_.list(folder, api::Service::Depth::totals, after));
      for (const api::Entry& entry : listing.entries) {
        sum.size += entry.size;
        sum.resident += entry.resident;
        if (entry.kind == "directory" && entry.state.empty()) sum.state.clear();
      }
      after = listing.next;
    } while (!after.empty());
    return sum;
  }
  bool may_pass(const Error& error) const override {
    return api::is_unreachable(error) || error.is(std::errc::timed_out) || is_busy(error);
  }
  bool is_busy(const Error& error) const override {
    return error.is(std::errc::resource_unavailable_try_again) || error.errno_value() == EUSERS;
  }

 private:
  api::Client client_;
};

}  // namespace

Result<std::unique_ptr<TierClient>> open_tierd(const std::string& socket_path) {
  TRY_ASSIGN(api::Client client, api::Client::open(socket_path));
  return std::unique_ptr<TierClient>(std::make_unique<TierdClient>(std::move(client)));
}

}  // namespace tierhub::compute
