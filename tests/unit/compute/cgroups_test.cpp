#include "compute/executors/cgroups.h"

#include <filesystem>
#include <fstream>

#include <unistd.h>

#include <gtest/gtest.h>

#include "tests/support/temporary_directory.h"

namespace tierhub::compute {
namespace {
namespace fs = std::filesystem;

class Cgroups : public ::testing::Test {
 protected:
  void write(const std::string& path, const std::string& text) {
    fs::create_directories(fs::path(folder_ / path).parent_path());
    std::ofstream(folder_ / path) << text;
  }
  std::vector<std::string> own() const { return own_cgroups(folder_ / "proc", folder_ / "fs"); }

  const TemporaryDirectory folder_;
};

TEST_F(Cgroups, OfV2AreFoundAtTheRootOfTheHierarchy) {
  write("proc/self/cgroup", "0::/system.slice/tieragent.service\n");
  write("fs/cgroup.controllers", "memory");
  write("fs/system.slice/tieragent.service/cgroup.procs", "1");
  EXPECT_EQ(own(), std::vector<std::string>{folder_ / "fs/system.slice/tieragent.service"});
}

TEST_F(Cgroups, OfV1ThatForMemoryIsFoundAndOfAMixedMachineBoth) {
  write("proc/self/cgroup", "5:devices:/\n4:cpu,memory:/agents\n0::/\n");
  write("fs/memory/agents/cgroup.procs", "1");
  write("fs/unified/cgroup.procs", "1");
  EXPECT_EQ(own(),
            (std::vector<std::string>{folder_ / "fs/memory/agents", folder_ / "fs/unified"}));
}

TEST_F(Cgroups, InAContainerThatSeesOnlyItsOwnTheRootCounts) {
  write("proc/self/cgroup", "0::/docker/1234\n");
  write("fs/cgroup.controllers", "");
  write("fs/cgroup.procs", "1");
  EXPECT_EQ(own(), std::vector<std::string>{folder_ / "fs"});
}

TEST_F(Cgroups, WhereThereAreNoneThereAreNone) {
  EXPECT_TRUE(own().empty());
  write("proc/self/cgroup", "nonsense\n::\n0::/x\n");
  EXPECT_TRUE(own().empty());
  EXPECT_TRUE(RunCgroups::make({folder_ / "missing"}, "run", ::getuid()).paths().empty());
  EXPECT_FALSE(TaskCgroup::make({}, "task", std::nullopt));
}

}  // namespace
}  // namespace tierhub::compute
