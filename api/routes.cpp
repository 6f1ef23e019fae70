#include "api/routes.h"

#include <charconv>
#include <exception>
#include <limits>
#include <span>

#include <fmt/format.h>

#include "api/errors.h"
#include "api/json.h"
#include "api/target.h"
#include "common/log.h"

namespace tierhub::api {
namespace {

// One request that a route has been found for.
struct Call {
  Service& service;
  const Caller& caller;
  const Target& target;
  const std::string& body;

  const std::string& last_segment() const { return target.segments.back(); }
  std::string parameter(const std::string& name) const {
    auto found = target.parameters.find(name);
    return found == target.parameters.end() ? std::string() : found->second;
  }
};

using Handler = Result<Response> (*)(const Call&);

struct Route {
  std::string_view method;
  std::string_view pattern;  // "{id}" stands for one segment
  Handler handler;
  uint64_t body_limit_bytes = 0;
  std::string_view parameters = {};  // the names that are known, with a blank after each
};

template <class Message>
Result<Response> answer(const Result<Message>& result, int status = 200) {
  if (!result) return result.error();
  return Response{status, encode(*result), {}};
}

Result<Response> answer(const Result<void>& result) {
  if (!result) return result.error();
  return Response{200, encode(Done{}), {}};
}

template <class Message>
Result<Message> body_of(const Call& call) {
  auto message = decode<Message>(call.body, UnknownMembers::refuse);
  if (!message) return message.error().in("body of the request");
  return message;
}

Result<uint64_t> number_of(const std::string& text, std::string_view what) {
  uint64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return Error(std::errc::invalid_argument, fmt::format("{} must be a whole number", what));
  }
  return value;
}

Error missing(std::string_view what) {
  return Error(std::errc::invalid_argument, std::string(what));
}

Result<Response> get_status(const Call& call) { return answer(call.service.status(call.caller)); }

Result<Response> list(const Call& call) {
  constexpr uint64_t kUsualLimit = 1'000;
  constexpr uint64_t kMostLimit = 10'000;
  std::string path = call.parameter("path");
  std::string recursive = call.parameter("recursive");
  std::string limit_text = call.parameter("limit");
  uint64_t limit = kUsualLimit;
  if (!limit_text.empty()) {
    TRY_ASSIGN(limit, number_of(limit_text, "limit"));
  }
  if (limit < 1 || limit > kMostLimit) {
    return Error(std::errc::invalid_argument, "limit must be from 1 to 10000");
  }
  std::string totals = call.parameter("totals");
  for (const auto& [name, value] : {std::pair("recursive", &recursive), {"totals", &totals}}) {
    if (!value->empty() && *value != "true" && *value != "false")
      return Error(std::errc::invalid_argument, fmt::format("{} must be true or false", name));
  }
  if (recursive == "true" && totals == "true")
    return Error(std::errc::invalid_argument, "recursive and totals exclude each other");
  auto depth = recursive == "true" ? Service::Depth::all
               : totals == "true"  ? Service::Depth::totals
                                   : Service::Depth::children;
  return answer(call.service.list(call.caller, path.empty() ? "/" : path, depth,
                                  call.parameter("after"), limit));
}

Result<Response> find(const Call& call) {
  constexpr uint64_t kUsualLimit = 100;
  const std::string name = call.parameter("name");
  if (name.empty()) return missing("name must say what to look for");
  const std::string limit_text = call.parameter("limit");
  uint64_t limit = kUsualLimit;
  if (!limit_text.empty()) {
    TRY_ASSIGN(limit, number_of(limit_text, "limit"));
  }
  if (limit < 1 || limit > Service::kMostFound)
    return Error(std::errc::invalid_argument, "limit must be from 1 to 1000");
  const std::string path = call.parameter("path");
  return answer(call.service.find(call.caller, name, path.empty() ? "/" : path,
                                  call.parameter("after"), limit));
}

// A number that may be left out.
Result<uint64_t> number_parameter(const Call& call, const std::string& name, uint64_t usual) {
  const std::string text = call.parameter(name);
  if (text.empty()) return usual;
  return number_of(text, name);
}

Result<Response> get_residency(const Call& call) {
  constexpr uint64_t kUsualLimit = 1'000;
  const std::string path = call.parameter("path");
  if (path.empty()) return missing("path must name a file");
  ByteRange part;
  TRY_ASSIGN(part.begin, number_parameter(call, "begin", 0));
  TRY_ASSIGN(part.end, number_parameter(call, "end", std::numeric_limits<uint64_t>::max()));
  TRY_ASSIGN(const uint64_t limit, number_parameter(call, "limit", kUsualLimit));
  if (part.begin > part.end)
    return Error(std::errc::invalid_argument, "begin must not be larger than end");
  if (limit > Service::kMaxResidentRanges)
    return Error(std::errc::invalid_argument, "limit must be from 0 to 10000");
  return answer(call.service.residency(call.caller, path, part, limit));
}

Result<Response> get_residencies(const Call& call) {
  TRY_ASSIGN(auto request, body_of<ResidencyRequest>(call));
  if (request.files.empty()) return missing("files must name what to look at");
  return answer(call.service.residencies(call.caller, request));
}

Result<Response> start_prefetch(const Call& call) {
  TRY_ASSIGN(auto request, body_of<PrefetchRequest>(call));
  if (request.paths.empty() && request.files.empty()) {
    return missing("paths or files must name what to prefetch");
  }
  return answer(call.service.start_prefetch(call.caller, request), 202);
}

Result<Response> get_prefetch(const Call& call) {
  TRY_ASSIGN(uint64_t id, number_of(call.last_segment(), "the prefetch's id"));
  return answer(call.service.prefetch(call.caller, id));
}

Result<Response> get_prefetches(const Call& call) {
  TRY_ASSIGN(auto prefetches, call.service.prefetches(call.caller));
  return answer(Result<PrefetchList>(PrefetchList{std::move(prefetches)}));
}

Result<Response> cancel_prefetch(const Call& call) {
  TRY_ASSIGN(uint64_t id, number_of(call.last_segment(), "the prefetch's id"));
  return answer(call.service.cancel_prefetch(call.caller, id));
}

Result<Response> resume_prefetch(const Call& call) {
  const auto& segments = call.target.segments;
  TRY_ASSIGN(uint64_t id, number_of(segments.at(segments.size() - 2), "the prefetch's id"));
  return answer(call.service.resume_prefetch(call.caller, id));
}

Result<Response> renew_lease(const Call& call) {
  TRY_ASSIGN(auto request, body_of<LeaseRequest>(call));
  if (request.owner.empty()) return missing("owner must name the owner of the leases");
  return answer(call.service.renew_lease(call.caller, request.owner, request.ttl_s));
}

Result<Response> evict(const Call& call) {
  TRY_ASSIGN(auto request, body_of<PathsRequest>(call));
  if (request.paths.empty()) return missing("paths must name what to evict");
  return answer(call.service.evict(call.caller, request.paths));
}

Result<Response> start_publish(const Call& call) {
  TRY_ASSIGN(auto request, body_of<PathsRequest>(call));
  if (request.paths.empty()) return missing("paths must name what to publish");
  return answer(call.service.start_publish(call.caller, request.paths), 202);
}

// Requests that wait take a thread of few.
constexpr uint64_t kLongestWaitMs = 500;

Result<Response> get_publish(const Call& call) {
  TRY_ASSIGN(uint64_t id, number_of(call.last_segment(), "the publish's id"));
  uint64_t wait_ms = 0;
  if (const std::string text = call.parameter("wait_ms"); !text.empty()) {
    TRY_ASSIGN(wait_ms, number_of(text, "wait_ms"));
  }
  const std::chrono::milliseconds wait(std::min(wait_ms, kLongestWaitMs));
  return answer(call.service.publish_progress(call.caller, id, wait));
}

constexpr uint64_t kLongestEventWaitMs = 20'000;

Result<Response> get_events(const Call& call) {
  TRY_ASSIGN(const uint64_t wait_ms, number_parameter(call, "wait_ms", 0));
  TRY_ASSIGN(const uint64_t last, number_parameter(call, "last", 0));
  if (last > Service::kMostEvents)
    return Error(std::errc::invalid_argument, "last must be from 0 to 1000");
  std::optional<uint64_t> since;
  if (!call.parameter("since").empty()) {
    TRY_ASSIGN(since, number_parameter(call, "since", 0));
  }
  const std::chrono::milliseconds wait(std::min(wait_ms, kLongestEventWaitMs));
  return answer(call.service.events(call.caller, since, last, wait));
}

Result<Response> pin(const Call& call) {
  TRY_ASSIGN(auto request, body_of<PinRequest>(call));
  if (request.paths.empty()) return missing("paths must name what to pin");
  if (request.owner.empty()) return missing("owner must name the owner of the pin");
  TRY_ASSIGN(uint64_t files,
             call.service.pin(call.caller, request.paths, request.owner, request.reason));
  return answer(Result<FileCount>(FileCount{files}));
}

Result<Response> unpin(const Call& call) {
  TRY_ASSIGN(auto request, body_of<UnpinRequest>(call));
  if (request.paths.empty()) return missing("paths must name what to unpin");
  if (request.owner.empty()) return missing("owner must name the owner of the pins");
  TRY_ASSIGN(uint64_t files, call.service.unpin(call.caller, request.paths, request.owner));
  return answer(Result<FileCount>(FileCount{files}));
}

Result<Response> start_scan(const Call& call) {
  const std::string accept = call.parameter("accept");
  if (!accept.empty() && accept != "true" && accept != "false") {
    return Error(std::errc::invalid_argument, "accept must be true or false");
  }
  const auto much_missing =
      accept == "true" ? Service::MuchMissing::accept : Service::MuchMissing::ask;
  return answer(call.service.start_scan(call.caller, much_missing), 202);
}

Result<Response> get_scan(const Call& call) {
  return answer(call.service.scan_progress(call.caller));
}

Result<Response> get_trash(const Call& call) {
  const std::string path = call.parameter("path");
  return answer(call.service.trash(call.caller, path.empty() ? "/" : path));
}

Result<Response> restore_trash(const Call& call) {
  TRY_ASSIGN(auto request, body_of<TrashRequest>(call));
  if (request.paths.empty()) return missing("paths must name what to restore");
  return answer(call.service.restore_trash(call.caller, request));
}

Result<Response> purge_trash(const Call& call) {
  TRY_ASSIGN(auto request, body_of<TrashRequest>(call));
  if (request.paths.empty()) return missing("paths must name what to delete; / means everything");
  return answer(call.service.purge_trash(call.caller, request));
}

Result<Response> get_runs(const Call& call) {
  TRY_ASSIGN(auto runs, call.service.runs(call.caller));
  return answer(Result<RunList>(RunList{std::move(runs)}));
}

Result<Response> get_run(const Call& call) {
  return answer(call.service.run(call.caller, call.last_segment()));
}

Result<Response> report_run(const Call& call) {
  TRY_ASSIGN(auto run, body_of<Run>(call));
  if (run.run.empty()) run.run = call.last_segment();
  if (run.run != call.last_segment()) {
    return Error(std::errc::invalid_argument, "member run is not the run of the request's target");
  }
  // The agent of root tells of the jobs that it refuses, to those whose they are.
  if (call.caller.uid != 0) run.uid = call.caller.uid;
  return answer(call.service.report_run(call.caller, run));
}

Result<Response> get_agents(const Call& call) {
  TRY_ASSIGN(auto agents, call.service.agents(call.caller));
  return answer(Result<AgentList>(AgentList{std::move(agents)}));
}

Result<Response> report_agent(const Call& call) {
  TRY_ASSIGN(auto agent, body_of<Agent>(call));
  if (agent.host.empty()) agent.host = call.last_segment();
  if (agent.host != call.last_segment()) {
    return Error(std::errc::invalid_argument,
                 "member host is not the host of the request's target");
  }
  agent.uid = call.caller.uid;
  return answer(call.service.report_agent(call.caller, agent));
}

constexpr uint64_t kSmallBody = 1 << 20;
constexpr uint64_t kResidencyBody = 8 << 20;
constexpr uint64_t kPrefetchBody = 32 << 20;

constexpr Route kRoutes[] = {
    {"GET", "/v1/status", get_status},
    {"GET", "/v1/ls", list, 0, "path recursive totals after limit "},
    {"GET", "/v1/find", find, 0, "name path after limit "},
    {"GET", "/v1/residency", get_residency, 0, "path begin end limit "},
    {"POST", "/v1/residency", get_residencies, kResidencyBody},
    {"POST", "/v1/prefetch", start_prefetch, kPrefetchBody},
    {"GET", "/v1/prefetch", get_prefetches},
    {"GET", "/v1/prefetch/{id}", get_prefetch},
    {"DELETE", "/v1/prefetch/{id}", cancel_prefetch},
    {"POST", "/v1/prefetch/{id}/resume", resume_prefetch},
    {"POST", "/v1/lease/renew", renew_lease, kSmallBody},
    {"POST", "/v1/evict", evict, kSmallBody},
    {"POST", "/v1/publish", start_publish, kSmallBody},
    {"GET", "/v1/publish/{id}", get_publish, 0, "wait_ms "},
    {"GET", "/v1/events", get_events, 0, "since last wait_ms "},
    {"POST", "/v1/pin", pin, kSmallBody},
    {"POST", "/v1/unpin", unpin, kSmallBody},
    {"POST", "/v1/scan", start_scan, 0, "accept "},
    {"GET", "/v1/scan", get_scan},
    {"GET", "/v1/trash", get_trash, 0, "path "},
    {"POST", "/v1/trash/restore", restore_trash, kSmallBody},
    {"POST", "/v1/trash/purge", purge_trash, kSmallBody},
    {"GET", "/v1/runs", get_runs},
    {"GET", "/v1/runs/{run}", get_run},
    {"PUT", "/v1/runs/{run}", report_run, kSmallBody},
    {"GET", "/v1/agents", get_agents},
    {"PUT", "/v1/agents/{host}", report_agent, kSmallBody},
};

bool matches(std::string_view pattern, std::span<const std::string> segments) {
  for (const std::string& segment : segments) {
    if (pattern.empty()) return false;
    pattern.remove_prefix(1);  // the slash
    std::string_view part = pattern.substr(0, pattern.find('/'));
    bool any = part.starts_with('{');
    if (any ? segment.empty() : part != segment) return false;
    pattern.remove_prefix(part.size());
  }
  return pattern.empty();
}

// A request's target and its route, or why there is none.
struct Found {
  Target target;
  const Route* route = nullptr;
  Response refused;
};

Response no_such_target(const Request& request) {
  return {404,
          encode(ErrorReply{fmt::format("there is no {} in this API: see docs/API.md",
                                        request.target.substr(0, 200)),
                            "ENOSYS"}),
          {}};
}

Response no_such_method(const Request& request, const std::string& allow) {
  return {405,
          encode(ErrorReply{
              fmt::format("{} is not allowed here, only {}", request.method.substr(0, 32), allow),
              "ENOSYS"}),
          allow};
}

Result<void> check_body(const Route& route, uint64_t body_bytes) {
  if (body_bytes <= route.body_limit_bytes) return {};
  if (route.body_limit_bytes == 0) {
    return Error(std::errc::invalid_argument, "this request takes no body");
  }
  return Error(std::errc::message_size,
               fmt::format("the body is larger than {} bytes: split the request into several",
                           route.body_limit_bytes));
}

Found find_route(const Request& request, uint64_t body_bytes) {
  Found found;
  auto target = parse_target(request.target);
  if (!target) {
    found.refused = refusal(target.error());
    return found;
  }
  found.target = *std::move(target);
  std::string allow;
  for (const Route& route : kRoutes) {
    if (!matches(route.pattern, found.target.segments)) continue;
    if (route.method == request.method) found.route = &route;
    allow += (allow.empty() ? "" : ", ") + std::string(route.method);
  }
  if (found.route == nullptr) {
    found.refused = allow.empty() ? no_such_target(request) : no_such_method(request, allow);
    return found;
  }
  auto checked = check_body(*found.route, body_bytes);
  if (!checked) {
    found.route = nullptr;
    found.refused = refusal(checked.error());
  }
  return found;
}

Result<void> check_parameters(const Route& route, const Target& target) {
  for (const auto& [name, value] : target.parameters) {
    if (name.empty() || route.parameters.find(name + " ") == std::string_view::npos) {
      return Error(std::errc::invalid_argument, fmt::format("unknown parameter {}", name));
    }
  }
  return {};
}

Response handle_or_throw(Service& service, const Caller& caller, const Request& request) {
  Found found = find_route(request, request.body.size());
  if (found.route == nullptr) return found.refused;
  auto checked = check_parameters(*found.route, found.target);
  if (!checked) return refusal(checked.error());
  auto response = found.route->handler({service, caller, found.target, request.body});
  return response ? *std::move(response) : refusal(response.error());
}

Response broken(const Request& request, const std::exception& exception) {
  log::error("request failed", {{"target", request.target}, {"exception", exception.what()}});
  return {500, R"({"error":"tierd could not answer: see its log","code":"EIO"})", {}};
}

}  // namespace

Response refusal(const Error& error) {
  return {http_status(error), encode(ErrorReply{error.text(), error_name(error)}), {}};
}

std::optional<Response> refuse_head(const Request& head, uint64_t body_bytes) noexcept {
  try {
    Found found = find_route(head, body_bytes);
    if (found.route != nullptr) return std::nullopt;
    return found.refused;
  } catch (const std::exception& exception) {
    return broken(head, exception);
  }
}

Response handle(Service& service, const Caller& caller, const Request& request) noexcept {
  try {
    return handle_or_throw(service, caller, request);
  } catch (const std::exception& exception) {
    return broken(request, exception);
  }
}

http::Response to_http(Response response) {
  http::Response out;
  out.status = response.status;
  out.body = std::move(response.body) + "\n";
  if (!response.allow.empty()) out.headers.emplace_back("Allow", std::move(response.allow));
  return out;
}

}  // namespace tierhub::api
