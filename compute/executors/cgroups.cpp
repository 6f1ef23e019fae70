#include "compute/executors/cgroups.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <sstream>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/posix.h"

namespace tierhub::compute {
namespace {

constexpr int kWaits = 200;  // of 10 ms

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

bool write_file(const std::string& path, std::string_view text) {
  const Result<UniqueFd> fd = posix::open_at(AT_FDCWD, path, O_WRONLY);
  return fd && posix::write_all(fd->get(), text);
}

// Those directly below.
std::vector<std::string> groups_in(const std::string& group) {
  std::vector<std::string> groups;
  const Result<UniqueFd> fd = posix::open_at(AT_FDCWD, group, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!fd) return groups;
  const Result<std::vector<std::string>> names = posix::list_directory_fd(fd->get());
  if (!names) return groups;
  for (const std::string& name : *names) {
    const Result<struct stat> st = posix::stat_at(fd->get(), name, AT_SYMLINK_NOFOLLOW);
    if (st && S_ISDIR(st->st_mode)) groups.push_back(group + "/" + name);
  }
  return groups;
}

// SIGKILL for all in it and below. False if there was none.
bool kill_members(const std::string& group) {
  bool any = false;
  const Result<std::string> text = posix::read_file(group + "/cgroup.procs");
  std::istringstream lines(text ? *text : "");
  for (pid_t pid = 0; lines >> pid;) {
    if (pid <= 0 || pid == ::getpid()) continue;
    any = true;
    ::kill(pid, SIGKILL);
  }
  for (const std::string& below : groups_in(group)) any = kill_members(below) || any;
  return any;
}

// "oom_kill 2" of memory.events (v2) or memory.oom_control (v1).
uint64_t oom_kills(const std::string& group) {
  for (const char* file : {"/memory.events", "/memory.oom_control"}) {
    const Result<std::string> text = posix::read_file(group + file);
    std::istringstream words(text ? *text : "");
    std::string name;
    for (uint64_t count = 0; words >> name >> count;) {
      if (name == "oom_kill") return count;
    }
  }
  return 0;
}

// Processes join a group through its cgroup.procs.
std::vector<UniqueFd> entries_of(const std::vector<std::string>& groups) {
  std::vector<UniqueFd> entries;
  for (const std::string& group : groups) {
    Result<UniqueFd> fd = posix::open_at(AT_FDCWD, group + "/cgroup.procs", O_WRONLY);
    if (fd) entries.push_back(*std::move(fd));
  }
  return entries;
}

// A limit that the kernel keeps between two looks: what is looked at counts less than the kernel
// does, so it is larger.
uint64_t hard_limit(uint64_t bytes) {
  constexpr uint64_t kLeast = uint64_t{64} << 20;
  return bytes + std::max(bytes / 4, kLeast);
}

}  // namespace

std::vector<OwnGroup> own_groups(const std::string& proc) {
  std::vector<OwnGroup> groups;
  const Result<std::string> text = posix::read_file(proc + "/self/cgroup");
  std::istringstream lines(text ? *text : "");
  for (std::string line; std::getline(lines, line);) {
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    groups.push_back({line.substr(second + 1), controllers == ",,",
                      controllers.find(",memory,") != std::string::npos});
  }
  return groups;
}

std::vector<std::string> own_cgroups(const std::string& proc, const std::string& cgroups) {
  std::vector<std::string> found;
  for (const OwnGroup& own : own_groups(proc)) {
    std::string root;
    if (own.is_v2) root = exists(cgroups + "/cgroup.controllers") ? cgroups : cgroups + "/unified";
    if (own.has_v1_memory) root = cgroups + "/memory";
    if (root.empty()) continue;
    // In a container the path may be that of the host, of which nothing is seen.
    std::string group = root + own.path;
    if (!exists(group + "/cgroup.procs")) group = root;
    while (group.ends_with('/')) group.pop_back();
    if (exists(group + "/cgroup.procs") && ::access(group.c_str(), W_OK) == 0)
      found.push_back(std::move(group));
  }
  return found;
}

void kill_cgroup(const std::string& group) {
  for (int i = 0; i < kWaits; ++i) {
    if (i == 0) static_cast<void>(write_file(group + "/cgroup.kill", "1"));
    if (!kill_members(group)) return;
    ::poll(nullptr, 0, 10);
  }
}

void remove_cgroup(const std::string& group) {
  kill_cgroup(group);
  for (const std::string& below : groups_in(group)) remove_cgroup(below);
  for (int i = 0; i < kWaits && ::rmdir(group.c_str()) < 0 && errno == EBUSY; ++i)
    ::poll(nullptr, 0, 10);
}

RunCgroups RunCgroups::make(const std::vector<std::string>& parents, const std::string& run,
                            uid_t user) {
  RunCgroups made;
  for (const std::string& parent : parents) {
    const std::string group = parent + "/tierhub." + run;
    if (exists(group)) remove_cgroup(group);
    // In v2 a group that hands out controllers has no processes of its own.
    if (::mkdir(group.c_str(), 0755) < 0) continue;
    if (::mkdir((group + "/runner").c_str(), 0755) < 0) {
      remove_cgroup(group);
      continue;
    }
    static_cast<void>(write_file(group + "/cgroup.subtree_control", "+memory"));
    for (const char* name : {"", "/cgroup.procs", "/cgroup.subtree_control", "/cgroup.kill",
                             "/tasks", "/runner/cgroup.procs", "/runner/tasks"}) {
      static_cast<void>(::chown((group + name).c_str(), user, static_cast<gid_t>(-1)) == 0);
    }
    made.paths_.push_back(group);
  }
  return made;
}

std::vector<UniqueFd> RunCgroups::entries() const {
  std::vector<std::string> runners;
  for (const std::string& path : paths_) runners.push_back(path + "/runner");
  return entries_of(runners);
}

void RunCgroups::remove() const {
  for (const std::string& path : paths_) remove_cgroup(path);
}

std::optional<TaskCgroup> TaskCgroup::make(const std::vector<std::string>& parents,
                                           const std::string& task,
                                           std::optional<uint64_t> memory_bytes) {
  TaskCgroup made;
  for (const std::string& parent : parents) {
    const std::string group = parent + "/" + task;
    if (exists(group)) remove_cgroup(group);
    if (::mkdir(group.c_str(), 0755) < 0) continue;
    if (memory_bytes) {
      for (const char* file : {"/memory.max", "/memory.limit_in_bytes"}) {
        if (exists(group + file))
          static_cast<void>(write_file(group + file, fmt::format("{}", hard_limit(*memory_bytes))));
      }
    }
    made.paths_.push_back(group);
  }
  if (made.paths_.empty()) return std::nullopt;
  return made;
}

std::vector<UniqueFd> TaskCgroup::entries() const { return entries_of(paths_); }

bool TaskCgroup::was_out_of_memory() const {
  return std::any_of(paths_.begin(), paths_.end(),
                     [](const std::string& path) { return oom_kills(path) > 0; });
}

void TaskCgroup::remove() const {
  for (const std::string& path : paths_) remove_cgroup(path);
}

}  // namespace tierhub::compute
