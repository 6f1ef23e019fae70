// Programs that people use, on the mount: each checks its own work, then the files are published,
// evicted and looked at again.
#include <cstdlib>
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/tier_fixture.h"

namespace tierhub::test {
namespace {

class PosixTools : public TierTest, public ::testing::WithParamInterface<const char*> {
 protected:
  void find_in_order(const std::string& what);
};

void PosixTools::find_in_order(const std::string& what) {
  tier.settings["log_level"] = "info";
  tier.start();
  std::filesystem::create_directory(tier.in_mount("work"));
  const auto ran = run_command({TIERHUB_SOURCE_DIR "/tests/e2e/posix_tools.sh", what,
                                tier.in_mount("work"), tier.folder("native")},
                               {}, std::chrono::seconds(220));
  ASSERT_EQ(ran.exit_code, 0) << ran.text << ran.err;
  tier.publish();
  const Tree before = describe_tree(tier.mount);
  EXPECT_THAT(differences(before, describe_tree(tier.archive)), ::testing::IsEmpty());
  tier.evict("/");
  EXPECT_THAT(differences(before, describe_tree(tier.mount)), ::testing::IsEmpty());
}

TEST_P(PosixTools, FindTheMountInOrder) { find_in_order(GetParam()); }

// All that they read and write goes through tierd.
class PosixToolsThroughTierd : public PosixTools {};

TEST_P(PosixToolsThroughTierd, FindTheMountInOrder) {
  tier.settings["passthrough"] = "false";
  find_in_order(GetParam());
}

INSTANTIATE_TEST_SUITE_P(Always, PosixTools,
                         ::testing::Values("rsync", "tar", "git", "sqlite", "copy"));
// Larger packages, and longer: the label `tools`.
INSTANTIATE_TEST_SUITE_P(Longer, PosixTools, ::testing::Values("fio", "stress", "dbench"));
INSTANTIATE_TEST_SUITE_P(Longer, PosixToolsThroughTierd,
                         ::testing::Values("fio", "stress", "dbench"));

}  // namespace
}  // namespace tierhub::test
