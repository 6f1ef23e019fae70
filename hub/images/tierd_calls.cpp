#include "hub/images/tierd_calls.h"

#include <utility>

namespace tierhub::hub {
namespace {

class TierdCalls : public TierCalls {
 public:
  explicit TierdCalls(api::Client client) : client_(std::move(client)) {}

  Result<api::ResidencyList> residencies(const api::ResidencyRequest& request) const override {
    return client_.residencies(request);
  }
  Result<api::Prefetch> start_prefetch(const api::PrefetchRequest& request) const override {
    return client_.start_prefetch(request);
  }
  Result<std::vector<api::Prefetch>> prefetches() const override { return client_.prefetches(); }
  Result<api::Prefetch> cancel_prefetch(uint64_t id) const override {
    return client_.cancel_prefetch(id);
  }
  Result<api::Listing> list_totals(const std::string& path, size_t limit) const override {
    return client_.list(path, api::Service::Depth::totals, {}, limit);
  }

 private:
  const api::Client client_;
};

}  // namespace

std::unique_ptr<TierCalls> make_tierd_calls(api::Client client) {
  return std::make_unique<TierdCalls>(std::move(client));
}

}  // namespace tierhub::hub
