#include "common/spawn.h"

#include <csignal>
#include <filesystem>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/support/temporary_directory.h"

namespace tierhub {
namespace {

const Account kCarol{3001, 4001, {4001, 4002}, "carol", "/home/carol"};

struct Ended {
  int status = 0;
  std::string output;
};

// Gives the child a pipe for what it writes.
Ended run(SpawnPlan plan) {
  Pipe output = make_pipe().value();
  plan.descriptors.resize(3, SpawnPlan::kEmpty);
  plan.descriptors[1] = plan.descriptors[2] = output.write.get();
  const pid_t child = spawn(plan).value();
  output.write.reset();
  Ended ended;
  char part[512];
  for (ssize_t n = 0; (n = ::read(output.read.get(), part, sizeof part)) > 0;)
    ended.output.append(part, static_cast<size_t>(n));
  ended.status = wait_for_end(child);
  return ended;
}

SpawnPlan shell(const std::string& script) { return {"sh", {"sh", "-c", script}}; }

// Both ways to start a program keep the same promises.
class Spawn : public ::testing::TestWithParam<int> {
 protected:
  SpawnPlan plan(const std::string& script) const {
    SpawnPlan made = shell(script);
    made.death_signal = GetParam();
    return made;
  }
};
INSTANTIATE_TEST_SUITE_P(AtOnceAndForked, Spawn, ::testing::Values(0, SIGKILL));

TEST_P(Spawn, GivesTheChildTheseDescriptorsAndNoOthers) {
  const UniqueFd kept(::open("/", O_RDONLY | O_DIRECTORY));  // not close-on-exec
  SpawnPlan listing = plan("ls /proc/$$/fd | tr '\\n' ' '");
  EXPECT_EQ(run(listing).output, "0 1 2 ");
}

TEST_P(Spawn, CopiesDescriptorsWhosePlacesOverlap) {
  const Pipe a = make_pipe().value();
  const Pipe b = make_pipe().value();
  SpawnPlan writing = plan("echo 3 >&3; echo 4 >&4");
  writing.descriptors = {SpawnPlan::kEmpty, 2, 2, b.write.get(), a.write.get()};
  // Whatever numbers the pipes have, one of them is wanted at the place of another.
  writing.descriptors.resize(static_cast<size_t>(b.write.get()) + 1, SpawnPlan::kEmpty);
  wait_for_end(spawn(writing).value());
  char text[2] = {};
  ASSERT_EQ(::read(b.read.get(), text, 2), 2);
  EXPECT_EQ(text[0], '3');
  ASSERT_EQ(::read(a.read.get(), text, 2), 2);
  EXPECT_EQ(text[0], '4');
}

TEST_P(Spawn, RunsInTheFolderWithTheEnvironmentAndAGroupOfItsOwn) {
  SpawnPlan made = plan("pwd; echo $WORD; ps -o pgid= -p $$ | tr -d ' '; echo $$");
  made.folder = "/usr";
  made.environment = {{"WORD=hello", "PATH=/usr/bin:/bin"}};
  made.group = SpawnPlan::Group::own;
  const std::string output = run(made).output;
  ASSERT_TRUE(output.starts_with("/usr\nhello\n")) << output;
  int group = 0, pid = -1;
  ASSERT_EQ(std::sscanf(output.c_str() + 11, "%d %d", &group, &pid), 2);
  EXPECT_EQ(group, pid);
}

TEST_P(Spawn, LetsSignalsThrough) {
  sigset_t blocked, before;
  ::sigemptyset(&blocked);
  ::sigaddset(&blocked, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &blocked, &before);
  const auto ignored = ::signal(SIGTERM, SIG_IGN);
  const Ended ended = run(plan("kill -TERM $$; sleep 5"));
  ::signal(SIGTERM, ignored);
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  ASSERT_TRUE(WIFSIGNALED(ended.status));
  EXPECT_EQ(WTERMSIG(ended.status), SIGTERM);
}

TEST_P(Spawn, AProgramThatIsNotThereIsAnErrorWithItsName) {
  SpawnPlan made = plan("");
  for (const char* program : {"no-such-program", "/no/such/program"}) {
    made.program = program;
    const auto child = spawn(made);
    ASSERT_FALSE(child);
    EXPECT_TRUE(child.error().is(std::errc::no_such_file_or_directory));
    EXPECT_NE(child.error().text().find(program), std::string::npos);
  }
}

class SpawnAs : public ::testing::Test {
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "only root can start programs as another user";
  }
};

TEST_F(SpawnAs, RunsAsThatUserInASessionOfItsOwn) {
  SpawnPlan made = shell("id -u; id -G; ps -o sid= -p $$ | tr -d ' '; echo $$");
  made.account = kCarol;
  made.group = SpawnPlan::Group::own_session;
  const std::string output = run(made).output;
  ASSERT_TRUE(output.starts_with("3001\n4001 4002\n")) << output;
  int session = 0, pid = -1;
  ASSERT_EQ(std::sscanf(output.c_str() + 15, "%d %d", &session, &pid), 2);
  EXPECT_EQ(session, pid);
}

TEST_F(SpawnAs, EntersTheFolderWithTheRightsOfTheUser) {
  const TemporaryDirectory folder;
  ASSERT_EQ(::chmod(folder.path().c_str(), 0700), 0);
  SpawnPlan made = shell("pwd");
  made.account = kCarol;
  made.folder = folder.path();
  const Ended ended = run(made);
  EXPECT_EQ(WEXITSTATUS(ended.status), 126);
  EXPECT_EQ(ended.output,
            fmt::format("sh cannot start as carol: enter {}: Permission denied\n", folder.path()));
}

TEST_F(SpawnAs, ADeathSignalSurvivesTheChangeOfUser) {
  Pipe output = make_pipe().value();
  const pid_t parent = ::fork();
  if (parent == 0) {
    SpawnPlan made = shell("echo started; exec sleep 60");
    made.descriptors = {SpawnPlan::kEmpty, output.write.get(), 2};
    made.account = kCarol;
    made.death_signal = SIGKILL;
    char line[8];
    const bool started = spawn(made) && ::read(output.read.get(), line, 8) == 8;
    ::_exit(started ? 0 : 1);
  }
  EXPECT_EQ(wait_for_end(parent), 0);
  output.write.reset();
  char byte = 0;
  EXPECT_EQ(::read(output.read.get(), &byte, 1), 0) << "it ends with its parent";
}

}  // namespace
}  // namespace tierhub
