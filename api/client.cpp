#include "api/client.h"

#include <cstdlib>
#include <type_traits>

#include <fmt/format.h>

#include "api/errors.h"
#include "api/http_exchange.h"
#include "api/json.h"
#include "api/target.h"
#include "http/unix_socket.h"

namespace tierhub::api {
namespace {

constexpr const char* kUsualSocketPath = "/run/tierhub/tierd.sock";

Error not_tierd(const std::string& socket_path, std::string_view why) {
  return Error(std::errc::protocol_error,
               fmt::format("the program at {} is not tierd, or another version of it: {}",
                           socket_path, why));
}

Error refusal_of(const Response& response, const std::string& socket_path) {
  auto reply = decode<ErrorReply>(response.body, UnknownMembers::ignore);
  if (!reply || reply->error.empty()) {
    return not_tierd(socket_path, fmt::format("status {} without a reason", response.status));
  }
  return Error(error_code(reply->code), reply->error);
}

class Transport {
 public:
  Transport(const std::string& socket_path, std::chrono::milliseconds time_limit)
      : socket_path_(socket_path), time_limit_(time_limit) {}

  template <class Answer>
  Result<Answer> ask(std::string method, std::string target, std::string body = {}) const {
    Request request{std::move(method), std::move(target), std::move(body)};
    TRY_ASSIGN(Response response, exchange(socket_path_, request, time_limit_));
    if (response.status < 200 || response.status > 299) return refusal_of(response, socket_path_);
    auto answer = decode<Answer>(response.body, UnknownMembers::ignore);
    if (!answer) return not_tierd(socket_path_, answer.error().text());
    return answer;
  }

