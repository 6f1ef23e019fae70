#include "formats/file_tree.h"

#include <algorithm>
#include <filesystem>

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/posix.h"

namespace tierhub::formats {
namespace {

// How many files of one image are kept open.
constexpr size_t kKeptOpen = 16;

// Follows links only while they stay below `folder`.
Result<UniqueFd> open_inside(int folder, const std::string& path, int flags) {
  open_how how{};
  how.flags = static_cast<uint64_t>(flags | O_CLOEXEC);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  const auto fd = static_cast<int>(
      ::syscall(SYS_openat2, folder, path.empty() ? "." : path.c_str(), &how, sizeof how));
  if (fd >= 0) return UniqueFd(fd);
  if (errno == EXDEV || errno == ELOOP) {
    return Error(std::errc::permission_denied,
                 fmt::format("{} is a link out of the dataset, which is not followed", path));
  }
  return Error::from_errno(errno, path);
}

bool is_missing(const Error& error) {
  return error.is(std::errc::no_such_file_or_directory) || error.is(std::errc::not_a_directory);
}

FileStamp stamp_of(const struct stat& st) {
  // The clock of time stamps ticks every few milliseconds, on some file systems more slowly.
  constexpr int64_t kMoment_ns = 20'000'000;
  FileStamp stamp;
  stamp.exists = true;
  stamp.device = st.st_dev;
  stamp.inode = st.st_ino;
  stamp.size_bytes = static_cast<uint64_t>(st.st_size);
  stamp.mtime_ns = posix::modification_time(st).ns;
  stamp.ctime_ns = posix::change_time(st).ns;
  stamp.is_settled = Timestamp::now().ns_since(posix::change_time(st)) > kMoment_ns;
  return stamp;
}

Error too_large(const std::string& path, uint64_t size_bytes, uint64_t limit_bytes) {
  return Error(std::errc::file_too_large, fmt::format("{} has {} bytes, more than the limit of {}",
                                                      path, size_bytes, limit_bytes));
}

}  // namespace

Result<void> FileTree::prepare(const std::vector<std::string>&) const { return {}; }

Result<std::vector<FileStamp>> FileTree::stamps_of(const std::vector<std::string>& paths) const {
  return std::vector<FileStamp>(paths.size());
}

Result<bool> FileTree::read_whole(const std::string& path, uint64_t limit_bytes,
                                  std::string& into) const {
  TRY_ASSIGN(const auto size_bytes, size_of(path));
  if (!size_bytes) return false;
  if (*size_bytes > limit_bytes) return too_large(path, *size_bytes, limit_bytes);
  into.resize(*size_bytes);
  TRY_ASSIGN(const size_t got, read_at(path, std::as_writable_bytes(std::span(into)), 0));
  into.resize(got);
  return true;
}

Result<std::optional<std::string>> FileTree::read_small(const std::string& path,
                                                        uint64_t limit_bytes) const {
  std::string text;
  TRY_ASSIGN(const bool exists, read_whole(path, limit_bytes, text));
  if (!exists) return std::nullopt;
  return text;
}

Result<std::shared_ptr<const PosixTree>> PosixTree::open(const std::string& path,
                                                         Descriptors descriptors) {
  TRY_ASSIGN(const struct stat st, posix::stat_at(AT_FDCWD, path));
  if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode)) {
    return Error(std::errc::invalid_argument, path + " is neither a file nor a folder");
  }
  std::string folder = path;
  std::string file;
  SharedFd opened;
  if (S_ISREG(st.st_mode)) {
    const std::filesystem::path parts(path);
    folder = parts.parent_path().empty() ? "." : parts.parent_path().string();
    file = parts.filename().string();
    TRY_ASSIGN(UniqueFd fd, posix::open_at(AT_FDCWD, path, O_RDONLY | O_NONBLOCK));
    opened = std::make_shared<const UniqueFd>(std::move(fd));
  }
  TRY_ASSIGN(UniqueFd fd, posix::open_at(AT_FDCWD, folder, O_PATH | O_DIRECTORY));
  return std::shared_ptr<const PosixTree>(
      new PosixTree(path, std::move(file), std::move(fd), std::move(opened), descriptors));
}

Result<std::shared_ptr<const PosixTree>> PosixTree::open_beneath(int root, const std::string& path,
                                                                 const std::string& shown,
                                                                 Descriptors descriptors) {
  TRY_ASSIGN(UniqueFd found, posix::open_beneath(root, path, O_PATH));
  TRY_ASSIGN(const struct stat st, posix::stat_fd(found.get()));
  if (S_ISDIR(st.st_mode)) {
    return std::shared_ptr<const PosixTree>(
        new PosixTree(shown, "", std::move(found), nullptr, descriptors));
  }
  Error neither(std::errc::invalid_argument, shown + " is neither a file nor a folder");
  if (!S_ISREG(st.st_mode)) return neither;
  TRY_ASSIGN(UniqueFd file, posix::open_beneath(root, path, O_RDONLY | O_NONBLOCK));
  TRY_ASSIGN(const struct stat opened, posix::stat_fd(file.get()));
  if (!S_ISREG(opened.st_mode)) return neither;
  const std::filesystem::path parts(path);
  TRY_ASSIGN(UniqueFd folder, posix::open_beneath(root, parts.parent_path(), O_PATH | O_DIRECTORY));
  return std::shared_ptr<const PosixTree>(
      new PosixTree(shown, parts.filename(), std::move(folder),
                    std::make_shared<const UniqueFd>(std::move(file)), descriptors));
}

