#include "tests/support/tree.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <random>
#include <stdexcept>

#include <fcntl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/hash.h"
#include "common/unique_fd.h"

namespace tierhub::test {
namespace {

namespace fs = std::filesystem;

UniqueFd open_file(const std::string& path, int flags, mode_t mode = 0) {
  UniqueFd file(::open(path.c_str(), flags | O_CLOEXEC, mode));
  check(file.get(), "open " + path);
  return file;
}

void write_all(int fd, std::string_view content, uint64_t offset_bytes, const std::string& path) {
  while (!content.empty()) {
    const ssize_t n =
        ::pwrite(fd, content.data(), content.size(), static_cast<off_t>(offset_bytes));
    check(n, "write " + path);
    content.remove_prefix(static_cast<size_t>(n));
    offset_bytes += static_cast<uint64_t>(n);
  }
}

std::string xattrs_of(const std::string& path) {
  std::vector<char> names(65536);
  const ssize_t length = ::llistxattr(path.c_str(), names.data(), names.size());
  if (length < 0 && errno == ENOTSUP) return "";
  check(length, "listxattr " + path);
  std::map<std::string, std::string> found;
  for (const char* name = names.data(); name < names.data() + length;
       name += std::strlen(name) + 1) {
    if (!std::string_view(name).starts_with("user.")) continue;
    std::string value(65536, '\0');
    const ssize_t size = ::lgetxattr(path.c_str(), name, value.data(), value.size());
    check(size, "getxattr " + path);
    value.resize(static_cast<size_t>(size));
    found[name] = value;
  }
  std::string text;
  for (const auto& [name, value] : found) text += fmt::format(" {}={}", name, value);
  return text;
}

std::string content_hash(const std::string& path) {
  const std::string content = read_file(path);
  return checksum(std::as_bytes(std::span(content))).hex();
}

std::string describe(const std::string& path, const struct stat& st) {
  std::string text = fmt::format("mode {:o} owner {}:{} mtime {}.{:09}", st.st_mode, st.st_uid,
                                 st.st_gid, st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
  if (S_ISREG(st.st_mode))
    text += fmt::format(" size {} content {}", st.st_size, content_hash(path));
  if (S_ISLNK(st.st_mode)) text += " -> " + fs::read_symlink(path).string();
  if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)) text += fmt::format(" device {}", st.st_rdev);
  if (!S_ISDIR(st.st_mode)) text += fmt::format(" names {}", st.st_nlink);
  return text + xattrs_of(path);
}

}  // namespace

void check(long result, std::string_view action) {
  if (result >= 0) return;
  throw std::runtime_error(fmt::format("{}: {}", action, std::strerror(errno)));
}

std::string random_bytes(uint64_t size, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::string bytes((size + 7) / 8 * 8, '\0');
  for (size_t i = 0; i < bytes.size(); i += 8) {
    const uint64_t value = random();
    std::memcpy(bytes.data() + i, &value, 8);
  }
  bytes.resize(size);
  return bytes;
}

void write_file(const std::string& path, std::string_view content, mode_t mode) {
  const UniqueFd file = open_file(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
  write_all(file.get(), content, 0, path);
}

void append_to_file(const std::string& path, std::string_view content) {
  const UniqueFd file = open_file(path, O_WRONLY | O_APPEND);
  const ssize_t n = ::write(file.get(), content.data(), content.size());
  check(n, "append to " + path);
  if (static_cast<size_t>(n) != content.size()) throw std::runtime_error("short write to " + path);
}

void overwrite(const std::string& path, uint64_t offset_bytes, std::string_view content) {
  const UniqueFd file = open_file(path, O_WRONLY);
  write_all(file.get(), content, offset_bytes, path);
}

std::string read_file(const std::string& path) {
  const UniqueFd file = open_file(path, O_RDONLY);
  struct stat st {};
  check(::fstat(file.get(), &st), "stat " + path);
  std::string content;
  std::string buffer(std::clamp<size_t>(static_cast<size_t>(st.st_size) + 1, 4096, 1 << 20), '\0');
  for (;;) {
    const ssize_t n = ::read(file.get(), buffer.data(), buffer.size());
    check(n, "read " + path);
    if (n == 0) return content;
    content.append(buffer.data(), static_cast<size_t>(n));
  }
}

std::string read_range(const std::string& path, uint64_t offset_bytes, uint64_t size_bytes) {
  const UniqueFd file = open_file(path, O_RDONLY);
  std::string content(size_bytes, '\0');
  const ssize_t n =
      ::pread(file.get(), content.data(), size_bytes, static_cast<off_t>(offset_bytes));
  check(n, "read " + path);
  content.resize(static_cast<size_t>(n));
  return content;
}

Tree describe_tree(const std::string& root) {
  Tree tree;
  std::map<std::pair<dev_t, ino_t>, std::string> first_names;
  std::vector<std::string> paths;
  for (auto it = fs::recursive_directory_iterator(root); it != fs::recursive_directory_iterator();
       ++it) {
    if (it.depth() == 0 && it->path().filename() == ".tierhub") {
      it.disable_recursion_pending();
      continue;
    }
    paths.push_back(it->path().lexically_relative(root));
  }
  std::sort(paths.begin(), paths.end());
  for (const std::string& path : paths) {
    struct stat st {};
    check(::lstat((root + "/" + path).c_str(), &st), "stat " + path);
    std::string text = describe(root + "/" + path, st);
    if (!S_ISDIR(st.st_mode)) {
      const auto [first, is_first] = first_names.emplace(std::pair(st.st_dev, st.st_ino), path);
      if (!is_first) text += " same as " + first->second;
    }
    tree[path] = std::move(text);
  }
  return tree;
}

std::vector<std::string> differences(const Tree& expected, const Tree& actual) {
  std::vector<std::string> found;
  for (const auto& [path, text] : expected) {
    const auto it = actual.find(path);
    if (it == actual.end()) {
      found.push_back(path + ": missing");
    } else if (it->second != text) {
      found.push_back(fmt::format("{}:\n  expected {}\n  found    {}", path, text, it->second));
    }
  }
  for (const auto& [path, text] : actual) {
    if (!expected.contains(path)) found.push_back(fmt::format("{}: not expected: {}", path, text));
  }
  return found;
}

}  // namespace tierhub::test
