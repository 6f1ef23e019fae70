// An archive that is far away: behind a file system that delays every request by 8 ms, and that can
// be made to hang.
#pragma once

#include <csignal>
#include <string>

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/statfs.h>

#include "tests/support/tier_fixture.h"

namespace tierhub::test {

class SlowArchiveTest : public TierTest {
 protected:
  void SetUp() override {
    fast_ = tier.archive;
    tier.archive = tier.folder("slow archive");
    const UniqueFd output(::open("/dev/null", O_WRONLY | O_CLOEXEC));
    slowfs_ =
        start_program({"setpriv", "--pdeathsig", "KILL", program("slowfs"), fast_, tier.archive},
                      {}, output.get());
    eventually("slowfs is mounted", [&] {
      struct statfs fs {};
      return ::statfs(tier.archive.c_str(), &fs) == 0 && fs.f_type == FUSE_SUPER_MAGIC;
    });
  }
  void TearDown() override {
    TierTest::TearDown();
    if (tier.running()) tier.kill();
    ::umount2(tier.archive.c_str(), MNT_DETACH);
    ::kill(slowfs_, SIGKILL);
    wait_for_exit(slowfs_, std::chrono::seconds(10));
  }
  std::string in_fast(const std::string& path) const { return fast_ + "/" + path; }
  // From now on the archive does not answer; until it goes on.
  void hang() const { ::kill(slowfs_, SIGSTOP); }
  void go_on() const { ::kill(slowfs_, SIGCONT); }
  std::string fast_;  // the folder itself

 private:
  pid_t slowfs_ = -1;
};

}  // namespace tierhub::test
