#include "imaging/voxels/distance.h"

#include <algorithm>
#include <limits>
#include <random>

#include <gtest/gtest.h>

#include "tests/unit/imaging/masks.h"

namespace tierhub::imaging {
namespace {

using test::Position;

// Over every voxel of the array, and of a shell of one voxel around it.
uint64_t nearest_background(const test::Mask& mask, size_t i, const Steps& steps,
                            const Extent& shape) {
  const Extent& size = mask.extent;
  const Position at = test::position(size, i);
  const std::array<int64_t, 3> step = {steps.z, steps.y, steps.x};
  const std::array<int64_t, 3> shell = {shape.z > 1, shape.y > 1,
                                        shape.x > 1 || shape.voxels() == 1};
  uint64_t nearest = std::numeric_limits<uint64_t>::max();
  for (int64_t z = -shell[0]; z < static_cast<int64_t>(size.z) + shell[0]; ++z) {
    for (int64_t y = -shell[1]; y < static_cast<int64_t>(size.y) + shell[1]; ++y) {
      for (int64_t x = -shell[2]; x < static_cast<int64_t>(size.x) + shell[2]; ++x) {
        const Position other = {z, y, x};
        if (test::is_inside(size, other) && mask.at(z, y, x) != 0) continue;
        uint64_t square = 0;
        for (size_t axis = 0; axis < 3; ++axis) {
          const int64_t offset = (other[axis] - at[axis]) * step[axis];
          square += static_cast<uint64_t>(offset * offset);
        }
        nearest = std::min(nearest, square);
      }
    }
  }
  return nearest;
}

TEST(Distance, IsThatOfTheNearestBackgroundOnRandomMasks) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    std::mt19937_64 random(seed);
    const Extent size = test::random_extent(random, 7, 13);
    const test::Mask mask = test::random_mask(random, size);
    Steps steps;
    if (seed % 2 == 0)
      steps = {static_cast<uint32_t>(1 + random() % 99), static_cast<uint32_t>(1 + random() % 40),
               static_cast<uint32_t>(1 + random() % 40)};
    // The array may be one voxel long where the volume is longer.
    const Extent shape = seed % 3 == 0 ? Extent{9, 20, 20} : size;
    const Volume<uint64_t> squares = squared_distance(mask, steps, shape);
    ASSERT_EQ(squares.extent, size);
    for (size_t i = 0; i < mask.voxels.size(); ++i) {
      const uint64_t expected = mask.voxels[i] == 0 ? 0 : nearest_background(mask, i, steps, shape);
      ASSERT_EQ(squares.voxels[i], expected) << "seed " << seed << " voxel " << i;
    }
  }
}

TEST(Distance, CountsBeyondTheArrayAsBackground) {
  test::Mask mask({1, 3, 5});
  std::fill(mask.voxels.begin(), mask.voxels.end(), 1);
  EXPECT_EQ(squared_distance(mask, {}, {1, 3, 5}).voxels,
            (std::vector<uint64_t>{256, 256, 256, 256, 256, 256, 1024, 1024, 1024, 256, 256, 256,
                                   256, 256, 256}));
  EXPECT_EQ(squared_distance(mask, {8, 16, 16}, {4, 3, 5}).voxels, std::vector<uint64_t>(15, 64));
}

TEST(Distance, OfAVolumeOfOneVoxelIsOneStep) {
  test::Mask mask({1, 1, 1});
  mask.voxels = {1};
  EXPECT_EQ(squared_distance(mask, {}, {1, 1, 1}).voxels, std::vector<uint64_t>{256});
}

TEST(Distance, SquareRootsAreRoundedDown) {
  for (const uint64_t root :
       {uint64_t{0}, uint64_t{1}, uint64_t{2}, uint64_t{65535}, (uint64_t{1} << 31) - 1}) {
    EXPECT_EQ(floor_sqrt(root * root), root);
    EXPECT_EQ(floor_sqrt(root * root + root), root);
    EXPECT_EQ(floor_sqrt((root + 1) * (root + 1) - 1), root);
  }
}

}  // namespace
}  // namespace tierhub::imaging
