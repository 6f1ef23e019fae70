// Which folders were listed a short time ago. The kernel may keep such a listing, because the
// entries that came with it are still cached. Of an older one only the names would be left, and
// each would cost a lookup.
#pragma once

#include <chrono>
#include <unordered_map>

#include "common/clock.h"
#include "common/guarded.h"
#include "common/types.h"

namespace tierhub {

// Any thread. Forgets when it is full, so it may say no where yes were right.
class RecentListings {
 public:
  explicit RecentListings(std::chrono::duration<double> kept)
      : kept_(std::chrono::duration_cast<SteadyClock::duration>(kept)) {}

  void listed(InodeNumber folder, SteadyClock::time_point now) {
    times_.with([&](auto& times) {
      if (times.size() >= kFoldersMax) times.clear();
      times[folder] = now;
    });
  }
  bool recently_listed(InodeNumber folder, SteadyClock::time_point now) const {
    return times_.with([&](const auto& times) {
      const auto listed = times.find(folder);
      return listed != times.end() && now - listed->second < kept_;
    });
  }

 private:
  static constexpr size_t kFoldersMax = 1 << 16;
  const SteadyClock::duration kept_;
  Guarded<std::unordered_map<InodeNumber, SteadyClock::time_point>> times_;
};

}  // namespace tierhub
