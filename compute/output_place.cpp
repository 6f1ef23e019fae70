#include "compute/output_place.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>
#include <stdio.h>

#include "common/posix.h"

namespace tierhub::compute {
namespace {

bool exists(const std::string& path) {
  struct stat st {};
  return ::lstat(path.c_str(), &st) == 0;
}

Result<void> empty_folder_fd(int folder_fd) {
  TRY_ASSIGN(const std::vector<std::string> names, posix::list_directory_fd(folder_fd));
  if (!names.empty()) static_cast<void>(::fchmod(folder_fd, 0700));
  for (const std::string& name : names) {
    if (::unlinkat(folder_fd, name.c_str(), 0) == 0) continue;
    if (errno != EISDIR && errno != EPERM) return Error::from_errno(errno, "remove " + name);
    const Result<UniqueFd> below =
        posix::open_at(folder_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!below && below.error().is(std::errc::permission_denied)) {
      static_cast<void>(::fchmodat(folder_fd, name.c_str(), 0700, 0));
    }
    TRY_ASSIGN(const UniqueFd opened,
               posix::open_at(folder_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    TRY(empty_folder_fd(opened.get()));
    TRY(posix::unlink_at(folder_fd, name, AT_REMOVEDIR));
  }
  return {};
}

}  // namespace

OutputPlace::OutputPlace(std::string place, const std::string& run) : place_(std::move(place)) {
  while (place_.size() > 1 && place_.ends_with('/')) place_.pop_back();
  const size_t slash = place_.rfind('/');
  parent_ = slash == 0 ? "/" : place_.substr(0, slash);
  const std::string leaf = place_.substr(slash + 1);
  hidden_ = fmt::format("{}/.{}{}.part", parent_ == "/" ? "" : parent_, leaf,
                        leaf == run ? "" : "." + run);
}

Result<void> OutputPlace::check_free() const {
  if (!exists(place_)) return {};
  return Error(
      std::errc::file_exists,
      fmt::format("the output {} exists already: put {{run}} into 'output', or move what is "
                  "there away",
                  place_));
}

Result<void> OutputPlace::make_hidden() const {
  const Result<void> parents = posix::make_directories(parent_, 0777);
  const bool failed = !parents && !parents.error().is(std::errc::file_exists);
  if (failed || (::mkdir(hidden_.c_str(), 0777) < 0 && errno != EEXIST)) {
    const int code = failed ? parents.error().errno_value() : errno;
    const Error why = Error::from_errno(code, parent_);
    return Error(
        why.code(),
        fmt::format("the output cannot be written: {}: choose an 'output' in a folder that "
                    "you can write",
                    why.text()));
  }
  return {};
}

bool OutputPlace::hidden_exists() const { return exists(hidden_); }
bool OutputPlace::place_exists() const { return exists(place_); }

bool OutputPlace::keep_what_was_written() const {
  return ::rmdir(hidden_.c_str()) < 0 && errno == ENOTEMPTY;
}

Result<void> OutputPlace::put_in_place() const {
  Result<void> moved = posix::rename_at(AT_FDCWD, hidden_, AT_FDCWD, place_, RENAME_NOREPLACE);
  if (!moved && moved.error().is(std::errc::invalid_argument) && !exists(place_)) {
    // A file system without RENAME_NOREPLACE; a folder never replaces one that has something in it.
    moved = posix::rename_at(AT_FDCWD, hidden_, AT_FDCWD, place_);
  }
  if (!moved && moved.error().is(std::errc::file_exists)) return check_free();
  return moved;
}

Result<void> empty_folder(const std::string& path) {
  TRY_ASSIGN(const UniqueFd folder,
             posix::open_at(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  return empty_folder_fd(folder.get());
}

}  // namespace tierhub::compute
