#include "compute/run/output_place.h"

#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>
#include <stdio.h>

#include "common/posix.h"
#include "common/run_as.h"
#include "compute/staging/input_paths.h"

namespace tierhub::compute {
namespace {

bool exists(const std::string& path) {
  struct stat st {};
  return ::lstat(path.c_str(), &st) == 0;
}

std::string name_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

// "/mnt/tier belongs to root (mode 0755)"
std::string whose(const std::string& folder, const struct stat& st) {
  const Result<Account> owner = find_account(st.st_uid, st.st_gid);
  return fmt::format("{} belongs to {} (mode {:04o})", folder,
                     owner ? owner->name : fmt::format("{}", st.st_uid), st.st_mode & 07777);
}

// Gives a new folder the group of the one above, which may write it as it may write that one. Not
// in a sticky folder: there everyone has what is his. What cannot be shared stays the user's own.
void share_as(const struct stat& above, const std::string& folder) {
  if ((above.st_mode & S_IWGRP) == 0 || (above.st_mode & S_ISVTX) != 0) return;
  const Result<UniqueFd> fd = posix::open_at(AT_FDCWD, folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  struct stat st {};
  if (!fd || ::fstat(fd->get(), &st) < 0 || st.st_uid != ::geteuid()) return;
  if (st.st_gid != above.st_gid && ::fchown(fd->get(), static_cast<uid_t>(-1), above.st_gid) < 0) {
    return;
  }
  const mode_t mode = (st.st_mode & 07777) | S_IWGRP | (above.st_mode & S_ISGID);
  static_cast<void>(::fchmod(fd->get(), mode));
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

OutputPlace::OutputPlace(std::string place, const std::string& run, std::string user)
    : user_(std::move(user)), place_(std::move(place)) {
  while (place_.size() > 1 && place_.ends_with('/')) place_.pop_back();
  parent_ = folder_of(place_);
  const std::string leaf = name_of(place_);
  const std::string own = leaf == run ? leaf : leaf + "." + run;
  const std::string above = parent_ == "/" ? "" : parent_;
  hidden_ = fmt::format("{}/.{}.part", above, own);
  incomplete_ = fmt::format("{}/{}.incomplete", above, own);
}

Result<void> OutputPlace::check_free() const {
  if (!exists(place_)) return {};
  return Error(
      std::errc::file_exists,
      fmt::format(
          "the output {} already exists: put {{run}} into 'output', or move the existing one away",
          place_));
}

Result<void> OutputPlace::make_hidden() const {
  TRY(make_parent());
  if (::mkdir(hidden_.c_str(), 0777) == 0 || errno == EEXIST) return {};
  return cannot_make(hidden_, errno);
}

Result<void> OutputPlace::make_parent() const {
  std::vector<std::string> missing;
  struct stat st {};
  std::string folder = parent_;
  for (; ::stat(folder.c_str(), &st) < 0; folder = folder_of(folder)) {
    if (errno != ENOENT || folder == "/") return cannot_make(folder, errno);
    missing.push_back(folder);
  }
  bool shared = true;
  for (auto next = missing.rbegin(); next != missing.rend(); ++next) {
    if (::mkdir(next->c_str(), 0777) < 0 && errno != EEXIST) return cannot_make(*next, errno);
    shared = shared && name_of(*next) != user_;
    if (shared) share_as(st, *next);
    if (::stat(next->c_str(), &st) < 0) return cannot_make(*next, errno);
  }
  return {};
}

Error OutputPlace::cannot_make(const std::string& folder, int errno_value) const {
  const std::string above = folder_of(folder);
  struct stat st {};
  const Error why = Error::from_errno(errno_value, folder);
  const bool refused = why.is(std::errc::permission_denied) && ::stat(above.c_str(), &st) == 0;
  std::string hint = "choose an 'output' in a folder that you can write to";
  if (refused && st.st_uid == 0) {
    const bool own = name_of(folder) == user_ || folder == hidden_;
    hint = fmt::format("the administrator can let all users write there: install -d -m 1777 {}",
                       own ? above : folder);
  } else if (refused && st.st_uid == ::geteuid()) {
    hint = fmt::format("it is your own folder: chmod u+w {}", above);
  } else if (refused && name_of(above) == user_) {
    hint = fmt::format("it has your name: the administrator can give it to you: chown {} {}", user_,
                       above);
  } else if (refused) {
    hint = fmt::format(
        "leave 'output' out, then the results are in results/{}/..., or ask the owner "
        "to share the folder with a group of yours: chmod g+ws {}",
        user_, above);
  }
  return Error(why.code(), fmt::format("the output cannot be written: {}{}: {}", why.text(),
                                       refused ? ": " + whose(above, st) : "", hint));
}

bool OutputPlace::hidden_exists() const { return exists(hidden_); }
bool OutputPlace::place_exists() const { return exists(place_); }

std::string OutputPlace::keep_what_was_written() const {
  if (::rmdir(hidden_.c_str()) == 0 || errno != ENOTEMPTY) return "";
  const Result<void> moved =
      posix::rename_at(AT_FDCWD, hidden_, AT_FDCWD, incomplete_, RENAME_NOREPLACE);
  return moved ? incomplete_ : hidden_;
}

void OutputPlace::take_back() const {
  if (exists(hidden_)) return;
  static_cast<void>(posix::rename_at(AT_FDCWD, incomplete_, AT_FDCWD, hidden_, RENAME_NOREPLACE));
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
