#include "compute/run/owner.h"

#include <string_view>

#include <fmt/format.h>

#include "common/run_as.h"

namespace tierhub::compute {
namespace {

constexpr uint32_t kOthersWrite = S_IWGRP | S_IWOTH;
constexpr uint32_t kOthersEnter = S_IXGRP | S_IXOTH;

Error refused(std::string text) { return {std::errc::permission_denied, std::move(text)}; }

Result<uint32_t> allow_root(uint32_t uid, RootJobs root_jobs) {
  if (uid == 0 && root_jobs == RootJobs::refused) {
    return refused(
        "it belongs to root, and jobs of root are refused: drop it as an ordinary user, or start "
        "tieragent with --allow-root");
  }
  return uid;
}

}  // namespace

Result<uint32_t> decide_owner(const struct stat& file, const std::optional<DropFolder>& folder,
                              RootJobs root_jobs) {
  if (!S_ISREG(file.st_mode)) {
    return refused("it is not a regular file: drop the workflow itself, not a link to it");
  }
  if (file.st_nlink != 1) {
    return refused(
        "it has more than one name (hard link), so it may belong to someone else: drop a copy of "
        "it");
  }
  const bool others_reach = !folder || (folder->mode & kOthersEnter) != 0;
  if ((file.st_mode & kOthersWrite) != 0 && others_reach) {
    return refused(
        "users other than its owner can write to it: remove their permission (chmod go-w, setfacl "
        "-b), then drop it again");
  }
  if (!folder) return allow_root(file.st_uid, root_jobs);
  if ((folder->mode & kOthersWrite) != 0) {
    return refused(
        "users other than its owner can write to the folder that it was dropped into: ask the "
        "administrator to remove their permission (chmod go-w)");
  }
  if (file.st_uid != folder->uid && file.st_uid != 0 && others_reach) {
    return refused(
        "its owner is not the owner of the folder that it was dropped into: drop a copy of it");
  }
  return allow_root(folder->uid, root_jobs);
}

Result<bool> is_named_after(const std::string& name, uint32_t uid) {
  if (name == fmt::format("{}", uid)) return true;
  TRY_ASSIGN(const std::optional<std::string> user, find_user_name(uid));
  if (!user) return false;
  const std::string_view local = std::string_view(*user).substr(0, user->find('@'));
  return name == *user || name == local || name == user->substr(user->rfind('\\') + 1);
}

std::string name_of_user(uint32_t uid) {
  const auto name = find_user_name(uid);
  return name && *name ? **name : fmt::format("user {}", uid);
}

}  // namespace tierhub::compute
