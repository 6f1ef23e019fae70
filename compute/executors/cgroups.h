// Control groups: the agent makes one for each run, and the runner one below it for each task, where
// the machine lets them. What is in a task's group is known exactly, whatever it did to leave its
// parents, and its memory has a limit that no look can miss. Works with v1 (memory) and v2; of v2 the
// memory controller only where it was delegated (systemd: Delegate=yes). Where no group can be made,
// everything works without.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "common/result.h"
#include "common/unique_fd.h"

namespace tierhub::compute {

// A line of /proc/self/cgroup: a group that this process is in.
struct OwnGroup {
  std::string path;            // below its root: "/user.slice"
  bool is_v2 = false;          // in the one tree of v2
  bool has_v1_memory = false;  // in the tree of v1 for memory
};
std::vector<OwnGroup> own_groups(const std::string& proc);

// The groups that this process is in and below which it can make others: of v2, and of v1 that for
// memory. Folders are /proc and /sys/fs/cgroup; tests give others.
std::vector<std::string> own_cgroups(const std::string& proc = "/proc",
                                     const std::string& cgroups = "/sys/fs/cgroup");

// Ends every process in a group and in those below it, and waits until they are gone, for two
// seconds at most.
void kill_cgroup(const std::string& group);
// The same, and removes them.
void remove_cgroup(const std::string& group);

// The agent's: groups of a run that its user can make others in.
class RunCgroups {
 public:
  // Below each of `parents`. What an earlier runner of the run left in them is ended. Only those that
  // could be made.
  static RunCgroups make(const std::vector<std::string>& parents, const std::string& run,
                         uid_t user);
  const std::vector<std::string>& paths() const { return paths_; }
  // A process that writes "0" to these is in the run's groups, and may move tasks into others.
  std::vector<UniqueFd> entries() const;
  // Ends all that is in them.
  void remove() const;

 private:
  std::vector<std::string> paths_;
};

// The runner's: the groups of a task.
class TaskCgroup {
 public:
  // Below each of `parents`; nothing if none could be made.
  static std::optional<TaskCgroup> make(const std::vector<std::string>& parents,
                                        const std::string& task,
                                        std::optional<uint64_t> memory_bytes);
  std::vector<UniqueFd> entries() const;
  // The kernel ended one of its processes because of the limit.
  bool was_out_of_memory() const;
  // Ends all that is in it.
  void remove() const;

 private:
  std::vector<std::string> paths_;
};

}  // namespace tierhub::compute
