// What a restart of the machine makes doubtful.
#include "compute/run/files_boot.h"

#include <gtest/gtest.h>

#include "common/posix.h"

namespace tierhub::compute {
namespace {

TEST(FilesBoot, OfLocalFilesIsThatOfTheMachine) {
  const auto boot = posix::boot_id();
  ASSERT_TRUE(boot);
  EXPECT_EQ(boot_of_files({"/"}).value(), *boot);
  EXPECT_EQ(boot_of_files({"/proc/there/is/none"}).value(), *boot) << "in doubt";
  EXPECT_EQ(boot_of_files({}).value(), *boot);
}

// f_type is signed where long has 32 bits, and sign-extended by some kernels.
TEST(FilesBoot, OnlyServersThatHaveAFileWhenItIsClosedOutliveIt) {
  for (const long nfs_or_smb : {0x6969L, 0xff534d42L, 0xfe534d42L, static_cast<long>(-11317950)})
    EXPECT_TRUE(is_handed_over_at_close(nfs_or_smb)) << nfs_or_smb;
  constexpr long kExt4 = 0xef53, kXfs = 0x58465342, kBtrfs = 0x9123683e, kFuse = 0x65735546,
                 kLustre = 0x0bd00bd0, kCeph = 0x00c36400, kTmpfs = 0x01021994;
  for (const long other : {kExt4, kXfs, kBtrfs, kFuse, kLustre, kCeph, kTmpfs})
    EXPECT_FALSE(is_handed_over_at_close(other)) << other;
}

TEST(FilesBoot, WhatIsMountedBelowCounts) {
  const std::string mountinfo =
      "22 1 0:21 / / rw - ext4 /dev/sda rw\n"
      "30 22 0:40 / /lab\\040a rw shared:1 - nfs4 server:/lab rw\n"
      "31 30 8:1 / /lab\\040a/results rw - ext4 /dev/sdb rw\n"
      "32 22 8:2 / /lab\\040abc rw - ext4 /dev/sdc rw\n";
  EXPECT_EQ(mounts_below(mountinfo, "/lab a"), std::vector<std::string>{"/lab a/results"});
  EXPECT_TRUE(mounts_below(mountinfo, "/lab abc").empty());
}

}  // namespace
}  // namespace tierhub::compute
