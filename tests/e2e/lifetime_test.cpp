// tierd comes and goes: stops, crashes, restarts.
#include <cerrno>
#include <filesystem>

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/tier_fixture.h"

namespace tierhub::test::lifetime_test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
constexpr uint64_t kMiB = 1 << 20;

class Lifetime : public TierTest {
 protected:
  bool is_mounted() const {
    struct statfs fs {};
    if (::statfs(tier.mount.c_str(), &fs) != 0) return errno == ENOTCONN;
    return fs.f_type == FUSE_SUPER_MAGIC;
  }
};

TEST_F(Lifetime, TheMountIsNamedAndForEveryone) {
  tier.start();
  const std::string mounts = read_file("/proc/self/mounts");
  const size_t begin = mounts.find(" " + tier.mount + " ");
  ASSERT_NE(begin, std::string::npos);
  const std::string line = mounts.substr(begin, mounts.find('\n', begin) - begin);
  for (const char* word : {"fuse.tierhub", "allow_other", "default_permissions"})
    EXPECT_THAT(line, ::testing::HasSubstr(word));
  EXPECT_EQ(mounts.substr(begin - 7, 7), "tierhub");
}

TEST_F(Lifetime, SigtermUnmounts) {
  tier.start();
  EXPECT_TRUE(is_mounted());
  EXPECT_LT(tier.stop(), 10s);
  EXPECT_FALSE(is_mounted());
}

TEST_F(Lifetime, SigtermUnmountsThoughFilesAreOpen) {
  write_file(tier.in_archive("cold"), random_bytes(5 * kMiB, 1));
  tier.start();
  const UniqueFd reader(::open(tier.in_mount("cold").c_str(), O_RDONLY | O_CLOEXEC));
  const UniqueFd writer(::open(tier.in_mount("new").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  const UniqueFd folder(::open(tier.mount.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  check(::write(writer.get(), "before", 6), "write");
  EXPECT_LT(tier.stop(), 10s);
  EXPECT_FALSE(is_mounted());
}

TEST_F(Lifetime, WhatAnOpenDescriptorWritesWhileTierdIsAwayIsNotLost) {
  tier.start();
  UniqueFd writer(::open(tier.in_mount("new").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  check(::write(writer.get(), "before, ", 8), "write");
  tier.stop();
  check(::write(writer.get(), "meanwhile, ", 11), "write to a passthrough descriptor");
  tier.start();
  check(::write(writer.get(), "after", 5), "write to a passthrough descriptor");
  writer.reset();
  EXPECT_EQ(read_file(tier.in_mount("new")), "before, meanwhile, after");
  tier.publish();
  EXPECT_EQ(read_file(tier.in_archive("new")), "before, meanwhile, after");
}

TEST_F(Lifetime, EverythingIsThereAfterARestart) {
  write_file(tier.in_archive("hot"), random_bytes(9 * kMiB, 2));
  tier.start();
  tier.prefetch("/hot");
  write_file(tier.in_mount("dirty"), random_bytes(3 * kMiB, 3));
  const Tree before = describe_tree(tier.mount);
  tier.stop();
  tier.start();
  EXPECT_THAT(differences(before, describe_tree(tier.mount)), ::testing::IsEmpty());
  EXPECT_EQ(tier.entry("/hot").state, "hot");
  EXPECT_EQ(tier.entry("/dirty").state, "dirty");
  EXPECT_EQ(tier.status().recall_bytes, 0u);
  tier.publish();
  EXPECT_THAT(differences(before, describe_tree(tier.archive)), ::testing::IsEmpty());
}

TEST_F(Lifetime, InodeNumbersStayOverARestart) {
  write_file(tier.in_archive("cold"), "cold");
  tier.start();
  write_file(tier.in_mount("new"), "new");
  const auto number_of = [&](const std::string& name) {
    struct stat st {};
    check(::stat(tier.in_mount(name).c_str(), &st), "stat " + name);
    return st.st_ino;
  };
  const auto cold = number_of("cold");
  const auto made = number_of("new");
  fs::remove(tier.in_mount("new"));
  tier.stop();
  tier.start();
  EXPECT_EQ(number_of("cold"), cold);
  write_file(tier.in_mount("newer"), "newer");
  EXPECT_NE(number_of("newer"), made) << "that one is gone for good";
}

TEST_F(Lifetime, AKilledTierdLosesNothingAndItsMountIsCleaned) {
  write_file(tier.in_archive("hot"), random_bytes(9 * kMiB, 4));
  tier.start();
  tier.prefetch("/hot");
  write_file(tier.in_mount("dirty"), random_bytes(3 * kMiB, 5));
  const Tree before = describe_tree(tier.mount);
  tier.kill();
  struct stat st {};
  EXPECT_EQ(::stat(tier.mount.c_str(), &st), -1);
  EXPECT_EQ(errno, ENOTCONN) << "a crash leaves its mount behind";
  tier.start();
  EXPECT_THAT(differences(before, describe_tree(tier.mount)), ::testing::IsEmpty());
  EXPECT_EQ(tier.entry("/hot").state, "hot");
  EXPECT_EQ(tier.entry("/hot").resident, 9 * kMiB);
  tier.stop();
  EXPECT_FALSE(is_mounted()) << "two mounts lay over each other";
}

TEST_F(Lifetime, TheHelperDoesNotOutliveTierd) {
  tier.start();
  tier.kill();
  eventually("no process has the archive open", [&] {
    for (const auto& process : fs::directory_iterator("/proc")) {
      std::error_code error;
      for (const auto& fd : fs::directory_iterator(process.path() / "fd", error)) {
        if (fs::read_symlink(fd, error) == tier.archive) return false;
      }
    }
    return true;
  });
}

TEST_F(Lifetime, HotFilesAndWritesGoOnWithoutTheArchive) {
  const std::string content = random_bytes(5 * kMiB, 6);
  write_file(tier.in_archive("hot"), content);
  write_file(tier.in_archive("cold"), content);
  tier.start();
  tier.prefetch("/hot");
  tier.stop();
  fs::rename(tier.archive, tier.archive + ".away");
  fs::create_directory(tier.archive);  // an unmounted NAS is an empty mount point
  tier.start();
  EXPECT_EQ(read_file(tier.in_mount("hot")), content);
  write_file(tier.in_mount("new"), "kept");
  EXPECT_THROW(read_file(tier.in_mount("cold")), std::runtime_error);
  EXPECT_EQ(tier.evict("/hot").files, 0u) << "while the archive is away nothing is evicted";
  EXPECT_NE(tier.status().archive_state, "online");
  tier.stop();
  EXPECT_TRUE(fs::is_empty(tier.archive)) << "nothing is written to a foreign folder";
  fs::remove(tier.archive);
  fs::rename(tier.archive + ".away", tier.archive);
  tier.start();
  EXPECT_EQ(read_file(tier.in_mount("cold")), content);
  tier.publish();
  EXPECT_EQ(read_file(tier.in_archive("new")), "kept");
}

}  // namespace
}  // namespace tierhub::test::lifetime_test
