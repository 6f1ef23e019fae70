// A tierd of its own for a test: temporary folders, the built programs, a real mount. The mount is
// in a mount namespace of the test's process, so it cannot outlive the test.
#pragma once

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <sys/types.h>

#include <gtest/gtest.h>

#include "api/client.h"
#include "common/unique_fd.h"
#include "tests/support/command.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/tree.h"

namespace tierhub::test {

using Environment = std::vector<std::string>;  // "NAME=value"

// Asks again and again until `condition` is true; throws with `what` after the deadline.
void eventually(const std::string& what, const std::function<bool()>& condition,
                std::chrono::milliseconds deadline = std::chrono::seconds(20));

class TestTier {
 public:
  // Throws, saying what is missing, where file systems cannot be mounted. A tierd that runs longer
  // than the limit hangs: it is killed.
  explicit TestTier(std::chrono::seconds time_limit = std::chrono::minutes(4));
  // Ends tierd if it still runs, takes the mount away, removes the folders.
  ~TestTier();

  // Where things are. All but the archive's content may be changed before the start.
  std::string archive;
  std::string scratch;
  std::string mount;
  std::string state;
  // The configuration file: key -> value. Nothing is published before someone asks for it, unless
  // `settle_s` is changed; tierd has a keeper only if `keeper` is changed, or if
  // TIERHUB_TEST_KEEPER is `true`.
  std::map<std::string, std::string> settings;
  // Added to the command line.
  std::vector<std::string> more_arguments;
  // tierd runs as this user, who gets all the folders. Others, root too, may not get into the
  // mount then: whoever looks at it must be that user.
  void run_as(uid_t user, gid_t group);
  // "setpriv ..." for run_command.
  std::vector<std::string> as_user(std::vector<std::string> argv) const;

  std::string in_archive(const std::string& path) const { return archive + "/" + path; }
  std::string in_mount(const std::string& path) const { return mount + "/" + path; }
  // Another folder beside the others.
  std::string folder(const std::string& name) const;

  // How long `start` waits: the import of a large archive takes its time.
  std::chrono::milliseconds start_limit = std::chrono::seconds(30);
  // Starts tierd and waits until the mount answers; throws with its log if it ends before.
  void start(const Environment& environment = {});
  // Writes the configuration file anew; a start does that, too.
  void write_settings() const;
  // Starts it and waits for nothing.
  void spawn(const Environment& environment = {});
  // Starts it and waits for its end: what it says when it cannot start.
  CommandResult start_and_fail(const Environment& environment = {});
  // Waits until tierd ended by itself; the code as in CommandResult.
  int wait_for_end(std::chrono::milliseconds time_limit);
  // SIGTERM; returns how long it took. Throws if it takes longer than 10 s or fails.
  std::chrono::milliseconds stop();
  // SIGKILL, also to the keeper; the mount is left behind as a crash leaves it.
  void kill();
  // With `keeper: true`: the tierd that the keeper started last; -1 while there is none.
  pid_t kept() const;
  // SIGKILL to that one alone.
  void kill_kept() const;
  // A signal to the process that was started: the keeper, if there is one.
  void signal(int number) const { ::kill(process_, number); }
  bool running() const { return process_ > 0; }

  api::Client client() const;
  api::Status status() const;
  api::Entry entry(const std::string& path) const;
  // The calls of the API, waited for; they throw if what was asked for did not happen.
  api::Prefetch prefetch(const std::string& path) const;
  api::EvictResult evict(const std::string& path) const;
  void publish(const std::string& path = "/") const;
  void scan() const;
  // Waits until no file has a byte left in it.
  void wait_until_scratch_is_empty() const;
  CommandResult tierctl(std::vector<std::string> arguments) const;

  // What tierd has logged so far, all starts together.
  std::string log() const;

 private:
  std::vector<std::string> command_line() const;
  // Where /dev/fuse is for root alone, this process and its children get one as udev makes it.
  void allow_fuse() const;
  void unmount() const;

  TemporaryDirectory place_;
  std::vector<std::string> user_prefix_;
  std::string log_path_;
  pid_t process_ = -1;  // written under mutex_
  // Kills a tierd that hangs, so that a test fails instead of hanging with it.
  std::mutex mutex_;
  std::condition_variable_any ended_;
  std::jthread watchdog_;
};

// A fixture with a tier; the log is printed if the test fails.
class TierTest : public ::testing::Test {
 protected:
  TierTest() = default;
  explicit TierTest(std::chrono::seconds time_limit) : tier(time_limit) {}
  void TearDown() override;
  TestTier tier;
};

// Program beside this one in the build tree.
std::string program(const std::string& name);

}  // namespace tierhub::test
