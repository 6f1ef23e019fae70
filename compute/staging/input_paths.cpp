#include "compute/staging/input_paths.h"

#include <algorithm>
#include <filesystem>

#include <fcntl.h>
#include <sys/stat.h>

#include <fmt/format.h>
#include <fnmatch.h>

#include "common/posix.h"

namespace tierhub::compute {
namespace {

constexpr size_t kMaxInputPaths = 1'000'000;

bool is_pattern(std::string_view text) {
  return text.find_first_of("*?[") != std::string_view::npos;
}

std::vector<std::string> split_path(std::string_view path) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin <= path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    if (end > begin) parts.emplace_back(path.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

class Globber {
 public:
  explicit Globber(const std::string& pattern) : parts_(split_path(pattern)) {}

  Result<FoundPaths> run() {
    TRY(walk("", 0));
    for (std::vector<std::string>* list : {&found_.paths, &found_.dangling}) {
      std::sort(list->begin(), list->end());
      list->erase(std::unique(list->begin(), list->end()), list->end());
    }
    return std::move(found_);
  }

 private:
  Result<void> walk(const std::string& folder, size_t depth) {
    if (depth == parts_.size()) {
      if (found_.paths.size() == kMaxInputPaths) {
        return Error(std::errc::argument_list_too_long, "it matches more than a million files");
      }
      found_.paths.push_back(folder);
      return {};
    }
    const std::string& part = parts_[depth];
    if (!is_pattern(part)) {
      struct stat st {};
      const std::string path = folder + "/" + part;
      if (::lstat(path.c_str(), &st) == 0) return enter(path, st, depth);
      return {};
    }
    if (!folder.empty() && !is_folder(folder)) return {};
    const bool any_depth = part == "**";
    if (any_depth) TRY(walk(folder, depth + 1));
    TRY_ASSIGN(const std::vector<std::string> names, list_folder(folder));
    for (const std::string& name : names) {
      const std::string path = folder + "/" + name;
      if (any_depth) {
        struct stat st {};
        const bool below = name.front() != '.' && ::lstat(path.c_str(), &st) == 0;
        if (below && S_ISDIR(st.st_mode)) TRY(walk(path, depth));
      } else if (::fnmatch(part.c_str(), name.c_str(), FNM_PERIOD) == 0) {
        struct stat st {};
        if (::lstat(path.c_str(), &st) == 0) TRY(enter(path, st, depth));
      }
    }
    return {};
  }

  // Something that matches the part at `depth`.
  Result<void> enter(const std::string& path, const struct stat& st, size_t depth) {
    if (!S_ISLNK(st.st_mode) || !is_dangling(path)) return walk(path, depth + 1);
    found_.dangling.push_back(path);
    return {};
  }

  std::vector<std::string> parts_;
  FoundPaths found_;
};

}  // namespace

std::string Places::absolute(std::string_view path) const {
  std::string joined;
  for (const std::string& part : split_path(path.starts_with('/') ? "" : root))
    joined += "/" + part;
  for (const std::string& part : split_path(path)) {
    if (part != ".") joined += "/" + part;
  }
  return joined.empty() ? "/" : joined;
}

std::optional<std::string> Places::in_namespace(std::string_view absolute_path) const {
  if (mount.empty() || !absolute_path.starts_with(mount)) return std::nullopt;
  const std::string_view rest = absolute_path.substr(mount.size());
  if (rest.empty()) return "/";
  if (!rest.starts_with('/')) return std::nullopt;
  return std::string(rest);
}

Result<FoundPaths> find_paths(const std::string& absolute_pattern) {
  struct stat st {};
  if (::stat(absolute_pattern.c_str(), &st) == 0) return FoundPaths{{absolute_pattern}, {}};
  if (!is_pattern(absolute_pattern)) {
    if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP) {
      return cannot_read(absolute_pattern, errno);
    }
    if (is_dangling(absolute_pattern)) {
      return Error(std::errc::no_such_file_or_directory,
                   fmt::format("the input {} is a link to {}, which does not exist",
                               absolute_pattern, target_of(absolute_pattern)));
    }
    return Error(std::errc::no_such_file_or_directory,
                 fmt::format("the input {} does not exist", absolute_pattern));
  }
  Result<FoundPaths> found = Globber(absolute_pattern).run();
  if (!found) return found.error().in("the input " + absolute_pattern);
  if (!found->paths.empty()) return found;
  if (!found->dangling.empty()) {
    const std::string& first = found->dangling.front();
    return Error(
        std::errc::no_such_file_or_directory,
        fmt::format(
            "everything that matches {} is a link whose target does not exist, such as {} to {}",
            absolute_pattern, first, target_of(first)));
  }
  return Error(std::errc::no_such_file_or_directory,
               fmt::format("no input matches {}", absolute_pattern));
}

std::string fixed_part_of(const std::string& pattern) {
  std::string fixed;
  for (const std::string& part : split_path(pattern)) {
    if (is_pattern(part)) break;
    fixed += "/" + part;
  }
  return fixed.empty() ? "/" : fixed;
}

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string path_without_dots(const std::string& path) {
  return std::filesystem::path(path).lexically_normal().string();
}

std::string common_folder(const std::string& a, const std::string& b) {
  const std::vector<std::string> in_a = split_path(a), in_b = split_path(b);
  std::string common;
  for (size_t i = 0; i < std::min(in_a.size(), in_b.size()) && in_a[i] == in_b[i]; ++i) {
    common += "/" + in_a[i];
  }
  return common.empty() ? "/" : common;
}

bool is_folder(const std::string& path) {
  struct stat st {};
  return ::stat(path.c_str(), &st) == 0 && S_ISDIR(st.st_mode);
}

bool is_dangling(const std::string& path) {
  struct stat st {};
  return ::lstat(path.c_str(), &st) == 0 && S_ISLNK(st.st_mode) && ::stat(path.c_str(), &st) < 0 &&
         (errno == ENOENT || errno == ENOTDIR || errno == ELOOP);
}

std::string target_of(const std::string& link) {
  std::error_code ignored;
  return std::filesystem::read_symlink(link, ignored).string();
}

Result<std::vector<std::string>> list_folder(const std::string& path) {
  const Result<UniqueFd> fd =
      posix::open_at(AT_FDCWD, path.empty() ? "/" : path, O_RDONLY | O_DIRECTORY);
  if (!fd) return cannot_read(path, fd.error().errno_value());
  TRY_ASSIGN(std::vector<std::string> names, posix::list_directory_fd(fd->get()));
  std::sort(names.begin(), names.end());
  return names;
}

Error cannot_read(const std::string& path, int errno_value) {
  const Error why = Error::from_errno(errno_value, path);
  return {why.code(), fmt::format("cannot read the input {}", why.text())};
}

}  // namespace tierhub::compute
