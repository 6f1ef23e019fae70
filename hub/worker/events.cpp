#include "hub/worker/events.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "api/byte_text.h"

namespace tierhub::hub {
namespace {

using nlohmann::json;

constexpr size_t kMostFrames = 256;
constexpr std::chrono::seconds kEventTick{1};

json frame_of(const char* kind) {
  return {{"kind", kind}, {"at", Timestamp::now().ns / 1'000'000'000}};
}

}  // namespace

json to_page(const api::Event& event) {
  json one = {{"seq", event.seq},
              {"at", event.at.ns / 1'000'000'000},
              {"kind", event.kind},
              {"text", api::to_wire_text(event.text)}};
  if (!event.path.empty()) one["path"] = api::to_wire_text(event.path);
  if (!event.state.empty()) one["state"] = event.state;
  if (event.prefetch != 0) {
    one["prefetch"] = event.prefetch;
    one["done_bytes"] = event.done_bytes;
    one["total_bytes"] = event.total_bytes;
  }
  return one;
}

EventStream::~EventStream() {
  MutexLock lock(mutex_);
  std::jthread ending = std::move(thread_);
  lock.unlock();
}

http::TextFrames EventStream::listen() {
  auto listener = std::make_shared<Listener>();
  listener->with([](Queue& queue) { queue.frames.push_back(frame_of("hello").dump()); });
  const MutexLock lock(mutex_);
  listeners_.push_back(listener);
  changed_.notify_all();
  if (!thread_.joinable())
    thread_ = std::jthread([this](const std::stop_token& stop) { listen_to_tierd(stop); });
  return {[listener]() -> Result<std::optional<std::string>> {
    return listener->with([](Queue& queue) -> std::optional<std::string> {
      if (queue.frames.empty()) return std::nullopt;
      std::string frame = std::move(queue.frames.front());
      queue.frames.pop_front();
      return frame;
    });
  }};
}

std::vector<std::shared_ptr<EventStream::Listener>> EventStream::listeners() {
  const MutexLock lock(mutex_);
  std::vector<std::shared_ptr<Listener>> all;
  std::erase_if(listeners_, [&](const auto& one) REQUIRES(mutex_) {
    auto listener = one.lock();
    if (!listener) return true;
    all.push_back(std::move(listener));
    return false;
  });
  return all;
}

void EventStream::tell_all(const json& frame) {
  const std::string text = frame.dump(-1, ' ', false, json::error_handler_t::replace);
  for (const auto& listener : listeners()) {
    listener->with([&](Queue& queue) {
      queue.frames.push_back(text);
      if (queue.frames.size() <= kMostFrames) return;
      // The page does not keep up: it asks for all when it hears this.
      queue.frames.clear();
      queue.frames.push_back(frame_of("lost").dump());
    });
  }
}

void EventStream::listen_to_tierd(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    if (listeners().empty()) {
      next_.reset();
      runs_.reset();
      const MutexLock lock(mutex_);
      changed_.wait(mutex_, stop, [this]() REQUIRES(mutex_) { return !listeners_.empty(); });
      continue;
    }
    const auto begin = SteadyClock::now();
    if (const auto tierd = api::Client::open(tierd_socket_)) {
      const api::Client patient = tierd->within(std::chrono::seconds(10));
      hear(patient);
      look_at_runs(patient);
    }
    // It waits itself, unless tierd is away or many wait there.
    const MutexLock lock(mutex_);
    changed_.wait_for(mutex_, stop, kEventTick - (SteadyClock::now() - begin),
                      [] { return false; });
  }
}

void EventStream::hear(const api::Client& tierd) {
  const bool is_first = !next_;
  const auto list = tierd.events(next_, 0, is_first ? std::chrono::milliseconds(0) : kEventTick);
  if (!list) return;
  next_ = list->next;
  if (list->lost) tell_all(frame_of("lost"));
  for (const api::Event& event : list->events) tell_all(to_page(event));
}

void EventStream::look_at_runs(const api::Client& tierd) {
  const auto list = tierd.runs();
  if (!list) return;
  std::map<std::string, Run> now;
  for (const api::Run& run : *list) now[run.run] = {run.state, run.updated.ns};
  if (runs_) {
    for (const auto& [name, run] : now) {
      const auto before = runs_->find(name);
      if (before != runs_->end() && before->second.updated_ns == run.updated_ns) continue;
      json frame = frame_of("runs");
      frame["run"] = api::to_wire_text(name);
      frame["state"] = run.state;
      frame["text"] = api::to_wire_text(fmt::format("{}: {}", name, run.state));
      tell_all(frame);
    }
  }
  runs_ = std::move(now);
}

}  // namespace tierhub::hub
