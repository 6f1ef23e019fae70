#include "compute/run/owner.h"

#include <algorithm>

#include <sys/prctl.h>
#include <unistd.h>

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>

namespace tierhub::compute {
namespace {

constexpr uint32_t kOthersWrite = S_IWGRP | S_IWOTH;
constexpr uint32_t kOthersEnter = S_IXGRP | S_IXOTH;
constexpr uint32_t kNoGroup = 65534;

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

namespace {

// "" if there is no such user.
Result<std::string> look_up_name(uint32_t uid) {
  std::vector<char> buffer(1 << 16);
  passwd entry{};
  passwd* found = nullptr;
  const int failure = ::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found);
  if (found != nullptr) return std::string(entry.pw_name);
  if (failure == 0 || failure == ENOENT) return std::string();
  return Error::from_errno(failure, fmt::format("look up the user {}", uid));
}

}  // namespace

Result<bool> is_named_after(const std::string& name, uint32_t uid) {
  if (name == fmt::format("{}", uid)) return true;
  TRY_ASSIGN(const std::string user, look_up_name(uid));
  if (user.empty()) return false;
  const std::string_view local = std::string_view(user).substr(0, user.find('@'));
  return name == user || name == local || name == user.substr(user.rfind('\\') + 1);
}

std::string name_of_user(uint32_t uid) {
  const Result<std::string> name = look_up_name(uid);
  return name && !name->empty() ? *name : fmt::format("user {}", uid);
}

Result<Account> find_account(uint32_t uid, uint32_t file_gid) {
  Account account;
  account.uid = uid;
  std::vector<char> buffer(1 << 16);
  passwd entry{};
  passwd* found = nullptr;
  const int failure = ::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found);
  if (found == nullptr) {
    if (failure != 0 && failure != ENOENT) {
      return Error::from_errno(failure, fmt::format("look up the user {}", uid));
    }
    const bool own_group = file_gid == uid && ::getgrgid(file_gid) == nullptr;
    account.gid = own_group ? file_gid : kNoGroup;
    account.groups = {account.gid};
    account.name = fmt::format("{}", uid);
    account.home = "/";
    return account;
  }
  account.gid = entry.pw_gid;
  account.name = entry.pw_name;
  account.home = entry.pw_dir;
  int count = 64;
  std::vector<gid_t> groups(static_cast<size_t>(count));
  while (::getgrouplist(entry.pw_name, entry.pw_gid, groups.data(), &count) < 0) {
    groups.resize(static_cast<size_t>(std::max(count, 2 * static_cast<int>(groups.size()))));
    count = static_cast<int>(groups.size());
  }
  account.groups.assign(groups.begin(), groups.begin() + count);
  return account;
}

Result<void> become(const Account& account) {
  const std::vector<gid_t> groups(account.groups.begin(), account.groups.end());
  if (::setgroups(groups.size(), groups.data()) < 0) return Error::from_errno(errno, "setgroups");
  if (::setresgid(account.gid, account.gid, account.gid) < 0) {
    return Error::from_errno(errno, "setresgid");
  }
  if (::setresuid(account.uid, account.uid, account.uid) < 0) {
    return Error::from_errno(errno, "setresuid");
  }
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
    return Error::from_errno(errno, "prctl(PR_SET_NO_NEW_PRIVS)");
  }
  return {};
}

}  // namespace tierhub::compute
