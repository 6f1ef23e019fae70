// Passes on what has happened to the pages that one person has open: /api/events.
#pragma once

#include <atomic>
#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <nlohmann/json.hpp>

#include "api/client.h"
#include "common/guarded.h"
#include "common/mutex.h"
#include "http/message.h"

namespace tierhub::hub {

// An event as the page gets it: "at" in seconds since 1970, without what is empty.
nlohmann::json to_page(const api::Event& event);

// Owns a thread, which listens to tierd and looks at the person's runs once a second while a page
// listens. Any thread.
class EventStream {
 public:
  explicit EventStream(std::string tierd_socket) : tierd_socket_(std::move(tierd_socket)) {}
  ~EventStream();
  EventStream(const EventStream&) = delete;
  EventStream& operator=(const EventStream&) = delete;

  // The frames of one page: "hello", then each event; "lost" where there were more than it took.
  http::TextFrames listen();

 private:
  // Of one page. At most kMostFrames wait in it.
  struct Queue {
    std::deque<std::string> frames;
  };
  using Listener = Guarded<Queue>;
  struct Run {
    std::string state;
    int64_t updated_ns = 0;
  };

  void listen_to_tierd(const std::stop_token& stop);
  void hear(const api::Client& tierd);
  void look_at_runs(const api::Client& tierd);
  void tell_all(const nlohmann::json& frame);
  // Those that are still there.
  std::vector<std::shared_ptr<Listener>> listeners();

  const std::string tierd_socket_;
  // Of the thread alone.
  std::optional<uint64_t> next_;
  std::optional<std::map<std::string, Run>> runs_;
  Mutex mutex_;
  StoppableConditionVariable changed_;
  std::vector<std::weak_ptr<Listener>> listeners_ GUARDED_BY(mutex_);
  std::jthread thread_ GUARDED_BY(mutex_);
};

}  // namespace tierhub::hub
