// scripts/demo.sh --cluster, as a newcomer runs it: it compares the results itself.
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/tier_fixture.h"

namespace tierhub::test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

TEST(ClusterDemo, RunsOnOneTwoAndThreeNodesWithEqualResults) {
  const TemporaryDirectory place;
  const fs::path results = place.path();
  const CommandResult demo =
      run_command({std::string(TIERHUB_SOURCE_DIR) + "/scripts/demo.sh", "--cluster"},
                  {"TIERHUB_DEMO_OUT=" + place.path(), "TIERHUB_DEMO_TASKS=12",
                   "TIERHUB_BIN_DIR=" + fs::path(program("tierd")).parent_path().string()},
                  std::chrono::seconds(280));
  ASSERT_EQ(demo.exit_code, 0) << demo.out << demo.err;
  for (const char* nodes : {"\n1 node  ", "\n2 nodes  ", "\n3 nodes  "})
    EXPECT_THAT(demo.out, HasSubstr(nodes));
  EXPECT_THAT(demo.out, HasSubstr("its results equal those of 1 node, byte for byte: 7 files"));
  EXPECT_THAT(demo.out, HasSubstr("unmounted cleanly"));
  std::ifstream curve(results / "cluster.svg");
  EXPECT_THAT(std::string(std::istreambuf_iterator<char>(curve), {}), HasSubstr("</svg>"));
  for (const char* nodes : {"1", "2", "3"})
    EXPECT_TRUE(fs::exists(results / (std::string("nuclei-") + nodes) / "nuclei.csv")) << nodes;
}

}  // namespace
}  // namespace tierhub::test
