// Slows down whoever guesses passwords.
#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <string>

#include "common/mutex.h"

namespace tierhub::hub {

// Counts failures by key (a user name, an address) within the last `window`. Any thread.
class Throttle {
 public:
  using Clock = std::chrono::steady_clock;
  Throttle(size_t limit, std::chrono::seconds window) : limit_(limit), window_(window) {}

  bool is_open(const std::string& key, Clock::time_point now = Clock::now()) {
    MutexLock lock(mutex_);
    forget_old(now);
    const auto found = failures_.find(key);
    return found == failures_.end() || found->second.size() < limit_;
  }
  void count(const std::string& key, Clock::time_point now = Clock::now()) {
    MutexLock lock(mutex_);
    forget_old(now);
    // Many made-up names fill no memory; addresses are counted as well.
    if (failures_.size() < kMaxKeys || failures_.contains(key)) failures_[key].push_back(now);
  }

 private:
  static constexpr size_t kMaxKeys = 10'000;

  void forget_old(Clock::time_point now) REQUIRES(mutex_) {
    for (auto one = failures_.begin(); one != failures_.end();) {
      auto& times = one->second;
      while (!times.empty() && now - times.front() > window_) times.pop_front();
      one = times.empty() ? failures_.erase(one) : std::next(one);
    }
  }

  const size_t limit_;
  const std::chrono::seconds window_;
  Mutex mutex_;
  std::map<std::string, std::deque<Clock::time_point>> failures_ GUARDED_BY(mutex_);
};

}  // namespace tierhub::hub
