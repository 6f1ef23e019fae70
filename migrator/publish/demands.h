// What somebody asked to be published now, until nothing of it is left that could still make
// progress. Paths are those of the namespace: "/a" means "/a" and everything below it, "/"
// everything.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/mutex.h"

namespace tierhub {

// A set of paths with all that is below them.
class PathSet {
 public:
  PathSet() = default;
  explicit PathSet(std::vector<std::string> paths);

  bool empty() const { return paths_.empty(); }
  bool has_everything() const { return contains("/"); }
  bool contains(const std::string& path) const;
  // It is in the set, or a folder above something that is.
  bool leads_to(const std::string& path) const;
  const std::vector<std::string>& paths() const { return paths_; }

 private:
  std::vector<std::string> paths_;  // without trailing slashes
};

// All functions: any thread.
class PublishDemands {
 public:
  struct Snapshot {
    PathSet paths;
    uint64_t last = 0;  // the number of the latest demand
  };

  void add(const std::vector<std::string>& paths);
  bool any() const;
  Snapshot now() const;
  // The demands up to this number are over; a later one for the same path stays.
  void settle(uint64_t last);
  // Waits, at most so long, until there is no demand for any of these very paths. Returns whether
  // there is none.
  bool wait(const std::vector<std::string>& paths, std::chrono::milliseconds patience) const;

 private:
  mutable Mutex mutex_;
  mutable ConditionVariable settled_;
  std::map<std::string, uint64_t> demands_ GUARDED_BY(mutex_);  // path -> number
  uint64_t last_ GUARDED_BY(mutex_) = 0;
};

}  // namespace tierhub
