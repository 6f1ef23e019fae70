#include "storage/posix/archive_root.h"

#include <cerrno>
#include <optional>
#include <span>
#include <string_view>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/posix.h"
#include "storage/archive/archive.h"
#include "storage/scratch/format_mark.h"

namespace tierhub {
namespace {

constexpr mode_t kPrivateMode = 0700;
constexpr const char* kIdFile = ".tierhub/id";

Error offline(const std::string& path, std::string_view why) {
  return Error(
      std::errc::no_such_device,
      fmt::format("the archive {} is offline: {}; mount it, or correct its path", path, why));
}

Result<UniqueFd> open_folder(int root_fd, const char* path) {
  return posix::open_beneath(root_fd, path, O_RDONLY | O_DIRECTORY);
}

// none: there is none yet.
Result<std::optional<std::string>> read_id(int root_fd) {
  constexpr size_t kMaxIdBytes = 128;
  auto fd = posix::open_beneath(root_fd, kIdFile, O_RDONLY);
  if (!fd && fd.error().is(std::errc::no_such_file_or_directory)) {
    return std::optional<std::string>();
  }
  if (!fd) return fd.error();
  std::string id(kMaxIdBytes, '\0');
  TRY_ASSIGN(const size_t n,
             posix::read_at(fd->get(), std::as_writable_bytes(std::span(id.data(), id.size())), 0));
  id.resize(n);
  while (!id.empty() && id.back() == '\n') id.pop_back();
  if (id.empty()) return std::optional<std::string>();
  return std::optional<std::string>(std::move(id));
}

Result<std::string> write_new_id(int root_fd) {
  constexpr const char* kTemporary = ".tierhub/id.new";
  TRY_ASSIGN(const std::string uuid, posix::random_uuid());
  {
    TRY_ASSIGN(const UniqueFd fd,
               posix::open_beneath(root_fd, kTemporary, O_WRONLY | O_CREAT | O_TRUNC, 0600));
    TRY(posix::write_all(fd.get(), uuid + "\n"));
    TRY(posix::sync_fd(fd.get()));
  }
  TRY_ASSIGN(const UniqueFd folder, open_folder(root_fd, kPrivateFolder));
  TRY(posix::rename_at(folder.get(), "id.new", folder.get(), "id"));
  TRY(posix::sync_fd(folder.get()));
  return uuid;
}

// The user whom the archive takes us for: on NFS root may be nobody.
Result<uid_t> own_uid_at(int folder_fd) {
  const std::string name = fmt::format("owner-{}", ::getpid());
  TRY(posix::make_directory_at(folder_fd, name, kPrivateMode));
  const auto st = posix::stat_at(folder_fd, name, AT_SYMLINK_NOFOLLOW);
  TRY(posix::unlink_at(folder_fd, name, AT_REMOVEDIR));
  if (!st) return st.error();
  return st->st_uid;
}

}  // namespace

Result<void> make_private_folder(int root_fd, const std::string& path) {
  auto made = posix::make_directory_at(root_fd, path, kPrivateMode);
  if (!made && made.error().is(std::errc::file_exists)) return {};
  return made;
}

Result<void> check_private_folder(int root_fd, const std::string& path, const std::string& shown) {
  TRY_ASSIGN(const UniqueFd folder, posix::open_beneath(root_fd, path, O_RDONLY | O_DIRECTORY));
  TRY_ASSIGN(const struct stat st, posix::stat_fd(folder.get()));
  bool own = st.st_uid == ::geteuid();
  if (!own) {
    const auto uid = own_uid_at(folder.get());
    own = uid && *uid == st.st_uid;
  }
  if (!own) {
    return Error(std::errc::operation_not_permitted,
                 fmt::format("{} was made by user {}, not by TierHub: remove it, then start again",
                             shown, st.st_uid));
  }
  if ((st.st_mode & 077) != 0 && ::fchmod(folder.get(), kPrivateMode) < 0) {
    return Error::from_errno(errno, fmt::format("chmod {}", shown));
  }
  return {};
}

Result<ArchiveRootPointer> ArchiveRoot::open(const std::string& path,
                                             const std::string& expected_id) {
  auto opened = posix::open_at(AT_FDCWD, path, O_RDONLY | O_DIRECTORY);
  if (!opened) return offline(path, opened.error().code().message());
  auto root = std::make_shared<ArchiveRoot>();
  root->fd = *std::move(opened);
  const int fd = root->fd.get();
  TRY_ASSIGN(const struct statx found, statx_fd(fd, Freshness::cached));
  root->key = mount_key_of(found);
  root->inode = found.stx_ino;

  TRY_ASSIGN(std::optional<std::string> id, read_id(fd));
  if (!expected_id.empty() && id != expected_id) {
    return offline(path, fmt::format("archive {} is not mounted there", expected_id));
  }
  TRY(check_format_mark(fd, ".tierhub/format", "the archive " + path));
  TRY(make_private_folder(fd, kPrivateFolder));
  TRY(check_private_folder(fd, kPrivateFolder, fmt::format("{}/{}", path, kPrivateFolder)));
  for (const char* folder : {kStagingFolder, kAsideFolder, kTrashFolder}) {
    TRY(make_private_folder(fd, folder));
  }
  if (!id) {
    TRY_ASSIGN(id, write_new_id(fd));
  }
  root->id = *id;
  TRY_ASSIGN(root->staging, open_folder(fd, kStagingFolder));
  TRY_ASSIGN(root->aside, open_folder(fd, kAsideFolder));
  return ArchiveRootPointer(std::move(root));
}

bool ArchiveRoot::is_still_at(const std::string& path) const {
  const auto folder = posix::open_at(AT_FDCWD, path, O_PATH | O_DIRECTORY);
  if (!folder) return false;
  const auto st = statx_fd(folder->get(), Freshness::cached);
  if (!st || mount_key_of(*st) != key || st->stx_ino != inode) return false;
  const auto found = read_id(fd.get());
  return found && *found == id;
}

}  // namespace tierhub
