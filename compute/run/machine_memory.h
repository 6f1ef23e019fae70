// How much memory the tasks on this machine can have at most.
#pragma once

#include <cstdint>
#include <string>

namespace tierhub::compute {

struct MachineMemory {
  uint64_t bytes = 0;
  bool is_cgroup_limit = false;  // less than the machine has
};

// The physical memory, or the lowest limit of the cgroups (v1 or v2) that this process is in. The
// folders are /proc and /sys/fs/cgroup; tests give others.
MachineMemory machine_memory(const std::string& proc = "/proc",
                             const std::string& cgroups = "/sys/fs/cgroup");

}  // namespace tierhub::compute
