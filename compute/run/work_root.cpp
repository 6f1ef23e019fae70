#include "compute/run/work_root.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/posix.h"

namespace tierhub::compute {
namespace {

// No run is called like this: names of runs do not begin with a dot.
constexpr const char* kClaims = ".claims";

}  // namespace

Result<void> check_own(const UniqueFd& folder, const std::string& path) {
  TRY_ASSIGN(const struct stat st, posix::stat_fd(folder.get()));
  if (st.st_uid != ::geteuid()) {
    return Error(std::errc::permission_denied,
                 fmt::format("{} belongs to user {}, but tieragent runs as user {}: give it to "
                             "tieragent's user (chown), or watch another folder",
                             path, st.st_uid, ::geteuid()));
  }
  if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return Error(std::errc::permission_denied,
                 fmt::format("others can write to {}, so they could replace runs: remove their "
                             "permission (chmod go-w {})",
                             path, path));
  }
  return {};
}

Result<UniqueFd> open_or_make(int parent, const std::string& name, mode_t mode) {
  const Result<void> made = posix::make_directory_at(parent, name, mode);
  if (!made && !made.error().is(std::errc::file_exists)) return made.error();
  TRY_ASSIGN(UniqueFd folder, open_folder(parent, name));
  // mkdir obeys the umask, which is not for us here.
  if (made && ::fchmod(folder.get(), mode) < 0) return Error::from_errno(errno, "chmod " + name);
  return folder;
}

Result<UniqueFd> open_folder(int parent, const std::string& name) {
  return posix::open_at(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

Result<WorkRoot> WorkRoot::open(const std::string& path) {
  TRY(posix::make_directories(path, 0711));
  TRY_ASSIGN(UniqueFd fd, posix::open_at(AT_FDCWD, path, O_RDONLY | O_DIRECTORY));
  TRY(check_own(fd, path));
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) < 0) {
    return Error(std::errc::device_or_resource_busy,
                 fmt::format("another tieragent uses the work folder {}: stop it, or give this one "
                             "its own with --work DIR",
                             path));
  }
  TRY_ASSIGN(UniqueFd claims, open_or_make(fd.get(), kClaims, 0700));
  TRY(check_own(claims, path + "/" + kClaims));
  TRY(posix::sync_fd(fd.get()));
  return WorkRoot(path, std::move(fd), std::move(claims));
}

Result<UniqueFd> WorkRoot::make_folder(const std::string& run) const {
  return open_or_make(fd_.get(), run, 0700);
}

bool WorkRoot::has_folder(const std::string& run) const {
  return posix::stat_at(fd_.get(), run, AT_SYMLINK_NOFOLLOW).has_value();
}

void WorkRoot::remove_if_empty(const std::string& run) const {
  static_cast<void>(::unlinkat(fd_.get(), run.c_str(), AT_REMOVEDIR));
}

std::string WorkRoot::claim_path(const std::string& run) const {
  return fmt::format("{}/{}/{}", path_, kClaims, run);
}

Result<void> WorkRoot::put_claim(const std::string& run, const Claim& claim) const {
  const Result<void> written = posix::replace_file(claim_path(run), encode(claim), 0600);
  if (!written) return written.error().in("record the claim");
  return {};
}

Result<std::optional<Claim>> WorkRoot::claim(const std::string& run) const {
  const Result<std::string> text = posix::read_file(claim_path(run));
  if (!text && text.error().is(std::errc::no_such_file_or_directory)) return std::nullopt;
  if (!text) return text.error();
  TRY_ASSIGN(Claim claim, decode_claim(*text));
  return claim;
}

Result<std::vector<std::string>> WorkRoot::claimed() const {
  TRY_ASSIGN(std::vector<std::string> names, posix::list_directory_fd(claims_.get()));
  // A claim that was being written when the agent died.
  std::erase_if(names, [&](const std::string& name) {
    if (!name.ends_with(".tmp")) return false;
    static_cast<void>(posix::unlink_at(claims_.get(), name));
    return true;
  });
  return names;
}

void WorkRoot::remove_claim(const std::string& run) const {
  static_cast<void>(::unlinkat(claims_.get(), run.c_str(), 0));
}

}  // namespace tierhub::compute
