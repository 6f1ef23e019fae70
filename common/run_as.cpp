#include "common/run_as.h"

#include <algorithm>
#include <cstdlib>

#include <sys/prctl.h>
#include <unistd.h>

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>

namespace tierhub {
namespace {

constexpr uint32_t kNoGroup = 65534;

// The strings of `entry` are in `buffer`.
struct User {
  std::vector<char> buffer = std::vector<char>(1 << 16);
  passwd entry{};
  bool exists = false;
};

Result<User> look_up(uint32_t uid) {
  User user;
  passwd* found = nullptr;
  const int failure =
      ::getpwuid_r(uid, &user.entry, user.buffer.data(), user.buffer.size(), &found);
  user.exists = found != nullptr;
  if (!user.exists && failure != 0 && failure != ENOENT)
    return Error::from_errno(failure, fmt::format("look up the user {}", uid));
  return user;
}

}  // namespace

Result<std::optional<std::string>> find_user_name(uint32_t uid) {
  TRY_ASSIGN(const User user, look_up(uid));
  if (!user.exists) return std::nullopt;
  return std::string(user.entry.pw_name);
}

Result<Account> find_account(uint32_t uid, uint32_t file_gid) {
  TRY_ASSIGN(const User user, look_up(uid));
  if (!user.exists) {
    const bool own_group = file_gid == uid && ::getgrgid(file_gid) == nullptr;
    const uint32_t gid = own_group ? file_gid : kNoGroup;
    return Account{uid, gid, {gid}, fmt::format("{}", uid), "/"};
  }
  const passwd& entry = user.entry;
  Account account{uid, entry.pw_gid, {}, entry.pw_name, entry.pw_dir};
  int count = 64;
  do {
    account.groups.resize(std::max(static_cast<size_t>(count), 2 * account.groups.size()));
    count = static_cast<int>(account.groups.size());
  } while (::getgrouplist(entry.pw_name, entry.pw_gid, account.groups.data(), &count) < 0);
  account.groups.resize(static_cast<size_t>(count));
  return account;
}

std::vector<std::string> environment_of(const Account& account) {
  const auto kept = [](const char* name, const char* otherwise) {
    const char* value = std::getenv(name);
    return fmt::format("{}={}", name, value == nullptr || *value == '\0' ? otherwise : value);
  };
  return {"HOME=" + account.home, "USER=" + account.name, "LOGNAME=" + account.name,
          kept("PATH", "/usr/local/bin:/usr/bin:/bin"), kept("LANG", "C.UTF-8")};
}

Result<void> may_become(const Account& account) {
  if (::geteuid() == 0 || ::geteuid() == account.uid) return {};
  return Error(
      std::errc::operation_not_permitted,
      fmt::format("this process runs as user {} and cannot become {}: start it as root, or "
                  "as {} itself",
                  ::geteuid(), account.name, account.name));
}

Result<void> become(const Account& account) {
  TRY(may_become(account));
  if (::geteuid() != 0) return {};
  if (::setgroups(account.groups.size(), account.groups.data()) < 0)
    return Error::from_errno(errno, "setgroups");
  if (::setresgid(account.gid, account.gid, account.gid) < 0)
    return Error::from_errno(errno, "setresgid");
  if (::setresuid(account.uid, account.uid, account.uid) < 0)
    return Error::from_errno(errno, "setresuid");
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
    return Error::from_errno(errno, "prctl(PR_SET_NO_NEW_PRIVS)");
  return {};
}

}  // namespace tierhub
