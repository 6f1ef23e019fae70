#include "daemon/event_watch.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "common/mutex.h"

namespace tierhub {
namespace {

constexpr std::chrono::seconds kEventTick{1};
// Between two looks; more are one event of the root.
constexpr size_t kMostTouched = 4'096;
constexpr size_t kMostFolderEvents = 200;
// Of progress, at each look.
constexpr size_t kMostProgressEvents = 50;
// Summing up what is wrong takes longer than the rest.
constexpr int kTicksOfHealth = 5;

std::string words_of(const api::Prefetch& prefetch) {
  if (prefetch.state == "done") return fmt::format("{} is on the SSD", prefetch.label);
  if (prefetch.state == "failed")
    return fmt::format("fetching {} failed: {}", prefetch.label, prefetch.first_error);
  if (prefetch.state == "cancelled") return fmt::format("fetching {} was stopped", prefetch.label);
  if (prefetch.state == "parked") return fmt::format("fetching {} is parked", prefetch.label);
  return fmt::format("fetching {}", prefetch.label);
}

}  // namespace

EventWatch::EventWatch(Catalog& catalog, EventBook& book, Sources sources)
    : catalog_(catalog), book_(book), sources_(std::move(sources)) {
  // What is so now is no event.
  for (api::Prefetch& prefetch : sources_.prefetches())
    prefetches_.emplace(prefetch.id, std::move(prefetch));
  for (std::string& line : sources_.health()) health_.insert(std::move(line));
  archive_state_ = sources_.archive_state();
  catalog_.watch([this](const Batch& batch) { note(batch); });
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

EventWatch::~EventWatch() {
  catalog_.watch({});
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

void EventWatch::note(const Batch& batch) {
  if (batch.touched_files().empty() && batch.touched_folders().empty()) return;
  touched_.with([&](Touched& touched) {
    touched.files.insert(batch.touched_files().begin(), batch.touched_files().end());
    touched.folders.insert(batch.touched_folders().begin(), batch.touched_folders().end());
    if (touched.files.size() + touched.folders.size() <= kMostTouched) return;
    touched = Touched{};
    touched.too_many = true;
  });
}

void EventWatch::run(const std::stop_token& stop) {
  Mutex mutex;
  StoppableConditionVariable stopped;
  for (int tick = 1; !stop.stop_requested(); ++tick) {
    {
      const MutexLock lock(mutex);
      stopped.wait_for(mutex, stop, kEventTick, [] { return false; });
    }
    if (stop.stop_requested()) return;
    look_at_folders();
    look_at_prefetches();
    look_at_archive();
    if (tick % kTicksOfHealth == 0) look_at_health();
  }
}

void EventWatch::add(EventBook::Audience audience, api::Event event, uint32_t owner_uid) {
  book_.add({std::move(event), audience, owner_uid});
}

void EventWatch::look_at_folders() {
  const Touched touched = touched_.with([](Touched& all) { return std::exchange(all, Touched{}); });
  std::set<InodeNumber> folders = touched.folders;
  for (const InodeNumber file : touched.files) {
    const auto names = catalog_.names(file);
    // It may be gone meanwhile; then its folder was touched too.
    if (!names) continue;
    for (const Name& name : *names) folders.insert(name.parent);
  }
  api::Event event;
  event.kind = "residency";
  if (touched.too_many || folders.size() > kMostFolderEvents) {
    event.path = "/";
    event.text = "much changed in many folders";
    add(EventBook::Audience::everyone, std::move(event));
    return;
  }
  for (const InodeNumber folder : folders) {
    const auto path = catalog_.path(folder);
    if (!path || !*path) continue;
    event.path = **path;
    event.text = fmt::format("what is in {}, or where its bytes are, has changed", **path);
    add(EventBook::Audience::folder, event);
  }
}

void EventWatch::look_at_prefetches() {
  std::map<uint64_t, api::Prefetch> now;
  for (api::Prefetch& prefetch : sources_.prefetches())
    now.emplace(prefetch.id, std::move(prefetch));
  size_t progress = 0;
  for (const auto& [id, prefetch] : now) {
    const auto before = prefetches_.find(id);
    const bool is_new = before == prefetches_.end();
    const bool has_turned = !is_new && before->second.state != prefetch.state;
    const bool has_moved = !is_new && before->second.done_bytes != prefetch.done_bytes;
    if (!is_new && !has_turned && (!has_moved || ++progress > kMostProgressEvents)) continue;
    api::Event event;
    event.kind = "prefetch";
    event.prefetch = id;
    event.state = prefetch.state;
    event.done_bytes = prefetch.done_bytes;
    event.total_bytes = prefetch.total_bytes;
    event.text = words_of(prefetch);
    add(EventBook::Audience::owner, std::move(event), prefetch.owner_uid);
  }
  prefetches_ = std::move(now);
}

void EventWatch::look_at_archive() {
  std::string state = sources_.archive_state();
  if (state == archive_state_) return;
  api::Event event;
  event.kind = "tier";
  event.state = state;
  event.text = fmt::format("the archive is {}", state);
  add(EventBook::Audience::everyone, std::move(event));
  archive_state_ = std::move(state);
}

void EventWatch::look_at_health() {
  std::set<std::string> now;
  for (std::string& line : sources_.health()) now.insert(std::move(line));
  const auto tell = [&](const std::string& state, const std::string& text) {
    api::Event event;
    event.kind = "health";
    event.state = state;
    event.text = text;
    add(EventBook::Audience::everyone, std::move(event));
  };
  for (const std::string& line : now)
    if (!health_.contains(line)) tell("wrong", line);
  for (const std::string& line : health_)
    if (!now.contains(line)) tell("over", "over: " + line);
  health_ = std::move(now);
}

}  // namespace tierhub