 private:
  const std::string& socket_path_;
  std::chrono::milliseconds time_limit_;
};

}  // namespace

std::string default_socket_path(std::string_view option) {
  if (!option.empty()) return std::string(option);
  const char* variable = std::getenv("TIERHUB_SOCKET");
  return variable != nullptr && *variable != '\0' ? variable : kUsualSocketPath;
}

bool is_unreachable(const Error& error) {
  return error.is(std::errc::connection_refused) || error.is(std::errc::connection_reset);
}

Client::Client(std::string socket_path, std::chrono::milliseconds time_limit)
    : socket_path_(std::move(socket_path)), time_limit_(time_limit) {}

Result<Client> Client::open(std::string socket_path, std::chrono::milliseconds time_limit) {
  TRY(http::check_socket_path(socket_path));
  return Client(std::move(socket_path), time_limit);
}

Client Client::within(std::chrono::milliseconds time_limit) const {
  return Client(socket_path_, time_limit);
}

Result<Status> Client::status() const {
  return Transport(socket_path_, time_limit_).ask<Status>("GET", "/v1/status");
}

Result<Listing> Client::list(const std::string& path, Service::Depth depth,
                             const std::string& after, size_t limit) const {
  std::string target = fmt::format("/v1/ls?path={}&recursive={}&totals={}&after={}&limit={}",
                                   to_target_text(path), depth == Service::Depth::all,
                                   depth == Service::Depth::totals, to_target_text(after), limit);
  return Transport(socket_path_, time_limit_).ask<Listing>("GET", target);
}

Result<Listing> Client::find(const std::string& name, const std::string& path,
                             const std::string& after, size_t limit) const {
  return Transport(socket_path_, time_limit_)
      .ask<Listing>("GET",
                    fmt::format("/v1/find?name={}&path={}&after={}&limit={}", to_target_text(name),
                                to_target_text(path), to_target_text(after), limit));
}

Result<Residency> Client::residency(const std::string& path, ByteRange part, size_t limit) const {
  return Transport(socket_path_, time_limit_)
      .ask<Residency>("GET", fmt::format("/v1/residency?path={}&begin={}&end={}&limit={}",
                                         to_target_text(path), part.begin, part.end, limit));
}

Result<ResidencyList> Client::residencies(const ResidencyRequest& request) const {
  return Transport(socket_path_, time_limit_)
      .ask<ResidencyList>("POST", "/v1/residency", encode(request));
}

Result<Prefetch> Client::start_prefetch(const PrefetchRequest& request) const {
  return Transport(socket_path_, time_limit_)
      .ask<Prefetch>("POST", "/v1/prefetch", encode(request));
}

Result<Prefetch> Client::prefetch(uint64_t id) const {
  return Transport(socket_path_, time_limit_)
      .ask<Prefetch>("GET", fmt::format("/v1/prefetch/{}", id));
}

Result<std::vector<Prefetch>> Client::prefetches() const {
  TRY_ASSIGN(auto list,
             Transport(socket_path_, time_limit_).ask<PrefetchList>("GET", "/v1/prefetch"));
  return std::move(list.prefetches);
}

Result<Prefetch> Client::cancel_prefetch(uint64_t id) const {
  return Transport(socket_path_, time_limit_)
      .ask<Prefetch>("DELETE", fmt::format("/v1/prefetch/{}", id));
}

Result<Prefetch> Client::resume_prefetch(uint64_t id) const {
  return Transport(socket_path_, time_limit_)
      .ask<Prefetch>("POST", fmt::format("/v1/prefetch/{}/resume", id));
}

Result<void> Client::renew_lease(const std::string& owner, uint64_t ttl_s) const {
  TRY(Transport(socket_path_, time_limit_)
          .ask<Done>("POST", "/v1/lease/renew", encode(LeaseRequest{owner, ttl_s})));
  return {};
}

Result<EvictResult> Client::evict(const std::vector<std::string>& paths) const {
  return Transport(socket_path_, time_limit_)
      .ask<EvictResult>("POST", "/v1/evict", encode(PathsRequest{paths}));
}

Result<PublishProgress> Client::start_publish(const std::vector<std::string>& paths) const {
  return Transport(socket_path_, time_limit_)
      .ask<PublishProgress>("POST", "/v1/publish", encode(PathsRequest{paths}));
}

Result<PublishProgress> Client::publish_progress(uint64_t id,
                                                 std::chrono::milliseconds wait) const {
  return Transport(socket_path_, time_limit_)
      .ask<PublishProgress>("GET", fmt::format("/v1/publish/{}?wait_ms={}", id, wait.count()));
}

Result<EventList> Client::events(std::optional<uint64_t> since, size_t last,
                                 std::chrono::milliseconds wait) const {
  std::string target = fmt::format("/v1/events?last={}&wait_ms={}", last, wait.count());
  if (since) target += fmt::format("&since={}", *since);
  return Transport(socket_path_, time_limit_).ask<EventList>("GET", target);
}

Result<uint64_t> Client::pin(const std::vector<std::string>& paths, const std::string& owner,
                             const std::string& reason) const {
  TRY_ASSIGN(auto count,
             Transport(socket_path_, time_limit_)
                 .ask<FileCount>("POST", "/v1/pin", encode(PinRequest{paths, owner, reason})));
  return count.files;
}

Result<uint64_t> Client::unpin(const std::vector<std::string>& paths,
                               const std::string& owner) const {
  TRY_ASSIGN(auto count,
             Transport(socket_path_, time_limit_)
                 .ask<FileCount>("POST", "/v1/unpin", encode(UnpinRequest{paths, owner})));
  return count.files;
}

Result<ScanProgress> Client::start_scan(Service::MuchMissing much_missing) const {
  const bool accept = much_missing == Service::MuchMissing::accept;
  return Transport(socket_path_, time_limit_)
      .ask<ScanProgress>("POST", accept ? "/v1/scan?accept=true" : "/v1/scan");
}

Result<ScanProgress> Client::scan_progress() const {
  return Transport(socket_path_, time_limit_).ask<ScanProgress>("GET", "/v1/scan");
}

Result<TrashListing> Client::trash(const std::string& path) const {
  return Transport(socket_path_, time_limit_)
      .ask<TrashListing>("GET", "/v1/trash?path=" + to_target_text(path));
}

Result<TrashResult> Client::restore_trash(const TrashRequest& request) const {
  return Transport(socket_path_, time_limit_)
      .ask<TrashResult>("POST", "/v1/trash/restore", encode(request));
}

Result<TrashResult> Client::purge_trash(const TrashRequest& request) const {
  return Transport(socket_path_, time_limit_)
      .ask<TrashResult>("POST", "/v1/trash/purge", encode(request));
}

Result<void> Client::report_run(const Run& run) const {
  TRY(Transport(socket_path_, time_limit_)
          .ask<Done>("PUT", "/v1/runs/" + to_target_text(run.run), encode(run)));
  return {};
}

Result<std::vector<Run>> Client::runs() const {
  TRY_ASSIGN(auto list, Transport(socket_path_, time_limit_).ask<RunList>("GET", "/v1/runs"));
  return std::move(list.runs);
}

Result<Run> Client::run(const std::string& run) const {
  if (run.empty()) return Error(std::errc::invalid_argument, "the name of the run is empty");
  return Transport(socket_path_, time_limit_).ask<Run>("GET", "/v1/runs/" + to_target_text(run));
}

Result<void> Client::report_agent(const Agent& agent) const {
  TRY(Transport(socket_path_, time_limit_)
          .ask<Done>("PUT", "/v1/agents/" + to_target_text(agent.host), encode(agent)));
  return {};
}

Result<std::vector<Agent>> Client::agents() const {
  TRY_ASSIGN(auto list, Transport(socket_path_, time_limit_).ask<AgentList>("GET", "/v1/agents"));
  return std::move(list.agents);
}

}  // namespace tierhub::api
