// Whether an account still exists: a directory (LDAP, Active Directory) that does not answer for a while is
// no reason to sign everybody out.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <set>
#include <string>

namespace tierhub::hub {

// What the system's user database says of a name and its number.
enum class AccountState {
  same,       // the name still has that number
  another,    // it has another one, or the number is another name's
  not_found,  // some databases say so while they cannot ask their server, too
  unknown,    // they could not be asked
};
// May ask the network. Needs a process with one thread.
AccountState look_up_account(const std::string& name, uint32_t uid);

// What errno is after getpwnam() has found nothing: it was asked, and there is no such account.
bool means_not_found(int error);

// Accounts that were not found, by uid. One that has not been found for two minutes, each time that it was
// looked for, is gone.
class MissingAccounts {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::minutes kGoneAfter{2};
  // After such a gap between two looks the two minutes begin again: the account may have been there.
  static constexpr std::chrono::minutes kForgottenAfter{3};

  // It was not found now. True: it is gone.
  bool is_gone(uint32_t uid, Clock::time_point now = Clock::now()) {
    const auto [one, is_new] = missing_.try_emplace(uid, Missing{now, now});
    Missing& missing = one->second;
    if (now - missing.last > kForgottenAfter) missing.first = now;
    missing.last = now;
    return now - missing.first >= kGoneAfter;
  }
  // It was found, or could not be looked for.
  void forget(uint32_t uid) { missing_.erase(uid); }
  std::set<uint32_t> uids() const {
    std::set<uint32_t> uids;
    for (const auto& [uid, missing] : missing_) uids.insert(uid);
    return uids;
  }

 private:
  struct Missing {
    Clock::time_point first;
    Clock::time_point last;
  };
  std::map<uint32_t, Missing> missing_;
};

}  // namespace tierhub::hub
