#include "formats/file_tree.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <fmt/format.h>

#include "common/posix.h"

namespace tierhub::formats {

Result<std::optional<std::string>> FileTree::read_small(const std::string& path,
                                                        uint64_t limit_bytes) const {
  TRY_ASSIGN(const auto size_bytes, size_of(path));
  if (!size_bytes) return std::nullopt;
  if (*size_bytes > limit_bytes) {
    return Error(std::errc::file_too_large,
                 fmt::format("{} has {} bytes, more than the limit for metadata ({})", path,
                             *size_bytes, limit_bytes));
  }
  std::string text(*size_bytes, '\0');
  TRY_ASSIGN(const size_t got, read_at(path, std::as_writable_bytes(std::span(text)), 0));
  text.resize(got);
  return text;
}

Result<PosixTree> PosixTree::open(const std::string& root) {
  TRY_ASSIGN(const struct stat st, posix::stat_at(AT_FDCWD, root));
  if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode)) {
    return Error(std::errc::invalid_argument, root + " is neither a file nor a folder");
  }
  return PosixTree(root, S_ISDIR(st.st_mode));
}

std::string PosixTree::absolute(const std::string& path) const {
  return path.empty() ? root_ : root_ + "/" + path;
}

Result<std::optional<uint64_t>> PosixTree::size_of(const std::string& path) const {
  const auto st = posix::stat_at(AT_FDCWD, absolute(path));
  if (!st) {
    if (st.error().is(std::errc::no_such_file_or_directory) ||
        st.error().is(std::errc::not_a_directory)) {
      return std::nullopt;
    }
    return st.error();
  }
  if (!S_ISREG(st->st_mode)) return std::nullopt;
  return static_cast<uint64_t>(st->st_size);
}

Result<size_t> PosixTree::read_at(const std::string& path, std::span<std::byte> buffer,
                                  uint64_t offset_bytes) const {
  TRY_ASSIGN(const UniqueFd fd, posix::open_at(AT_FDCWD, absolute(path), O_RDONLY | O_NONBLOCK));
  TRY_ASSIGN(const struct stat st, posix::stat_fd(fd.get()));
  if (!S_ISREG(st.st_mode))
    return Error(std::errc::invalid_argument, absolute(path) + " is not a regular file");
  return posix::read_at(fd.get(), buffer, offset_bytes);
}

}  // namespace tierhub::formats
