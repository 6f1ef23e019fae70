#include "migrator/scan_schedule.h"

#include <thread>

#include <gtest/gtest.h>

#include "common/fault_points.h"
#include "tests/unit/migrator/tier_by_path.h"

namespace tierhub::test::scan_schedule_test {
namespace {

// What happens while a scan runs, behind where it has been already.
TierByPath* running_world = nullptr;
ScanSchedule* running_schedule = nullptr;

void add_behind_the_scan() {
  running_world->write_in_archive("behind", "added behind the scan");
  running_schedule->scan_anew();
}

TEST(ScanSchedule, ScansAnewBehindTheScanThatRuns) {
  TierByPath world;
  Scanner scanner(*world.inodes, *world.scratch, *world.archive, world.tree_mutex, {});
  ScanSchedule::Options options;
  options.every_s = 0;
  options.at_start = false;
  ScanSchedule schedule(*world.catalog, scanner, *world.publisher, *world.archive, options);
  world.write_in_archive("first", "there before");
  running_world = &world;
  running_schedule = &schedule;
  arm_fault_point("scan.after_commit", 1, add_behind_the_scan);
  schedule.start();
  schedule.scan(Scanner::Removals::guarded);
  const auto deadline = SteadyClock::now() + std::chrono::seconds(20);
  while (schedule.progress().running && SteadyClock::now() < deadline) std::this_thread::yield();
  schedule.stop();
  arm_fault_point("", 1, nullptr);
  EXPECT_EQ(schedule.progress().error, "");
  EXPECT_TRUE(value_of(world.catalog->lookup(kRootInode, "first")));
  EXPECT_TRUE(value_of(world.catalog->lookup(kRootInode, "behind")));
}

}  // namespace
}  // namespace tierhub::test::scan_schedule_test
