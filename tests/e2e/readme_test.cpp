// The tour of README.md, word for word: its commands are taken from the file and run as whom it
// says, on a machine that has nothing: /srv, /ssd, /mnt, /run and /var/lib are empty folders of a
// mount namespace of this process.
#include <algorithm>
#include <filesystem>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>

#include "tests/support/command.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/tier_fixture.h"
#include "tests/support/tree.h"

namespace tierhub::test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

// A fenced block of shell commands: "```sh root", "```sh user", or "```sh" for both.
struct Block {
  std::string who;
  std::vector<std::string> lines;
};

std::vector<Block> blocks_of_the_tour() {
  std::istringstream text(read_file(TIERHUB_SOURCE_DIR "/README.md"));
  std::vector<Block> blocks;
  bool in_tour = false;
  bool in_block = false;
  for (std::string line; std::getline(text, line);) {
    if (line.starts_with("## ")) in_tour = line == "## A tour of five minutes";
    if (!in_tour) continue;
    if (line.starts_with("```")) {
      in_block = !in_block;
      if (!in_block) continue;
      if (line != "```sh" && line != "```sh root" && line != "```sh user")
        throw std::runtime_error("who is to run this block of the tour? " + line);
      blocks.push_back({line.substr(std::min<size_t>(line.size(), 6)), {}});
    } else if (in_block) {
      blocks.back().lines.push_back(line);
    }
  }
  return blocks;
}

class Readme : public ::testing::Test {
 protected:
  static constexpr uid_t kUser = 54'321;

  Readme() {
    if (::geteuid() != 0) throw std::runtime_error("this test mounts: run it as root");
    ::chmod(place_.path().c_str(), 0755);
    check(::unshare(CLONE_NEWNS), "unshare");
    check(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "mount --make-rprivate /");
    for (const std::string folder : {"/srv", "/ssd", "/mnt", "/run", "/var/lib"}) {
      if (::mkdir(folder.c_str(), 0755) == 0) made_.push_back(folder);
      cover(folder, place_ / ("machine" + folder));
    }
    // A checkout that an ordinary user can read.
    cover(place_ / "checkout/build/release/bin", "",
          fs::path(program("tierd")).parent_path().string());
    cover(place_ / "checkout/etc", "", TIERHUB_SOURCE_DIR "/etc");
    fs::create_directories(place_ / "home");
    check(::chown((place_ / "home").c_str(), kUser, kUser), "chown");
  }

  ~Readme() override {
    for (auto started = started_.rbegin(); started != started_.rend(); ++started) {
      ::kill(*started, SIGTERM);
      if (wait_for_exit(*started, std::chrono::seconds(20)) < 0) {
        ::kill(*started, SIGKILL);
        wait_for_exit(*started, std::chrono::seconds(20));
      }
    }
    ::umount2("/mnt/tier", MNT_DETACH);
    for (auto covered = covered_.rbegin(); covered != covered_.rend(); ++covered)
      ::umount2(covered->c_str(), MNT_DETACH);
    for (const std::string& folder : made_) ::rmdir(folder.c_str());
  }

  // Binds `source` (made, if it is empty, at `folder` of this test) over `folder`.
  void cover(const std::string& folder, const std::string& empty, std::string source = {}) {
    fs::create_directories(folder);
    if (source.empty()) {
      fs::create_directories(empty);
      source = empty;
    }
    check(::mount(source.c_str(), folder.c_str(), nullptr, MS_BIND, nullptr), "bind " + folder);
    covered_.push_back(folder);
    // What is not this test's must outlive it.
    if (!empty.empty()) return;
    check(::mount(nullptr, folder.c_str(), nullptr, MS_BIND | MS_REMOUNT | MS_RDONLY, nullptr),
          "make read-only " + folder);
  }

