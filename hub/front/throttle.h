// Slows down whoever guesses passwords.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <string>

#include <fmt/format.h>

#include "common/mutex.h"

namespace tierhub::hub {

// Counts failures by key (a user name, an address) within the last `window`. Any thread.
class Throttle {
 public:
  using Clock = std::chrono::steady_clock;
  Throttle(size_t limit, std::chrono::seconds window, size_t most_keys = 10'000)
      : limit_(limit), window_(window), most_keys_(most_keys) {}

  bool is_open(const std::string& key, Clock::time_point now = Clock::now()) {
    MutexLock lock(mutex_);
    forget_old(now);
    const auto found = failures_.find(counted_as(key));
    return found == failures_.end() || found->second.size() < limit_;
  }
  void count(const std::string& key, Clock::time_point now = Clock::now()) {
    MutexLock lock(mutex_);
    forget_old(now);
    auto& times = failures_[counted_as(key)];
    if (times.size() < limit_) times.push_back(now);
  }

 private:
  // Many made-up names fill no memory, and hide no guesses: those that find no room share counts.
  static constexpr size_t kMostShared = 1'000;
  std::string counted_as(const std::string& key) const REQUIRES(mutex_) {
    if (failures_.size() < most_keys_ || failures_.contains(key)) return key;
    return fmt::format("\n{}", std::hash<std::string>()(key) % kMostShared);
  }

  void forget_old(Clock::time_point now) REQUIRES(mutex_) {
    for (auto one = failures_.begin(); one != failures_.end();) {
      auto& times = one->second;
      while (!times.empty() && now - times.front() > window_) times.pop_front();
      one = times.empty() ? failures_.erase(one) : std::next(one);
    }
  }

  const size_t limit_;
  const std::chrono::seconds window_;
  const size_t most_keys_;
  Mutex mutex_;
  std::map<std::string, std::deque<Clock::time_point>> failures_ GUARDED_BY(mutex_);
};

}  // namespace tierhub::hub
