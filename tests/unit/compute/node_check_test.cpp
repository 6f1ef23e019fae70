// The check of a node: its part runs in a child of this process, as on a node.
#include "compute/executors/node_check.h"

#include <filesystem>
#include <functional>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "common/posix.h"
#include "common/run_as.h"
#include "common/spawn.h"
#include "compute/executors/process.h"
#include "tests/support/temporary_directory.h"

namespace tierhub::compute {
namespace {
namespace fs = std::filesystem;

class NodeCheckTest : public ::testing::Test {
 protected:
  NodeCheckTest() {
    fs::create_directories(folder_ / "mount");
    fs::create_directories(folder_ / "work");
    fs::create_directories(folder_ / "bin");
    order_.nonce = "00112233445566778899aabbccddeeff";
    order_.version = TIERHUB_VERSION;
    order_.uid = ::getuid();
    order_.gid = ::getgid();
    order_.user = find_user_name(order_.uid).value().value_or("");
    order_.places = {folder_ / "mount", folder_ / "work"};
    order_.programs = {{"sh", "/bin:/usr/bin", "/"}};
  }

  // What the check finds; empty: nothing. `meanwhile` happens once the folders are made.
  std::string fault(const std::function<void()>& meanwhile = [] {}) {
    Pipe input = make_pipe().value();
    Pipe output = make_output_pipe().value();
    Result<NodeCheck> check = NodeCheck::begin(order_);
    EXPECT_TRUE(check) << check.error().text();
    meanwhile();
    const pid_t node = ::fork();
    if (node == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
      ::dup2(input.read.get(), STDIN_FILENO);
      ::dup2(output.write.get(), STDOUT_FILENO);
      input.write.reset();
      output.write.reset();
      ::_exit(check_node());
    }
    output.write.reset();
    EXPECT_TRUE(posix::write_all(input.write.get(), to_json(order_)));
    while (output.read && !check->is_over()) {
      const std::string answer = check->hear(read_now(output.read));
      if (!answer.empty()) {
        EXPECT_TRUE(posix::write_all(input.write.get(), answer));
      }
      ::poll(nullptr, 0, 5);
    }
    input.write.reset();
    int status = 0;
    ::waitpid(node, &status, 0);
    check->step_ended("exit");
    check->end();
    for (const std::string& place : order_.places)
      EXPECT_TRUE(fs::is_empty(place)) << "something is left in " << place;
    rate_ = check->read_rate();
    return check->fault();
  }
  void write_program(const std::string& name, const std::string& script) {
    const std::string file = folder_ / ("bin/" + name);
    ASSERT_TRUE(posix::replace_file(file, "#!/bin/sh\n" + script));
    ::chmod(file.c_str(), 0755);
  }
  void expect_fault(const std::string& part) {
    const std::string found = fault();
    EXPECT_NE(found.find(part), std::string::npos) << found;
  }

