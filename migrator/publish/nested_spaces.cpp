#include "migrator/publish/nested_spaces.h"

#include <chrono>
#include <utility>

#include "common/duration.h"

namespace tierhub {
namespace {

constexpr std::chrono::milliseconds kFirstAnswer{100};

}  // namespace

void NestedSpaces::start() {
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

void NestedSpaces::stop() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

std::optional<Archive::Space> NestedSpaces::of(const FileSystemId& file_system) {
  MutexLock lock(mutex_);
  if (known_.try_emplace(file_system).second) {
    wanted_.insert(file_system);
    changed_.notify_all();
    changed_.wait_for(mutex_, kFirstAnswer,
                      [&]() REQUIRES(mutex_) { return known_[file_system].has_value(); });
  }
  return known_[file_system];
}

void NestedSpaces::run(const std::stop_token& stop) {
  MutexLock lock(mutex_);
  while (!stop.stop_requested()) {
    changed_.wait_for(mutex_, stop, seconds(interval_s_),
                      [&]() REQUIRES(mutex_) { return !wanted_.empty(); });
    std::set<FileSystemId> asked = std::exchange(wanted_, {});
    if (asked.empty()) {
      for (const auto& [id, space] : known_) asked.insert(id);
    }
    for (const FileSystemId& id : asked) {
      if (stop.stop_requested()) return;
      lock.unlock();
      const auto space = archive_.space(id);
      lock.lock();
      if (space) known_[id] = *space;
      changed_.notify_all();
    }
  }
}

}  // namespace tierhub
