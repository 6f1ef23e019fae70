#include "imaging/voxels/fill.h"

#include <algorithm>
#include <random>

#include <gtest/gtest.h>

#include "tests/unit/imaging/masks.h"

namespace tierhub::imaging {
namespace {

// Passes over the whole array until no voxel changes.
test::Mask filled(const test::Mask& mask, const Extent& shape) {
  const Extent& size = mask.extent;
  test::Mask outside(size);
  for (bool is_changed = true; is_changed;) {
    is_changed = false;
    for (size_t i = 0; i < mask.voxels.size(); ++i) {
      if (mask.voxels[i] != 0 || outside.voxels[i] != 0) continue;
      const test::Position at = test::position(size, i);
      bool is_reached =
          (shape.z > 1 && (at[0] == 0 || at[0] + 1 == static_cast<int64_t>(size.z))) ||
          (shape.y > 1 && (at[1] == 0 || at[1] + 1 == static_cast<int64_t>(size.y))) ||
          (shape.x > 1 && (at[2] == 0 || at[2] + 1 == static_cast<int64_t>(size.x)));
      for (const size_t other : test::neighbours(size, i, Connectivity::face))
        is_reached = is_reached || outside.voxels[other] != 0;
      if (!is_reached) continue;
      outside.voxels[i] = 1;
      is_changed = true;
    }
  }
  test::Mask result(size);
  for (size_t i = 0; i < mask.voxels.size(); ++i) result.voxels[i] = 1 - outside.voxels[i];
  return result;
}

TEST(Fill, FillsWhatHasNoWayOutOnRandomMasks) {
  uint64_t all_filled = 0;
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    std::mt19937_64 random(seed);
    const Extent size = test::random_extent(random, 9, 14);
    test::Mask mask(size);
    const uint64_t share = 4 + random() % 5;
    for (uint8_t& voxel : mask.voxels) voxel = random() % 10 < share ? 1 + random() % 255 : 0;
    const Extent shape = seed % 3 == 0 ? Extent{9, 20, 20} : size;
    const test::Mask expected = filled(mask, shape);
    const auto empty = static_cast<uint64_t>(std::count(mask.voxels.begin(), mask.voxels.end(), 0));
    const uint64_t count = fill_holes(mask, shape);
    ASSERT_EQ(mask, expected) << "seed " << seed;
    EXPECT_EQ(count,
              empty - static_cast<uint64_t>(std::count(mask.voxels.begin(), mask.voxels.end(), 0)));
    all_filled += count;
  }
  EXPECT_GT(all_filled, 300u);
}

TEST(Fill, ARingInAPlaneIsFilledInTwoDimensionsOnly) {
  test::Mask ring({1, 3, 3});
  ring.voxels = {1, 1, 1, 1, 0, 1, 1, 1, 1};
  test::Mask plane = ring;
  EXPECT_EQ(fill_holes(plane, {1, 50, 50}), 1u);
  EXPECT_EQ(plane.voxels, std::vector<uint8_t>(9, 1));
  test::Mask slice = ring;
  EXPECT_EQ(fill_holes(slice, {2, 50, 50}), 0u);
  EXPECT_EQ(slice, ring);
}

TEST(Fill, ADiagonalGapIsNoWayOut) {
  test::Mask mask({1, 4, 4});
  mask.voxels = {0, 1, 1, 0, 1, 0, 0, 1, 1, 0, 0, 1, 0, 1, 1, 0};
  EXPECT_EQ(fill_holes(mask, {1, 4, 4}), 4u);
}

}  // namespace
}  // namespace tierhub::imaging
