#include <gtest/gtest.h>

#include "storage/scratch/scratch.h"
#include "tests/support/temporary_directory.h"

namespace tierhub {
namespace {

TEST(ScratchObjects, ThatGoWhileTheyAreCountedAreLeftOut) {
  const TemporaryDirectory folder;
  const auto scratch = Scratch::open(folder.path());
  ASSERT_TRUE(scratch.has_value()) << scratch.error().text();
  // In one folder of scratch, so that the names of both are read before either is looked at.
  const InodeNumber both[] = {InodeNumber(0x102), InodeNumber(0x202)};
  for (const InodeNumber inode : both) ASSERT_TRUE(scratch->create(inode).has_value());
  int seen = 0;
  const auto counted = scratch->for_each_object([&](InodeNumber inode, uint64_t) {
    ++seen;
    for (const InodeNumber other : both) {
      if (other == inode) continue;
      EXPECT_TRUE(scratch->set_aside(other).has_value());
      EXPECT_TRUE(scratch->remove_set_aside(other).has_value());
    }
  });
  EXPECT_TRUE(counted.has_value()) << counted.error().text();
  EXPECT_EQ(seen, 1);
}

}  // namespace
}  // namespace tierhub