  std::vector<std::string> command(const std::string& who, const std::string& script) const {
    std::vector<std::string> argv;
    if (who == "user") {
      const std::string id = std::to_string(kUser);
      argv = {"setpriv", "--reuid=" + id, "--regid=" + id, "--clear-groups"};
    }
    const std::string exports =
        "export HOME=" + (who == "user" ? place_ / "home" : std::string("/root")) +
        "\nunset TIERHUB_SOCKET\ncd " + place_.path() + "/checkout\n" + exports_;
    argv.insert(argv.end(), {"bash", "-euo", "pipefail", "-c", exports + script});
    return argv;
  }
  CommandResult run(const std::string& who, const std::string& script) const {
    return run_command(command(who, script), {}, std::chrono::seconds(120));
  }

  static bool stays_in_the_foreground(const std::string& line) {
    return line.starts_with("tierd ") || line.starts_with("tieragent ");
  }

  // Returns once it is at work.
  void start(const std::string& who, const std::string& line) {
    const std::string log = place_ / (line.substr(0, line.find(' ')) + ".log");
    const UniqueFd fd(::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
    started_.push_back(start_program(command(who, "exec " + line), {}, fd.get()));
    const std::string sign = line.starts_with("tierd ") ? "tierctl status" : "ls /srv/jobs/failed";
    eventually(
        line + " works; " + read_file(log), [&] { return run("root", sign).exit_code == 0; },
        std::chrono::seconds(60));
  }

  // Where the reader waits for what was dropped.
  static bool jobs_are_under_way() {
    std::error_code ignored;
    for (const char* folder : {"/srv/jobs/incoming", "/srv/jobs/running"}) {
      if (fs::exists(folder) && !fs::is_empty(folder, ignored)) return true;
    }
    return false;
  }

  void follow(const Block& block) {
    eventually(
        "jobs end", [] { return !jobs_are_under_way(); }, std::chrono::seconds(120));
    std::string script;
    for (const std::string& line : block.lines) {
      if (line.starts_with("export ")) exports_ += line + "\n";
      if (!stays_in_the_foreground(line)) script += line + "\n";
    }
    const CommandResult result = run(block.who, script);
    ASSERT_EQ(result.exit_code, 0) << script << result.out << result.err;
    shown_ += "$ " + script + result.out + result.err;
    if (stays_in_the_foreground(block.lines.back())) start(block.who, block.lines.back());
  }

  TemporaryDirectory place_;
  std::vector<std::string> covered_;
  std::vector<std::string> made_;  // on the machine, by this test
  std::vector<pid_t> started_;
  std::string exports_;
  std::string shown_;
};

TEST_F(Readme, ItsTourWorksWordForWord) {
  const std::vector<Block> blocks = blocks_of_the_tour();
  ASSERT_GE(blocks.size(), 10u);
  for (const Block& block : blocks) {
    SCOPED_TRACE(::testing::PrintToString(block.lines));
    ASSERT_FALSE(block.lines.empty());
    ASSERT_NO_FATAL_FAILURE(follow(block)) << shown_;
  }
  // What it says that the reader sees.
  EXPECT_THAT(shown_, HasSubstr("brain42"));
  EXPECT_THAT(shown_, HasSubstr("cold"));
  EXPECT_THAT(shown_, HasSubstr("hot"));
  EXPECT_THAT(shown_, HasSubstr("mouse 12, left hemisphere"));
  EXPECT_THAT(shown_, HasSubstr("count-nuclei: done"));
  EXPECT_THAT(shown_, HasSubstr("/objects.csv"));
  eventually("the refusal is listed", [&] {
    const CommandResult list = run("root", "tierctl jobs list");
    return list.out.find("--allow-root") != std::string::npos;
  });
  const std::string list = run("root", "tierctl jobs list").out;
  EXPECT_THAT(list, HasSubstr("failed"));
  EXPECT_THAT(list, HasSubstr("done"));
  const std::string tables = run("user", "cat $(find /mnt/tier/results -name objects.csv)").out;
  EXPECT_GE(std::count(tables.begin(), tables.end(), '\n'), 30) << "a line for each nucleus";
}

}  // namespace
}  // namespace tierhub::test
