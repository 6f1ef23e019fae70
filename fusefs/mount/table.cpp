#include "fusefs/mount/table.h"

#include <memory>
#include <sstream>

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>
#include <limits.h>
#include <stdlib.h>

#include "common/log.h"
#include "common/posix.h"
#include "fusefs/mount/probe.h"
#include "fusefs/mount/user_mount.h"

namespace tierhub {
namespace {

constexpr const char* kMountType = "fuse.tierhub";
constexpr const char* kMountSource = "tierhub";
// Mounts of daemons that died one after the other may lie upon each other.
constexpr int kStaleMountsMax = 100;

// mountinfo writes space, tab, newline and backslash as three octal digits behind a backslash.
std::string unescape(std::string_view text) {
  const auto digit = [&](size_t i) { return i < text.size() && text[i] >= '0' && text[i] <= '7'; };
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && digit(i + 1) && digit(i + 2) && digit(i + 3)) {
      out += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                               (text[i + 3] - '0'));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

// "id parent major:minor root mount_point options tag... - type source super_options"
std::optional<MountEntry> parse_line(const std::string& line) {
  std::istringstream fields(line);
  std::string id, parent, device, root, mount_point, options, tag;
  if (!(fields >> id >> parent >> device >> root >> mount_point >> options)) return std::nullopt;
  while (fields >> tag && tag != "-") {
  }
  MountEntry entry{device, unescape(mount_point), {}, {}};
  if (!(fields >> entry.type)) return std::nullopt;
  fields >> entry.source;
  entry.source = unescape(entry.source);
  return entry;
}

Result<void> check_is_dead_tierhub(const MountEntry& mount) {
  if (mount.type != kMountType) {
    return Error(std::errc::device_or_resource_busy,
                 fmt::format("{} is in use: {} ({}) is mounted there; unmount it or choose another "
                             "mount point",
                             mount.mount_point, mount.source, mount.type));
  }
  TRY_ASSIGN(const Answer answer, probe_mount(mount.mount_point));
  switch (answer) {
    case Answer::dead:
      return {};
    case Answer::lives:
      return Error(
          std::errc::device_or_resource_busy,
          fmt::format("a running tierd already serves {}; stop it first", mount.mount_point));
    case Answer::silent:
      return Error(
          std::errc::device_or_resource_busy,
          fmt::format(
              "a tierd that does not answer serves {}; stop it, then unmount with 'umount -l {}'",
              mount.mount_point, mount.mount_point));
  }
  return {};
}

}  // namespace

std::vector<MountEntry> parse_mountinfo(std::string_view text) {
  std::vector<MountEntry> mounts;
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) {
    if (auto entry = parse_line(line)) mounts.push_back(*std::move(entry));
  }
  return mounts;
}

std::optional<MountEntry> top_mount(const std::vector<MountEntry>& mounts,
                                    std::string_view mount_point) {
  for (auto mount = mounts.rbegin(); mount != mounts.rend(); ++mount) {
    if (mount->mount_point == mount_point) return *mount;
  }
  return std::nullopt;
}

Result<std::optional<MountEntry>> current_mount(const std::string& mount_point) {
  TRY_ASSIGN(const std::string text, posix::read_file("/proc/self/mountinfo"));
  return top_mount(parse_mountinfo(text), mount_point);
}

Result<std::string> canonical_mount_point(const std::string& path) {
  std::string trimmed = path;
  while (trimmed.size() > 1 && trimmed.ends_with('/')) trimmed.pop_back();
  // A link is followed; anything else, also a dead mount, is not one.
  char target[PATH_MAX];
  const bool is_link = ::readlink(trimmed.c_str(), target, sizeof target) >= 0;
  const size_t slash = trimmed.rfind('/');
  const std::string leaf = trimmed.substr(slash == std::string::npos ? 0 : slash + 1);
  const bool whole = is_link || leaf.empty() || leaf == "." || leaf == "..";
  std::string parent = slash == std::string::npos ? "." : trimmed.substr(0, slash + 1);
  const std::unique_ptr<char, decltype(&::free)> resolved(
      ::realpath(whole ? trimmed.c_str() : parent.c_str(), nullptr), &::free);
  if (!resolved) return Error::from_errno(errno, "mount point " + path);
  parent = resolved.get();
  if (whole) return parent;
  return parent.ends_with('/') ? parent + leaf : parent + "/" + leaf;
}

Result<void> clean_stale_mount(const std::string& mount_point) {
  TRY_ASSIGN(const std::string path, canonical_mount_point(mount_point));
  for (int i = 0; i < kStaleMountsMax; ++i) {
    TRY_ASSIGN(const auto mount, current_mount(path));
    if (!mount) return {};
    TRY(check_is_dead_tierhub(*mount));
    if (auto gone = unmount(path, Unmount::lazily); !gone)
      return gone.error().in("remove the mount that a dead tierd left");
    log::info("removed the mount that a dead tierd left", {{"mount_point", path}});
  }
  return Error(
      std::errc::device_or_resource_busy,
      fmt::format("{} has too many dead mounts; unmount them with 'umount -l {}'", path, path));
}