Result<UniqueFd> PosixTree::open_regular(const std::string& path) const {
  TRY_ASSIGN(UniqueFd fd, open_inside(folder_.get(), path, O_RDONLY | O_NONBLOCK));
  TRY_ASSIGN(const struct stat st, posix::stat_fd(fd.get()));
  if (!S_ISREG(st.st_mode))
    return Error(std::errc::no_such_file_or_directory, path + " is not a regular file");
  return fd;
}

Result<PosixTree::SharedFd> PosixTree::descriptor_of(const std::string& path) const {
  if (opened_ && path == file_) return opened_;
  SharedFd known = recent_.with([&](auto& recent) -> SharedFd {
    const auto found = std::find_if(recent.begin(), recent.end(),
                                    [&](const auto& entry) { return entry.first == path; });
    if (found == recent.end()) return nullptr;
    recent.splice(recent.begin(), recent, found);
    return found->second;
  });
  if (known && (descriptors_ == Descriptors::kept || is_there(path, known->get()))) return known;
  TRY_ASSIGN(UniqueFd fd, open_regular(path));
  auto opened = std::make_shared<const UniqueFd>(std::move(fd));
  recent_.with([&](auto& recent) {
    recent.remove_if([&](const auto& entry) { return entry.first == path; });
    recent.emplace_front(path, opened);
    if (recent.size() > kKeptOpen) recent.pop_back();
  });
  return opened;
}

bool PosixTree::is_there(const std::string& path, int fd) const {
  const auto named = posix::stat_at(folder_.get(), path);
  const auto open = posix::stat_fd(fd);
  return named && open && named->st_dev == open->st_dev && named->st_ino == open->st_ino;
}

// A link out of the dataset is looked at, but reading it fails.
Result<std::vector<FileStamp>> PosixTree::stamps_of(const std::vector<std::string>& paths) const {
  std::vector<FileStamp> stamps;
  stamps.reserve(paths.size());
  for (const std::string& path : paths) {
    // What is read is the file that was opened, whatever has its name now.
    const auto st = opened_ && path == file_
                        ? posix::stat_fd(opened_->get())
                        : posix::stat_at(folder_.get(), path.empty() ? "." : path);
    if (!st && !is_missing(st.error())) return st.error();
    stamps.push_back(st ? stamp_of(*st) : FileStamp{});
  }
  return stamps;
}

Result<std::optional<uint64_t>> PosixTree::size_of(const std::string& path) const {
  UniqueFd held;
  int fd = opened_ && path == file_ ? opened_->get() : -1;
  if (fd < 0) {
    auto found = open_inside(folder_.get(), path, O_PATH);
    if (!found && is_missing(found.error())) return std::nullopt;
    if (!found) return found.error();
    held = *std::move(found);
    fd = held.get();
  }
  TRY_ASSIGN(const struct stat st, posix::stat_fd(fd));
  if (!S_ISREG(st.st_mode)) return std::nullopt;
  return static_cast<uint64_t>(st.st_size);
}

Result<size_t> PosixTree::read_at(const std::string& path, std::span<std::byte> buffer,
                                  uint64_t offset_bytes) const {
  TRY_ASSIGN(const SharedFd fd, descriptor_of(path));
  return posix::read_at(fd->get(), buffer, offset_bytes);
}

Result<std::vector<std::string>> PosixTree::list(const std::string& folder) const {
  const auto fd = open_inside(folder_.get(), folder, O_RDONLY | O_DIRECTORY);
  if (!fd && is_missing(fd.error())) return std::vector<std::string>();
  if (!fd) return fd.error();
  TRY_ASSIGN(std::vector<std::string> names, posix::list_directory_fd(fd->get()));
  if (names.size() > kMaxNames) {
    return Error(std::errc::file_too_large,
                 fmt::format("{} has more than {} files", path_, kMaxNames));
  }
  std::sort(names.begin(), names.end());
  return names;
}

// One file of a dataset of many: it is not kept open.
Result<bool> PosixTree::read_whole(const std::string& path, uint64_t limit_bytes,
                                   std::string& into) const {
  if (opened_ && path == file_) return FileTree::read_whole(path, limit_bytes, into);
  auto fd = open_regular(path);
  if (!fd && is_missing(fd.error())) return false;
  if (!fd) return fd.error();
  TRY_ASSIGN(const struct stat st, posix::stat_fd(fd->get()));
  const auto size_bytes = static_cast<uint64_t>(st.st_size);
  if (size_bytes > limit_bytes) return too_large(path, size_bytes, limit_bytes);
  into.resize(size_bytes);
  TRY_ASSIGN(const size_t got,
             posix::read_at(fd->get(), std::as_writable_bytes(std::span(into)), 0));
  into.resize(got);
  return true;
}

}  // namespace tierhub::formats
