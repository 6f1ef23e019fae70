// Two people of one hub, one of whom means harm: what everything that is sent to them must be like.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tests/hub/tierweb_fixture.h"

namespace tierhub::test {

constexpr uid_t kAttacker = 1;  // two users that every system has: daemon
constexpr uid_t kVictim = 5;    // games

class HubAttacks : public TierwebTest {
 protected:
  // Both are signed in.
  void start_with_both();
  // A folder of the mount with that owner and mode.
  std::string make_folder(const std::string& name, uid_t owner, mode_t mode) const;
  // An OME-Zarr image of one line of bytes, which somebody owns.
  static void make_image(const std::string& folder, const std::string& voxels, uid_t owner);
  static std::vector<pid_t> children_of(pid_t process);
  // The worker of a person that this hub has started; -1 if there is none. Others run at the same time.
  pid_t own_worker_of(uid_t uid) const;
  // As a header of a request: "Cookie: tierweb=...".
  static std::string cookie(const Browser& browser) {
    return "Cookie: " + browser.cookie_line() + "\r\n";
  }
  std::string host() const { return "Host: 127.0.0.1:" + std::to_string(port_) + "\r\n"; }
  // The statuses of all responses that come for these bytes.
  std::vector<int> statuses(const std::string& bytes) const;

  uint16_t port_ = 0;
  std::optional<Browser> attacker_;
  std::optional<Browser> victim_;
};

// Empty if the answer can do nothing on the hub's origin: it is data, says so, and sets nothing. Else
// what is wrong.
std::string harm_in(const Answer& answer);

}  // namespace tierhub::test