  TemporaryDirectory folder_;
  NodeOrder order_;
  double rate_ = 0;
};

TEST(NodeOrder, ComesBackAsItWas) {
  NodeOrder order;
  order.nonce = "n";
  order.version = "1.2.3";
  order.uid = 1000;
  order.gid = 100;
  order.groups = {4, 27};
  order.user = "alice";
  order.places = {"/mnt/caf\xe9", "/work"};
  order.programs = {{"imgop", "/a:/b", "/work"}};
  order.setup = "/etc/setup.sh";
  order.read = "/mnt/f";
  order.least_read_rate = 7;
  order.least_free_tmp = 8;
  const std::string line = to_json(order);
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  const Result<NodeOrder> back = parse_node_order(line);
  ASSERT_TRUE(back) << back.error().text();
  EXPECT_EQ(to_json(*back), line);
  EXPECT_EQ(back->places, order.places);
  EXPECT_EQ(back->groups, order.groups);
  EXPECT_FALSE(parse_node_order("{}"));
}

TEST_F(NodeCheckTest, FindsNoFaultWithThisMachine) {
  EXPECT_EQ(fault(), "");
  EXPECT_EQ(rate_, 0);
}

TEST_F(NodeCheckTest, MissesTheMount) {
  const std::string found =
      fault([&] { fs::remove_all(check_folder(order_.places[0], order_.nonce)); });
  EXPECT_EQ(found,
            order_.places[0] + " is not the folder that it is here: mount it at the same path");
}

TEST_F(NodeCheckTest, KnowsAnotherFolderAtTheSamePath) {
  const std::string found = fault([&] {
    ASSERT_TRUE(posix::replace_file(check_folder(order_.places[1], order_.nonce) + "/here", "x"));
  });
  EXPECT_EQ(found, "a file in " + order_.places[1] + " has other content there than here");
}

TEST_F(NodeCheckTest, ComparesUsersAndGroups) {
  order_.user = "somebody-else";
  expect_fault("the user of the number " + std::to_string(order_.uid) + " is ");
  order_.user.clear();
  order_.groups = {4'000'000};
  expect_fault("do not have the group 4000000");
  order_.groups.clear();
  order_.gid += 1;
  expect_fault("instead of " + std::to_string(order_.gid));
  order_.uid += 1;
  expect_fault("instead of " + std::to_string(order_.uid));
}

TEST_F(NodeCheckTest, LooksForProgramsAndComparesVersions) {
  order_.programs.push_back({"no-such-program", folder_ / "bin", "/"});
  expect_fault("the program 'no-such-program' is in none of");
  // A setup script may say where it is.
  write_program("no-such-program", "exit 0\n");
  order_.programs.back().search_path = "/bin:/usr/bin";
  ASSERT_TRUE(posix::replace_file(folder_ / "setup.sh", "PATH=$PATH:" + (folder_ / "bin") + "\n"));
  order_.setup = folder_ / "setup.sh";
  EXPECT_EQ(fault(), "");
  order_.setup.clear();
  order_.programs.back() = {"imgop", (folder_ / "bin") + ":/bin:/usr/bin", "/"};
  write_program("imgop", "echo 0.0.1\n");
  expect_fault("its imgop is 0.0.1, here it is " TIERHUB_VERSION);
  write_program("imgop", "echo " TIERHUB_VERSION "\n");
  EXPECT_EQ(fault(), "");
  order_.version = "9.9.9";
  expect_fault("its tieragent is " TIERHUB_VERSION ", here it is 9.9.9");
}

TEST_F(NodeCheckTest, WantsRoomInTmp) {
  order_.least_free_tmp = uint64_t{1} << 60;
  expect_fault("(slurm.free_tmp)");
}

TEST_F(NodeCheckTest, MeasuresHowFastAnInputIsRead) {
  order_.read = folder_ / "input";
  ASSERT_TRUE(posix::replace_file(order_.read, std::string(9 << 20, 'x')));
  EXPECT_EQ(fault(), "");
  EXPECT_GT(rate_, 0);
  order_.least_read_rate = uint64_t{1} << 60;
  expect_fault("(slurm.read_rate)");
}

// The input of a task may be a folder: OME-Zarr, a well.
TEST_F(NodeCheckTest, AFolderAsInputIsNotMeasured) {
  order_.read = folder_ / "image.zarr";
  fs::create_directories(order_.read);
  order_.least_read_rate = uint64_t{1} << 60;
  EXPECT_EQ(fault(), "");
  EXPECT_EQ(rate_, 0);
}

TEST_F(NodeCheckTest, AnInputThatNobodyCanReadIsNoFaultOfTheNode) {
  order_.read = folder_ / "removed";
  EXPECT_EQ(fault(), "");
  EXPECT_EQ(rate_, 0);
}

TEST_F(NodeCheckTest, AnInputThatOnlyTheNodeCannotReadIsAFault) {
  order_.read = folder_ / "input";
  ASSERT_TRUE(posix::replace_file(order_.read, "x"));
  NodeCheck check = NodeCheck::begin(order_).value();
  NodeWord word;
  word.kind = NodeWord::Kind::unreadable;
  word.reason = "it cannot read an input: read: Input/output error";
  check.hear(to_json(word));
  EXPECT_EQ(check.fault(), word.reason);
  check.end();
}

// As with a client of NFS that keeps listings for a while.
TEST_F(NodeCheckTest, GivesUpWhenWhatTheNodeWroteDoesNotAppearHere) {
  NodeCheck check = NodeCheck::begin(order_).value();
  NodeWord wrote;
  wrote.kind = NodeWord::Kind::wrote;
  EXPECT_EQ(check.hear(to_json(wrote)), "");
  const auto begin = SteadyClock::now();
  while (!check.is_over()) {
    EXPECT_EQ(check.look(), "");
    ::poll(nullptr, 0, 10);
  }
  EXPECT_GE(SteadyClock::now() - begin, kSeenWithin);
  EXPECT_NE(check.fault().find("what it wrote into " + order_.places[0] + " was not seen here"),
            std::string::npos)
      << check.fault();
  check.end();
}

TEST_F(NodeCheckTest, ComparesTheClock) {
  NodeWord good;
  good.kind = NodeWord::Kind::good;
  for (const int64_t off_s : {-60, 0, 60}) {
    NodeCheck check = NodeCheck::begin(order_).value();
    good.now = Timestamp{Timestamp::now().ns + off_s * 1'000'000'000};
    check.hear(to_json(good));
    EXPECT_TRUE(check.is_over());
    EXPECT_EQ(check.fault().empty(), off_s == 0) << check.fault();
    if (off_s != 0) {
      EXPECT_NE(check.fault().find(off_s < 0 ? "behind that of this machine"
                                             : "ahead of that of this machine"),
                std::string::npos)
          << check.fault();
    }
    check.end();
  }
}

TEST_F(NodeCheckTest, ThatEndsWithoutAWordIsAFault) {
  NodeCheck check = NodeCheck::begin(order_).value();
  check.hear("srun: something else\n{}\n");
  EXPECT_FALSE(check.is_over());
  check.step_ended("srun: exit code 2: execve(): No such file");
  EXPECT_EQ(check.fault(),
            "its check ended without a word: srun: exit code 2: execve(): No such file");
  check.end();
}

}  // namespace
}  // namespace tierhub::compute
