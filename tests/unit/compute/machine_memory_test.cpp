#include "compute/run/machine_memory.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "tests/support/temporary_directory.h"

namespace tierhub::compute {
namespace {
namespace fs = std::filesystem;

class Memory : public ::testing::Test {
 protected:
  void write(const std::string& path, const std::string& text) {
    fs::create_directories(fs::path(folder / path).parent_path());
    std::ofstream(folder / path) << text;
  }
  MachineMemory found() { return machine_memory(folder / "proc", folder / "cgroup"); }
  void SetUp() override { write("proc/meminfo", "MemTotal:        1000 kB\nMemFree: 1 kB\n"); }

  TemporaryDirectory folder;
};

TEST_F(Memory, IsThatOfTheMachineWithoutALimit) {
  EXPECT_EQ(found().bytes, 1000u * 1024);
  EXPECT_FALSE(found().is_cgroup_limit);
  write("proc/self/cgroup", "0::/a\n");
  write("cgroup/a/memory.max", "max\n");
  EXPECT_EQ(found().bytes, 1000u * 1024);
  write("cgroup/a/memory.max", "2000000000\n");
  EXPECT_EQ(found().bytes, 1000u * 1024);
  EXPECT_FALSE(found().is_cgroup_limit);
}

TEST_F(Memory, IsTheLowestLimitOfTheGroupsAbove) {
  write("proc/self/cgroup", "0::/system.slice/tieragent.service\n");
  write("cgroup/system.slice/tieragent.service/memory.max", "800000\n");
  write("cgroup/system.slice/memory.max", "500000\n");
  EXPECT_EQ(found().bytes, 500'000u);
  EXPECT_TRUE(found().is_cgroup_limit);
}

TEST_F(Memory, CountsTheLimitsOfVersionOneToo) {
  write("proc/self/cgroup", "5:cpu,cpuacct:/\n4:memory:/box\n0::/\n");
  write("cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  write("cgroup/memory/box/memory.limit_in_bytes", "300000\n");
  EXPECT_EQ(found().bytes, 300'000u);
  EXPECT_TRUE(found().is_cgroup_limit);
}

}  // namespace
}  // namespace tierhub::compute
