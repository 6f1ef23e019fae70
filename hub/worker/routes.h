// The addresses that a worker answers: /api/session, tierd's API below /api/v1, images, and jobs.
//
// Whether tierd runs shows at the first request, and again at each until it does: a worker outlives
// restarts of tierd. What was open in the mount of a tierd that died stays dead: when there is another mount,
// everything is opened anew.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <string>

#include "common/mutex.h"
#include "http/server.h"
#include "hub/images/routes.h"
#include "hub/jobs/routes.h"
#include "hub/worker/events.h"

namespace tierhub::hub {

// Any thread.
class WorkerRoutes final : public http::Handler {
 public:
  using Clock = std::chrono::steady_clock;
  struct Place {
    std::string tierd_socket;    // empty: there is none
    std::string root;            // without tierd: the folder that is shown
    uint64_t pyramid_bytes = 0;  // that small levels of images may take in the user's cache
    uint32_t front_uid = 0;      // the only user, besides this one, that may ask
  };
  explicit WorkerRoutes(Place place) : place_(std::move(place)), events_(place_.tierd_socket) {}

  std::optional<http::Response> refuse(const http::Request& head, uint64_t body_bytes) override;
  http::Response handle(const http::Peer& peer, const http::Request& request) override;
  http::Response refusal(const Error& error) override;

  // Since when nobody has asked for anything.
  Clock::time_point last_used() const { return last_used_.load(); }

 private:
  struct Opened {
    std::string root;
    uint64_t device = 0;  // of the root: another mount has another one
    std::unique_ptr<ImageRoutes> images;
    std::unique_ptr<JobRoutes> jobs;  // null without tierd
  };
  Result<std::shared_ptr<const Opened>> opened();
  Result<Opened> open() const;
  http::Response session();
  http::Response recent_events();
  http::Response without_tierd();
  http::Response tierd(const http::Request& request);

  const Place place_;
  EventStream events_;
  Mutex mutex_;
  std::shared_ptr<const Opened> opened_ GUARDED_BY(mutex_);
  std::atomic<Clock::time_point> last_used_ = Clock::now();
};

}  // namespace tierhub::hub
