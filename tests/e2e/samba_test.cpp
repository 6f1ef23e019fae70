// Samba serving the mount: what its own tests find on a share of the mount is what they find on a
// share of a native folder. The shares are those that docs/SAMBA.md recommends.
#include <filesystem>
#include <optional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/samba_server.h"
#include "tests/support/tier_fixture.h"
#include "tests/support/tree.h"

namespace tierhub::test {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::Pair;
constexpr uint64_t kMiB = 1 << 20;

struct Path {
  const char* name;
  const char* passthrough;  // the setting
};

class Samba : public TierTest, public ::testing::WithParamInterface<Path> {
 protected:
  Samba() : TierTest(std::chrono::minutes(14)) {
    tier.settings["log_level"] = "info";
    tier.settings["passthrough"] = GetParam().passthrough;
  }
  void SetUp() override {
    tier.start();
    fs::create_directory(tier.in_mount("share"));
    server_.emplace(tier.folder("samba"));
    for (const std::string section : {"data", "data-windows-acl"}) {
      server_->add_share("native-" + section, section, native());
      server_->add_share("mount-" + section, section, shared());
    }
    server_->start();
  }
  void TearDown() override {
    server_.reset();  // it uses the mount
    TierTest::TearDown();
  }
  std::string native() const { return tier.folder("native"); }
  std::string shared() const { return tier.in_mount("share"); }

  void compare(const std::string& section, const std::string& test, const std::string& passes) {
    const auto expected = server_->torture("native-" + section, test, native());
    EXPECT_EQ(server_->torture("mount-" + section, test, shared()), expected) << test;
    EXPECT_THAT(expected, Contains(Pair(passes, "success"))) << test << ": it tests nothing";
  }

  std::optional<SambaServer> server_;
};

TEST_P(Samba, ItsTestsFindTheMountToBeANativeFolder) {
  // Suite -> a test of it that passes on any good server.
  const std::pair<const char*, const char*> kSuites[] = {
      {"smb2.connect", "connect"},
      {"smb2.read", "eof"},
      {"smb2.rename", "simple"},
      {"smb2.rw", "rw1"},
      {"smb2.dir", "find"},
      {"smb2.lock", "lock"},
      {"smb2.create", "delete"},
      {"smb2.streams", "io"},
      {"smb2.kernel-oplocks", "kernel_oplocks8"},
      {"smb2.timestamps", "time_t_15032385535"},
      {"smb2.compound", "related1"},
      {"smb2.ioctl", "copy_chunk_simple"},
      {"smb2.sharemode", "sharemode-access"},
      {"smb2.deny", "deny1"},
      {"smb2.delete-on-close-perms", "CREATE"},
      {"smb2.fileid", "unique"},
      {"smb2.getinfo", "granted"},
      {"smb2.openattr", "openattr"},
      {"smb2.winattr", "winattr"},
      {"smb2.mkdir", "mkdir"},
  };
  for (const auto& [suite, passes] : kSuites) compare("data", suite, passes);
}

TEST_P(Samba, KeepsWindowsAccessListsAsANativeFolderDoes) {
  compare("data-windows-acl", "smb2.acls", "INHERITANCE");
  compare("data-windows-acl", "smb2.create", "aclfile");
}

TEST_P(Samba, ALargeFileOfAClientComesBackFromTheArchive) {
  const std::string content = random_bytes(200 * kMiB, 1);
  const std::string here = tier.folder("client");
  write_file(here + "/sent", content);
  const auto told = [&](const std::string& commands) {
    const auto result = server_->client("mount-data", commands);
    EXPECT_EQ(result.exit_code, 0) << commands << result.out << result.err;
    return result.out;
  };
  told("mkdir folder; put " + here + "/sent folder/a; rename folder/a folder/b");
  told("get folder/b " + here + "/hot");
  EXPECT_TRUE(read_file(here + "/hot") == content);
  EXPECT_TRUE(read_file(shared() + "/folder/b") == content);
  tier.publish();
  EXPECT_TRUE(read_file(tier.in_archive("share/folder/b")) == content);
  tier.evict("/");
  EXPECT_EQ(tier.entry("/share/folder/b").state, "cold");
  told("get folder/b " + here + "/cold");
  EXPECT_TRUE(read_file(here + "/cold") == content);
  told("rm folder/b; rmdir folder");
  EXPECT_TRUE(fs::is_empty(shared()));
  tier.publish();
  EXPECT_TRUE(fs::is_empty(tier.in_archive("share")));
}

INSTANTIATE_TEST_SUITE_P(Of, Samba,
                         ::testing::Values(Path{"Passthrough", "true"}, Path{"Daemon", "false"}),
                         [](const auto& path) { return std::string(path.param.name); });

}  // namespace
}  // namespace tierhub::test
