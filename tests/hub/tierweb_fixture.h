// The real tierd with the real tierweb in front of it.
#pragma once

#include <string>
#include <vector>

#include "tests/hub/browser.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/tier_fixture.h"

namespace tierhub::test {

class TierwebTest : public TierTest {
 protected:
  // tierd has run, the mount is open to other users, and there is a page.
  void SetUp() override;
  void TearDown() override;

  // Starts `tierweb ARGUMENTS` with the socket and the page; waits for nothing.
  void start_tierweb(std::vector<std::string> arguments, const Environment& environment = {});
  // tierweb --here with these arguments; returns the link that it prints.
  std::string start_and_print_link(const Environment& environment = {},
                                   const std::vector<std::string>& more = {});
  // The same, and signs in.
  Browser start_here(const Environment& environment = {});
  // For everybody: PAM lets everyone in whose password is "secret".
  uint16_t start_for_everybody();
  // Signs in by the form; the status of the answer.
  static int sign_in(Browser& browser, const std::string& user, const std::string& password);
  // SIGTERM; the exit code.
  int stop_tierweb();
  // SIGKILL.
  void kill_tierweb();

  // The process that serves a person: tierweb --worker as this user; -1 if there is none.
  static pid_t worker_of(uid_t uid);
  std::string printed() const;  // what tierweb has said so far

  TemporaryDirectory place_;
  std::string page_;
  pid_t tierweb_ = -1;
};

// The value of a line of /proc/PID/status.
std::string process_status(pid_t pid, const std::string& name);

}  // namespace tierhub::test
