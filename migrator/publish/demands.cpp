#include "migrator/publish/demands.h"

#include <algorithm>
#include <utility>

namespace tierhub {
namespace {

// "/a" covers "/a" and "/a/b", not "/ab"; "/" covers everything.
bool covers(const std::string& prefix, const std::string& path) {
  if (prefix == "/" || prefix.empty()) return true;
  return path.starts_with(prefix) && (path.size() == prefix.size() || path[prefix.size()] == '/');
}

}  // namespace

PathSet::PathSet(std::vector<std::string> paths) : paths_(std::move(paths)) {
  for (std::string& path : paths_) {
    while (path.size() > 1 && path.back() == '/') path.pop_back();
  }
}

bool PathSet::contains(const std::string& path) const {
  return std::any_of(paths_.begin(), paths_.end(),
                     [&](const std::string& prefix) { return covers(prefix, path); });
}

bool PathSet::leads_to(const std::string& path) const {
  return contains(path) || std::any_of(paths_.begin(), paths_.end(), [&](const std::string& below) {
           return covers(path, below);
         });
}

void PublishDemands::add(const std::vector<std::string>& paths) {
  const PathSet demanded(paths);
  const MutexLock lock(mutex_);
  ++last_;
  for (const std::string& path : demanded.paths()) demands_[path] = last_;
}

bool PublishDemands::any() const {
  const MutexLock lock(mutex_);
  return !demands_.empty();
}

PublishDemands::Snapshot PublishDemands::now() const {
  const MutexLock lock(mutex_);
  std::vector<std::string> paths;
  paths.reserve(demands_.size());
  for (const auto& [path, number] : demands_) paths.push_back(path);
  return {PathSet(std::move(paths)), last_};
}

void PublishDemands::settle(uint64_t last) {
  {
    const MutexLock lock(mutex_);
    std::erase_if(demands_, [&](const auto& demand) { return demand.second <= last; });
  }
  settled_.notify_all();
}

bool PublishDemands::wait(const std::vector<std::string>& paths,
                          std::chrono::milliseconds patience) const {
  const PathSet demanded(paths);
  MutexLock lock(mutex_);
  return settled_.wait_for(mutex_, patience, [&]() REQUIRES(mutex_) {
    return std::none_of(demanded.paths().begin(), demanded.paths().end(),
                        [&](const std::string& path)
                            REQUIRES(mutex_) { return demands_.contains(path); });
  });
}

}  // namespace tierhub