Result<void> check_mount_point(const std::string& mount_point) {
  auto folder = posix::open_at(AT_FDCWD, mount_point, O_RDONLY | O_DIRECTORY);
  if (!folder && folder.error().is(std::errc::no_such_file_or_directory)) {
    return Error(folder.error().code(),
                 fmt::format("the mount point {} does not exist; make it with 'mkdir -p {}'",
                             mount_point, mount_point));
  }
  if (!folder && folder.error().is(std::errc::not_a_directory)) {
    return Error(folder.error().code(),
                 fmt::format("the mount point {} is not a folder", mount_point));
  }
  if (!folder) return folder.error().in("mount point");
  TRY_ASSIGN(const auto names, posix::list_directory_fd(folder->get()));
  if (names.empty()) return {};
  return Error(
      std::errc::directory_not_empty,
      fmt::format("the mount point {} is not empty (it has '{}'): its files would be hidden; "
                  "choose an empty folder",
                  mount_point, names.front()));
}

Result<void> unmount(const std::string& mount_point, Unmount how) {
  const int flags = how == Unmount::now ? 0 : how == Unmount::by_force ? MNT_FORCE : MNT_DETACH;
  if (::umount2(mount_point.c_str(), flags | UMOUNT_NOFOLLOW) == 0) return {};
  if (errno != EPERM) return Error::from_errno(errno, "umount " + mount_point);
  switch (how) {
    case Unmount::now:
      return unmount_as_user(mount_point, UserUnmount::now);
    case Unmount::lazily:
      return unmount_as_user(mount_point, UserUnmount::lazily);
    case Unmount::by_force:
      return Error::from_errno(EPERM, "umount by force");
  }
  return {};
}

void detach_mount(const std::string& mount_point, const std::string& device) {
  const auto mounted = current_mount(mount_point).value_or(std::nullopt);
  if (!mounted || mounted->device != device) return;
  if (auto gone = unmount(mount_point, Unmount::lazily); !gone)
    log::warning("the mount point could not be unmounted", {{"error", gone.error().text()}});
}

namespace {

Result<UniqueFd> open_fuse_device() {
  auto device = posix::open_at(AT_FDCWD, "/dev/fuse", O_RDWR);
  if (device) return device;
  const int code = device.error().errno_value();
  if (code == ENOENT || code == ENODEV || code == ENXIO) {
    return Error(
        device.error().code(),
        "/dev/fuse is missing: load the kernel module with 'modprobe fuse' (in a container, "
        "pass the device in)");
  }
  if (code == EACCES || code == EPERM)
    return Error(device.error().code(),
                 "no permission to open /dev/fuse: in a container, pass the device in");
  return device;
}

Result<UniqueFd> mount_as_root(const std::string& mount_point, const MountOptions& options) {
  TRY_ASSIGN(UniqueFd session, open_fuse_device());
  const std::string data =
      fmt::format("fd={},rootmode={:o},user_id=0,group_id=0,default_permissions,allow_other",
                  session.get(), static_cast<unsigned>(S_IFDIR));
  unsigned long flags = 0;
  if (!options.devices) flags |= MS_NODEV;
  if (!options.set_user_id) flags |= MS_NOSUID;
  if (::mount(kMountSource, mount_point.c_str(), kMountType, flags, data.c_str()) == 0)
    return session;
  const std::string action = "mount TierHub at " + mount_point;
  if (errno == EPERM)
    return Error::from_errno(EPERM, action + " (this container may not mount: add CAP_SYS_ADMIN)");
  if (errno == ENODEV)
    return Error::from_errno(ENODEV, action + " (load the kernel module with 'modprobe fuse')");
  return Error::from_errno(errno, action);
}

}  // namespace

Result<NewMount> mount_tierhub(const std::string& mount_point, const MountOptions& options) {
  NewMount result;
  if (::geteuid() == 0) {
    TRY_ASSIGN(result.session, mount_as_root(mount_point, options));
  } else {
    result.for_everyone = users_may_allow_others();
    const std::string others = result.for_everyone ? ",allow_other" : "";
    TRY_ASSIGN(result.session,
               mount_as_user(mount_point,
                             "nosuid,nodev,default_permissions,fsname=tierhub,subtype="
                             "tierhub" +
                                 others));
  }
  const auto mounted = current_mount(mount_point);
  if (const auto entry = mounted.value_or(std::nullopt)) {
    result.device = entry->device;
    return result;
  }
  static_cast<void>(unmount(mount_point, Unmount::lazily));
  if (!mounted) return mounted.error();
  return Error(std::errc::io_error,
               "/proc/self/mountinfo does not list the new mount at " + mount_point);
}

}  // namespace tierhub
