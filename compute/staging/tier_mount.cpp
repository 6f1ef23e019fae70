#include "compute/staging/tier_mount.h"

#include <optional>
#include <sstream>

#include <fcntl.h>
#include <sys/stat.h>

#include <fmt/format.h>

#include "common/posix.h"

namespace tierhub::compute {
namespace {

constexpr const char* kMountType = "fuse.tierhub";

// The mount that the descriptor's file is in.
Result<uint64_t> mount_id_of(int fd) {
  TRY_ASSIGN(const std::string info, posix::read_file(fmt::format("/proc/self/fdinfo/{}", fd)));
  std::istringstream words(info);
  uint64_t id = 0;
  for (std::string word; words >> word;) {
    if (word == "mnt_id:" && words >> id) return id;
  }
  return Error(std::errc::not_supported, "the kernel names no mnt_id in fdinfo");
}

// A line is "id parent major:minor root mount_point options tag... - type source super_options".
Result<std::string> type_of_mount(uint64_t id) {
  TRY_ASSIGN(const std::string text, posix::read_file("/proc/self/mountinfo"));
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    uint64_t number = 0;
    std::string word;
    if (!(words >> number) || number != id) continue;
    while (words >> word && word != "-") {
    }
    if (words >> word) return word;
  }
  return std::string();
}

// Asks no file system anything: a dead mount answers too.
Result<uint64_t> mount_id_at(const std::string& path) {
  TRY_ASSIGN(const UniqueFd there, posix::open_at(AT_FDCWD, path, O_PATH | O_DIRECTORY));
  return mount_id_of(there.get());
}

}  // namespace

Result<TierMount> TierMount::open(const std::string& path) {
  TRY_ASSIGN(const uint64_t id, mount_id_at(path));
  TRY_ASSIGN(const std::string type, type_of_mount(id));
  if (type != kMountType) {
    return Error(std::errc::no_such_device, fmt::format("TierHub is not mounted at {}", path));
  }
  TRY_ASSIGN(UniqueFd root, posix::open_at(AT_FDCWD, path, O_RDONLY | O_DIRECTORY));
  TRY_ASSIGN(const uint64_t opened, mount_id_of(root.get()));
  if (opened != id) {
    return Error(std::errc::no_such_device, fmt::format("{} is being mounted", path));
  }
  // The root of the mount is the mount point: a folder below it is not what was asked for.
  TRY_ASSIGN(const UniqueFd parent, posix::open_at(AT_FDCWD, path + "/..", O_PATH | O_DIRECTORY));
  TRY_ASSIGN(const uint64_t above, mount_id_of(parent.get()));
  if (above == id) {
    return Error(std::errc::no_such_device,
                 fmt::format("{} is a folder in TierHub's mount: name the mount itself", path));
  }
  return TierMount(path, std::move(root), id);
}

bool TierMount::is_there() const {
  const Result<uint64_t> id = mount_id_at(path_);
  return id && *id == id_ && posix::stat_fd(root_.get()).has_value();
}

}  // namespace tierhub::compute
