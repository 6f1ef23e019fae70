// What is mounted where, and mounting and unmounting TierHub there.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "common/unique_fd.h"

namespace tierhub {

struct MountEntry {
  std::string device;  // "major:minor", as in /sys/class/bdi
  std::string mount_point;
  std::string type;
  std::string source;
  bool operator==(const MountEntry&) const = default;
};

// The text of /proc/self/mountinfo. Lines that are not understood are left out.
std::vector<MountEntry> parse_mountinfo(std::string_view text);
// The one that people see at `mount_point`: the last mounted.
std::optional<MountEntry> top_mount(const std::vector<MountEntry>& mounts,
                                    std::string_view mount_point);
// The same, looked up now.
Result<std::optional<MountEntry>> current_mount(const std::string& mount_point);

// Absolute and without symbolic links, "." and "..". Asks nothing of a file system that is mounted
// at `path` itself, which may be dead.
Result<std::string> canonical_mount_point(const std::string& path);

// Removes what a tierd that died left mounted at `mount_point`; does nothing if nothing is mounted
// there. Refuses if something else is mounted there, or a TierHub that lives. Waits a few seconds
// at most.
Result<void> clean_stale_mount(const std::string& mount_point);

// An existing empty folder.
Result<void> check_mount_point(const std::string& mount_point);

// What files of the mount may be; the kernel ignores what is not allowed.
struct MountOptions {
  bool devices = false;      // device nodes work
  bool set_user_id = false;  // programs run as their owner if their mode says so
};
struct NewMount {
  UniqueFd session;          // /dev/fuse
  std::string device;        // "major:minor"
  bool for_everyone = true;  // false: only the user who mounted gets in
};
// Mounts a new session at `mount_point`, which must be canonical. Root does it itself; for anybody
// else fusermount3 does, which knows neither devices nor set-user-id.
Result<NewMount> mount_tierhub(const std::string& mount_point, const MountOptions& options);

enum class Unmount {
  now,       // errc::device_or_resource_busy while files are open
  lazily,    // the mount goes at once, what is open stays
  by_force,  // requests fail, and whoever waits in the kernel wakes up
};
Result<void> unmount(const std::string& mount_point, Unmount how);
// Takes the mount away, if it is the one of `device` that stands there; whoever uses it keeps what
// is open.
void detach_mount(const std::string& mount_point, const std::string& device);

}  // namespace tierhub
