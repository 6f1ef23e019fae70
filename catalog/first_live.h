// Where the first live key of a queue is. RocksDB keeps erased keys as tombstones until a
// compaction: a scan from the start walks over all of them, so a queue that drains and fills costs
// quadratic time. Starting at the first live key avoids it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/mutex.h"

namespace tierhub {

// A lower bound of the live keys of one column family. Any thread.
class FirstLive {
 public:
  // What a scan from the start begins with.
  struct Scan {
    std::optional<std::string> begin;  // none: the queue is empty
    uint64_t puts_begun = 0;
    bool exact = false;  // no put is under way
  };

  // Around each commit that puts a key: begin_put() before it, end_put() after it, whether it
  // succeeds or not.
  void begin_put(std::string_view key) {
    MutexLock lock(mutex_);
    ++puts_begun_;
    ++puts_under_way_;
    bound_ = bound_ ? std::min<std::string>(*bound_, std::string(key)) : std::string(key);
  }
  void end_put() {
    MutexLock lock(mutex_);
    --puts_under_way_;
  }

  Scan begin_scan() const {
    MutexLock lock(mutex_);
    return {bound_, puts_begun_, puts_under_way_ == 0};
  }
  // The scan met `first` as its first key; none: it met no key at all. Nothing is learned if a put
  // came between.
  void end_scan(const Scan& scan, std::optional<std::string> first) {
    MutexLock lock(mutex_);
    if (scan.exact && scan.puts_begun == puts_begun_) bound_ = std::move(first);
  }

 private:
  mutable Mutex mutex_;
  std::optional<std::string> bound_ GUARDED_BY(mutex_) = "";
  uint64_t puts_begun_ GUARDED_BY(mutex_) = 0;
  uint64_t puts_under_way_ GUARDED_BY(mutex_) = 0;
};

}  // namespace tierhub
