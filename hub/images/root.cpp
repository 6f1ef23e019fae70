#include "hub/images/root.h"

#include <cerrno>
#include <filesystem>
#include <utility>

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/posix.h"

namespace tierhub::hub {
namespace {

Result<UniqueFd> open_inside(int folder, const std::string& path) {
  // Somebody renames folders at the same time.
  constexpr int kAttempts = 10;
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  for (int attempt = 0;; ++attempt) {
    const auto fd =
        static_cast<int>(::syscall(SYS_openat2, folder, path.c_str(), &how, sizeof how));
    if (fd >= 0) return UniqueFd(fd);
    if (errno == EAGAIN && attempt < kAttempts) continue;
    if (errno == EXDEV || errno == ELOOP) {
      return Error(std::errc::permission_denied,
                   fmt::format("/{} is a link out of the mount, which is not followed", path));
    }
    if (errno == ENOENT || errno == ENOTDIR) {
      return Error(std::errc::no_such_file_or_directory, fmt::format("there is no /{}", path));
    }
    return Error::from_errno(errno, "open /" + path);
  }
}

Result<std::string> path_behind(const UniqueFd& fd) {
  std::error_code failure;
  const auto path =
      std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(fd.get()), failure);
  if (failure) return Error(failure, "read a path in /proc/self/fd");
  return path.string();
}

}  // namespace

Result<Root> Root::open(const std::string& folder) {
  TRY_ASSIGN(UniqueFd fd, posix::open_at(AT_FDCWD, folder, O_PATH | O_DIRECTORY));
  TRY_ASSIGN(std::string path, path_behind(fd));
  if (path == "/") path.clear();
  return Root(std::move(path), std::move(fd));
}

Result<std::string> Root::resolve(const std::string& path) const {
  if (path.empty() || path.front() != '/' || path.find('\0') != std::string::npos) {
    return Error(std::errc::invalid_argument,
                 fmt::format("\"{}\" is no path: it must begin with /", path));
  }
  const std::string inside = path.substr(std::min(path.find_first_not_of('/'), path.size()));
  if (inside.empty()) return "/";
  TRY_ASSIGN(const UniqueFd fd, open_inside(fd_.get(), inside));
  TRY_ASSIGN(std::string found, path_behind(fd));
  if (found == folder_) return "/";
  if (!found.starts_with(folder_ + "/"))
    return Error(std::errc::no_such_file_or_directory, "there is no " + path);
  return found.substr(folder_.size());
}

Result<UniqueFd> Root::open_file(const std::string& resolved, int flags) const {
  return posix::open_beneath(fd_.get(), resolved.substr(1), flags);
}

Result<std::shared_ptr<const formats::PosixTree>> Root::open_tree(
    const std::string& resolved, formats::PosixTree::Descriptors descriptors) const {
  return formats::PosixTree::open_beneath(fd_.get(), resolved.substr(1), absolute(resolved),
                                          descriptors);
}

std::string Root::absolute(const std::string& path) const {
  if (path == "/") return folder_.empty() ? "/" : folder_;
  return folder_ + path;
}

Result<std::string> join_names(const std::vector<std::string>& names) {
  std::string path;
  for (const std::string& name : names) {
    const bool bad = name.empty() || name == "." || name == ".." ||
                     name.find('/') != std::string::npos || name.find('\0') != std::string::npos;
    if (bad) {
      return Error(std::errc::invalid_argument,
                   fmt::format("\"{}\" cannot be the name of a file or folder", name));
    }
    path += "/" + name;
  }
  return path.empty() ? "/" : path;
}

std::vector<std::string> names_of(const std::string& path) {
  std::vector<std::string> names;
  for (size_t begin = 1; begin < path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    if (end > begin) names.push_back(path.substr(begin, end - begin));
    begin = end + 1;
  }
  return names;
}

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
}

std::string name_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

std::string path_in(const std::string& folder, const std::string& name) {
  return (folder == "/" ? "" : folder) + "/" + name;
}

}  // namespace tierhub::hub
