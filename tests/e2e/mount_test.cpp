// Who mounts, and what the mount allows.
#include <cerrno>
#include <filesystem>

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/tier_fixture.h"

namespace tierhub::test::mount_test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using namespace std::chrono_literals;
constexpr uid_t kUser = 65534;
constexpr uint64_t kMiB = 1 << 20;

class OrdinaryUser : public TierTest {
 protected:
  OrdinaryUser() { tier.run_as(kUser, kUser); }
  CommandResult run(const std::string& script) const {
    return run_command(tier.as_user({"sh", "-c", "cd " + tier.mount + " && " + script}));
  }
  std::string output(const std::string& script) const {
    const auto result = run(script);
    EXPECT_EQ(result.exit_code, 0) << result.text;
    return result.out;
  }
  void own(const std::string& path) const { check(::chown(path.c_str(), kUser, kUser), "chown"); }
};

TEST_F(OrdinaryUser, HasATierOfTheirOwn) {
  const std::string content = random_bytes(5 * kMiB, 1);
  write_file(tier.in_archive("cold"), content);
  own(tier.in_archive("cold"));
  tier.start();
  EXPECT_EQ(output("cat cold"), content);
  output("mkdir folder && printf new > folder/new && chmod 600 folder/new && mv cold folder/");
  EXPECT_EQ(output("cat folder/new; stat -c '%u %a' folder/new"), "new65534 600\n");
  tier.publish();
  EXPECT_EQ(read_file(tier.in_archive("folder/new")), "new");
  EXPECT_EQ(tier.evict("/").skipped_files, 0u);
  EXPECT_EQ(output("cat folder/cold"), content);
  EXPECT_EQ(tier.status().data_path, "splice");
  EXPECT_LT(tier.stop(), 10s);
  EXPECT_THAT(read_file("/proc/self/mounts"), ::testing::Not(HasSubstr(tier.mount)));
}

TEST_F(OrdinaryUser, IsToldWhatTheyDoWithout) {
  tier.start();
  // tierd says so once the kernel has told what it can, which the mount does not wait for.
  eventually("it is told",
             [&] { return tier.log().find("passthrough needs root") != std::string::npos; });
  struct stat st {};
  const int looked = ::stat(tier.mount.c_str(), &st);
  if (tier.log().find("for this user alone") == std::string::npos) {
    EXPECT_EQ(looked, 0) << "/etc/fuse.conf lets users open their mounts to others";
  } else {
    EXPECT_EQ(looked, -1) << "nobody else gets in, not even root";
    EXPECT_EQ(errno, EACCES);
  }
}

TEST_F(OrdinaryUser, KeepsWhatIsOpenAcrossKill9) {
  tier.settings["keeper"] = "true";
  tier.start();
  const UniqueFd log(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  // Writes a line whenever a line of its input tells it to.
  const std::string place = fs::path(tier.mount).parent_path();
  check(::mkfifo((place + "/fifo").c_str(), 0666), "mkfifo");
  check(::chmod((place + "/fifo").c_str(), 0666), "chmod");
  const pid_t writer = start_program(
      tier.as_user({"sh", "-c",
                    fmt::format("exec 3>{0}/file; while read line; do echo $line >&3 || exit 1; "
                                "done < {1}/fifo",
                                tier.mount, place)}),
      {}, log.get());
  UniqueFd lines(::open((place + "/fifo").c_str(), O_WRONLY | O_CLOEXEC));
  check(::write(lines.get(), "one\n", 4), "write");
  eventually("the first line is written", [&] { return run("cat file").out == "one\n"; });
  tier.kill_kept();
  check(::write(lines.get(), "two\n", 4), "write");
  lines.reset();
  EXPECT_EQ(wait_for_exit(writer, 20s), 0);
  EXPECT_EQ(output("cat file"), "one\ntwo\n");
  EXPECT_LT(tier.stop(), 10s);
}

TEST_F(OrdinaryUser, CannotAskForWhatOnlyRootMayMount) {
  tier.more_arguments = {"--dev"};
  const auto result = tier.start_and_fail();
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("only root can mount with --dev"));
}

class MountOptions : public TierTest {
 protected:
  // What reading a device node in the mount gives: 0 or errno.
  int read_from_device() {
    const std::string path = tier.in_mount("zero");
    check(::mknod(path.c_str(), S_IFCHR | 0666, makedev(1, 5)), "mknod");
    const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) return errno;
    char byte = 1;
    check(::read(file.get(), &byte, 1), "read");
    EXPECT_EQ(byte, 0);
    return 0;
  }
  // The user as whom a set-user-id program of root runs when another starts it.
  std::string user_of_program() {
    const std::string path = tier.in_mount("id");
    fs::copy_file("/usr/bin/id", path);
    check(::chmod(path.c_str(), 04755), "chmod");
    const auto result =
        run_command({"setpriv", fmt::format("--reuid={}", kUser), fmt::format("--regid={}", kUser),
                     "--clear-groups", path, "-u"});
    EXPECT_EQ(result.exit_code, 0) << result.text;
    return result.out;
  }
};

TEST_F(MountOptions, ByDefaultDeviceNodesAndSetUserIdDoNothing) {
  tier.start();
  EXPECT_EQ(read_from_device(), EACCES);
  EXPECT_EQ(user_of_program(), "65534\n");
}

TEST_F(MountOptions, DeviceNodesAndSetUserIdWorkWhenAskedFor) {
  tier.more_arguments = {"--dev", "--suid"};
  tier.start();
  EXPECT_EQ(read_from_device(), 0);
  EXPECT_EQ(user_of_program(), "0\n");
}

}  // namespace
}  // namespace tierhub::test::mount_test
