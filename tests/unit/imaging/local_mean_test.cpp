#include "imaging/voxels/local_mean.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "tests/unit/imaging/blockwise.h"

namespace tierhub::imaging {
namespace {

// The definition, voxel by voxel.
Volume<uint8_t> slowly(const GreyVolume& volume, const Halo& radius) {
  const Extent& size = volume.extent;
  const auto steps = [](uint64_t length, uint64_t reach) {
    return length > 1 ? static_cast<int64_t>(reach) : 0;
  };
  const auto clamped = [](uint64_t at, int64_t step, uint64_t length) {
    return static_cast<uint64_t>(
        std::clamp<int64_t>(static_cast<int64_t>(at) + step, 0, static_cast<int64_t>(length) - 1));
  };
  const int64_t far_z = steps(size.z, radius.z), far_y = steps(size.y, radius.y),
                far_x = steps(size.x, radius.x);
  Volume<uint8_t> result(size);
  for (uint64_t z = 0; z < size.z; ++z)
    for (uint64_t y = 0; y < size.y; ++y)
      for (uint64_t x = 0; x < size.x; ++x) {
        uint64_t sum = 0, count = 0;
        for (int64_t dz = -far_z; dz <= far_z; ++dz)
          for (int64_t dy = -far_y; dy <= far_y; ++dy)
            for (int64_t dx = -far_x; dx <= far_x; ++dx, ++count)
              sum +=
                  volume.at(clamped(z, dz, size.z), clamped(y, dy, size.y), clamped(x, dx, size.x));
        result.at(z, y, x) = volume.at(z, y, x) * count > sum;
      }
  return result;
}

TEST(LocalMean, IsThatOfItsDefinitionInAnyBlocks) {
  uint64_t bright = 0;
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    const GreyVolume volume = random_volume(random, random_shape(random, 12));
    const Halo radius{random() % 4, random() % 5, random() % 6};
    const auto op = [&](const GreyVolume& part, const Box& grown, const Box& owned,
                        size_t threads) {
      return brighter_than_local_mean(part, grown, owned, radius, volume.extent, Parallel(threads));
    };
    const Box whole = whole_box(volume.extent);
    const Volume<uint8_t> found = op(volume, whole, whole, 1);
    ASSERT_EQ(found, slowly(volume, radius));
    bright += static_cast<uint64_t>(std::count(found.voxels.begin(), found.voxels.end(), 1));
    expect_exact_blocks<uint8_t>(volume, radius, random, op);
  }
  EXPECT_GT(bright, 1000u);
}

// The sum of such a box may be more than 32 bits hold.
TEST(LocalMean, DoesNotDependOnBlocksWithLargeBoxes) {
  std::mt19937_64 random(7);
  const Extent shape{2, 150, 180};
  const Halo radius{0, 100, 170};
  expect_exact_blocks<uint8_t>(
      random_volume(random, shape), radius, random,
      [&](const GreyVolume& part, const Box& grown, const Box& owned, size_t threads) {
        return brighter_than_local_mean(part, grown, owned, radius, shape, Parallel(threads));
      });
}

TEST(LocalMean, DoesNotOverflow) {
  GreyVolume volume({1, 1, 70000});
  std::fill(volume.voxels.begin(), volume.voxels.end(), uint16_t{65535});
  volume.voxels[100] = 65534;
  const Box whole = whole_box(volume.extent);
  const Volume<uint8_t> found =
      brighter_than_local_mean(volume, whole, whole, {0, 0, 32768}, volume.extent);
  // The mean is below 65535 exactly where the darker voxel is counted.
  EXPECT_EQ(found.voxels[99], 1);
  EXPECT_EQ(found.voxels[100], 0);
  EXPECT_EQ(found.voxels[100 + 32768], 1);
  EXPECT_EQ(found.voxels[101 + 32768], 0);
}

}  // namespace
}  // namespace tierhub::imaging
