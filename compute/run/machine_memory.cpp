#include "compute/run/machine_memory.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <sstream>

#include <unistd.h>

#include "common/posix.h"
#include "compute/executors/cgroups.h"

namespace tierhub::compute {
namespace {

constexpr uint64_t kNoLimit = std::numeric_limits<uint64_t>::max();

// A file with one number; no limit if there is none, or something else in it ("max").
uint64_t limit_in(const std::string& path) {
  const Result<std::string> text = posix::read_file(path);
  uint64_t value = 0;
  if (!text) return kNoLimit;
  const char* end = text->data() + text->size();
  return std::from_chars(text->data(), end, value).ec == std::errc() ? value : kNoLimit;
}

// The lowest limit of a group and those above it. Where only a part of the tree is visible, as in a
// container, what is not there does not count.
uint64_t lowest_limit(const std::string& root, std::string group, const std::string& file) {
  uint64_t lowest = limit_in(root + file);
  while (group.size() > 1) {
    lowest = std::min(lowest, limit_in(root + group + file));
    group.resize(group.rfind('/'));
  }
  return lowest;
}

uint64_t physical_bytes(const std::string& proc) {
  const Result<std::string> text = posix::read_file(proc + "/meminfo");
  std::istringstream words(text ? *text : "");
  std::string name;
  uint64_t kib = 0;
  if (words >> name >> kib && name == "MemTotal:") return kib * 1024;
  return static_cast<uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
         static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace

MachineMemory machine_memory(const std::string& proc, const std::string& cgroups) {
  const uint64_t physical = physical_bytes(proc);
  uint64_t limit = kNoLimit;
  for (const OwnGroup& group : own_groups(proc)) {
    if (!group.path.starts_with('/')) continue;
    if (group.is_v2) limit = std::min(limit, lowest_limit(cgroups, group.path, "/memory.max"));
    if (group.has_v1_memory) {
      limit =
          std::min(limit, lowest_limit(cgroups + "/memory", group.path, "/memory.limit_in_bytes"));
    }
  }
  return {std::min(physical, limit), limit < physical};
}

}  // namespace tierhub::compute
