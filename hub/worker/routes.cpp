#include "hub/worker/routes.h"

#include <cerrno>
#include <cstdlib>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "api/byte_text.h"
#include "api/client.h"
#include "api/routes.h"
#include "common/host_name.h"
#include "common/run_as.h"
#include "hub/images/root.h"
#include "hub/images/tierd_calls.h"
#include "hub/worker/plain_folder.h"

namespace tierhub::hub {
namespace {

constexpr std::string_view kTierd = "/api/v1/";

std::string own_name() {
  const auto name = find_user_name(::geteuid());
  return name && *name ? **name : std::to_string(::geteuid());
}

// Of the mounted file system. Asks nobody, so that a tierd that hangs holds up nothing.
Result<uint64_t> device_of(const std::string& path) {
  struct statx st {};
  if (::statx(AT_FDCWD, path.c_str(), AT_STATX_DONT_SYNC, STATX_INO, &st) < 0)
    return Error::from_errno(errno, "stat " + path);
  return uint64_t{st.stx_dev_major} << 32 | st.stx_dev_minor;
}

// Empty: there is none.
std::string cache_folder() {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  // A relative path is to be ignored, says the specification.
  if (cache != nullptr && cache[0] == '/') return std::string(cache) + "/tierhub/pyramids";
  if (home != nullptr && home[0] == '/') return std::string(home) + "/.cache/tierhub/pyramids";
  return "";
}

}  // namespace

std::optional<http::Response> WorkerRoutes::refuse(const http::Request&, uint64_t) {
  return std::nullopt;  // the front has limits already
}

http::Response WorkerRoutes::refusal(const Error& error) {
  return api::to_http(api::refusal(error));
}

http::Response WorkerRoutes::handle(const http::Peer& peer, const http::Request& request) {
  last_used_ = Clock::now();
  const uint32_t uid = peer.credentials ? peer.credentials->uid : UINT32_MAX;
  if (uid != place_.front_uid && uid != ::geteuid())
    return refusal(Error(std::errc::permission_denied, "only the front may ask a worker"));
  if (request.target == "/api/session") return session();
  if (request.target == "/api/events/recent") return recent_events();
  if (request.target == "/api/events") {
    if (place_.tierd_socket.empty()) return without_tierd();
    http::Response response;
    response.body = events_.listen();
    return response;
  }
  if (request.target.starts_with(kTierd)) return tierd(request);
  if (ImageRoutes::serves(request.target)) {
    const auto here = opened();
    return here ? (*here)->images->handle(request) : refusal(here.error());
  }
  if (JobRoutes::serves(request.target)) {
    const auto here = opened();
    if (!here) return refusal(here.error());
    return (*here)->jobs ? (*here)->jobs->handle(request) : without_tierd();
  }
  return refusal(Error(std::errc::no_such_file_or_directory, "there is no such address"));
}

http::Response WorkerRoutes::without_tierd() {
  return refusal(Error(std::errc::not_supported, "this hub shows a folder without TierHub"));
}

Result<std::shared_ptr<const WorkerRoutes::Opened>> WorkerRoutes::opened() {
  MutexLock lock(mutex_);
  if (opened_) {
    const auto device = device_of(opened_->root);
    if (!device || *device == opened_->device) return opened_;
    opened_.reset();
  }
  TRY_ASSIGN(Opened now, open());
  opened_ = std::make_shared<const Opened>(std::move(now));
  return opened_;
}

Result<WorkerRoutes::Opened> WorkerRoutes::open() const {
  ImageRoutes::Options options;
  std::unique_ptr<JobRoutes> jobs;
  options.root = place_.root;
  options.pyramids.folder = cache_folder();
  options.pyramids.limit_bytes = place_.pyramid_bytes;
  if (!place_.tierd_socket.empty()) {
    TRY_ASSIGN(const api::Client tierd, api::Client::open(place_.tierd_socket));
    TRY_ASSIGN(const api::Status status, tierd.within(std::chrono::seconds(5)).status());
    options.root = status.mount;
    TRY_ASSIGN(const uint64_t around, device_of(options.root + "/.."));
    TRY_ASSIGN(const uint64_t inside, device_of(options.root));
    if (around == inside) {
      return Error(std::errc::resource_unavailable_try_again,
                   "tierd has not mounted its data yet: try again in a moment");
    }
    options.tiers = make_tiers(make_tierd_calls(tierd));
    TRY_ASSIGN(jobs, JobRoutes::open(tierd, {options.root, options.tiers}));
  }
  std::string root = options.root;
  TRY_ASSIGN(const uint64_t device, device_of(root));
  TRY_ASSIGN(auto images, ImageRoutes::open(std::move(options)));
  return Opened{std::move(root), device, std::move(images), std::move(jobs)};
}

http::Response WorkerRoutes::session() {
  const auto here = opened();
  http::Response response;
  response.body = nlohmann::json{{"user", api::to_wire_text(own_name())},
                                 {"host", api::to_wire_text(name_of_this_host())},
                                 {"version", TIERHUB_VERSION},
                                 {"here", place_.front_uid == ::geteuid()},
                                 {"mount", here ? api::to_wire_text((*here)->root) : ""},
                                 {"tierd", !place_.tierd_socket.empty()},
                                 {"error", here ? "" : here.error().text()}}
                      .dump() +
                  "\n";
  return response;
}

http::Response WorkerRoutes::recent_events() {
  constexpr size_t kRecent = 200;
  if (place_.tierd_socket.empty()) return without_tierd();
  const auto client = api::Client::open(place_.tierd_socket);
  if (!client) return refusal(client.error());
  const auto list = client->within(std::chrono::seconds(5))
                        .events(std::nullopt, kRecent, std::chrono::milliseconds(0));
  if (!list) return refusal(list.error());
  nlohmann::json events = nlohmann::json::array();
  for (const api::Event& event : list->events) events.push_back(to_page(event));
  http::Response response;
  response.body = nlohmann::json{{"events", std::move(events)}, {"next", list->next}}.dump() + "\n";
  response.headers.emplace_back("Cache-Control", "no-store");
  return response;
}

http::Response WorkerRoutes::tierd(const http::Request& request) {
  if (place_.tierd_socket.empty()) {
    const std::string_view target = request.target;
    if (request.method != "GET" || target.substr(0, target.find('?')) != "/api/v1/ls")
      return without_tierd();
    const auto root = Root::open(place_.root);
    return root ? list_plain_folder(*root, request.target) : refusal(root.error());
  }
  http::Request asked = request;
  asked.target.erase(0, std::string_view("/api").size());
  http::Response response;
  response.body = http::Relay{place_.tierd_socket, std::move(asked)};
  return response;
}

}  // namespace tierhub::hub
