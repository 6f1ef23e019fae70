#include "compute/run/files_boot.h"

#include <algorithm>
#include <sstream>

#include <sys/vfs.h>

#include <fmt/format.h>

#include "common/posix.h"

namespace tierhub::compute {
namespace {

// /proc/self/mountinfo writes such characters as three octal digits.
std::string as_in_mountinfo(const std::string& path) {
  std::string text;
  for (const char c : path) {
    const bool is_special = c == ' ' || c == '\t' || c == '\n' || c == '\\';
    text += is_special ? fmt::format("\\{:03o}", static_cast<unsigned char>(c)) : std::string(1, c);
  }
  return text;
}

bool is_of_server(const std::string& folder) {
  struct statfs about {};
  return ::statfs(folder.c_str(), &about) == 0 && is_handed_over_at_close(about.f_type);
}

// The folder, and all that is mounted below it: there the output may be.
bool is_on_server(const std::string& folder) {
  if (!is_of_server(folder)) return false;
  const Result<std::string> mounts = posix::read_file("/proc/self/mountinfo");
  if (!mounts) return false;
  const std::vector<std::string> below = mounts_below(*mounts, folder);
  return std::all_of(below.begin(), below.end(), is_of_server);
}

}  // namespace

std::vector<std::string> mounts_below(const std::string& mountinfo, const std::string& folder) {
  const std::string top = as_in_mountinfo(folder) + "/";
  std::vector<std::string> found;
  std::istringstream lines(mountinfo);
  for (std::string line; std::getline(lines, line);) {
    // "id parent major:minor root mount_point ..."
    std::istringstream words(line);
    std::string point;
    for (int word = 0; word < 5; ++word) words >> point;
    if (point.starts_with(top)) found.push_back(folder + "/" + point.substr(top.size()));
  }
  return found;
}

bool is_handed_over_at_close(long file_system_type) {
  // <linux/magic.h>; clients of Lustre, CephFS and the like keep written bytes beyond close().
  constexpr unsigned long kNfs = 0x6969, kCifs = 0xff534d42, kSmb2 = 0xfe534d42;
  const unsigned long type = static_cast<unsigned long>(file_system_type) & 0xffffffff;
  return type == kNfs || type == kCifs || type == kSmb2;
}

Result<std::string> boot_of_files(const std::vector<std::string>& folders) {
  if (!folders.empty() && std::all_of(folders.begin(), folders.end(), is_on_server))
    return std::string("elsewhere");
  return posix::boot_id();
}

}  // namespace tierhub::compute
