#include "imaging/voxels/label.h"

#include <array>
#include <cstdlib>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "imaging/voxels/objects.h"

namespace tierhub::imaging {
namespace {

// Flood fill from each unlabelled voxel in order: slow and obviously right.
LabelVolume flood(const GreyVolume& volume, uint64_t threshold, Connectivity connectivity) {
  LabelVolume labels(volume.extent);
  const Extent& size = volume.extent;
  uint32_t count = 0;
  for (size_t start = 0; start < volume.voxels.size(); ++start) {
    if (volume.voxels[start] <= threshold || labels.voxels[start] != 0) continue;
    labels.voxels[start] = ++count;
    std::vector<size_t> open = {start};
    while (!open.empty()) {
      const size_t i = open.back();
      open.pop_back();
      const auto z = static_cast<int64_t>(i / (size.y * size.x));
      const auto y = static_cast<int64_t>(i / size.x % size.y);
      const auto x = static_cast<int64_t>(i % size.x);
      for (int64_t dz = -1; dz <= 1; ++dz) {
        for (int64_t dy = -1; dy <= 1; ++dy) {
          for (int64_t dx = -1; dx <= 1; ++dx) {
            if (connectivity == Connectivity::face &&
                std::abs(dz) + std::abs(dy) + std::abs(dx) > 1)
              continue;
            const int64_t nz = z + dz, ny = y + dy, nx = x + dx;
            if (nz < 0 || ny < 0 || nx < 0) continue;
            const std::array at = {static_cast<uint64_t>(nz), static_cast<uint64_t>(ny),
                                   static_cast<uint64_t>(nx)};
            if (at[0] >= size.z || at[1] >= size.y || at[2] >= size.x) continue;
            const size_t other = volume.index(at[0], at[1], at[2]);
            if (volume.voxels[other] <= threshold || labels.voxels[other] != 0) continue;
            labels.voxels[other] = count;
            open.push_back(other);
          }
        }
      }
    }
  }
  return labels;
}

TEST(Label, EqualsAFloodFillOnRandomVolumes) {
  std::mt19937_64 random(11);
  for (int round = 0; round < 60; ++round) {
    GreyVolume volume({1 + random() % 7, 1 + random() % 9, 1 + random() % 11});
    const uint64_t share = 1 + random() % 9;
    for (uint16_t& voxel : volume.voxels) voxel = random() % 10 < share ? 7 : 3;
    for (const Connectivity connectivity : {Connectivity::full, Connectivity::face}) {
      const auto labelled = label_components(volume, 5, connectivity);
      ASSERT_TRUE(labelled);
      EXPECT_EQ(labelled->labels, flood(volume, 5, connectivity)) << "round " << round;
    }
  }
}

TEST(Label, CountsOnlyVoxelsBrighterThanTheThreshold) {
  GreyVolume volume({1, 1, 4});
  volume.voxels = {5, 6, 5, 7};
  const auto labelled = label_components(volume, 5, Connectivity::full);
  ASSERT_TRUE(labelled);
  EXPECT_EQ(labelled->labels.voxels, (std::vector<uint32_t>{0, 1, 0, 2}));
  EXPECT_EQ(labelled->count, 2u);
}

TEST(Objects, AreMeasuredInCoordinatesOfTheVolume) {
  LabelVolume labels({1, 2, 2});
  labels.voxels = {1, 0, 1, 2};
  GreyVolume image({1, 2, 2});
  image.voxels = {10, 99, 20, 65535};
  const auto objects = measure(labels, image, Box{0, 0, 0, {5, 6}, {10, 12}, {20, 22}}, 2);
  ASSERT_EQ(objects.size(), 2u);
  EXPECT_EQ(objects[0], (ObjectSums{2, 10, 21, 40, 30, {5, 10, 20}, {5, 6}, {10, 12}, {20, 21}}));
  EXPECT_EQ(objects[1], (ObjectSums{1, 5, 11, 21, 65535, {5, 11, 21}, {5, 6}, {11, 12}, {21, 22}}));
}

TEST(Objects, ComeBackFromTheirText) {
  const std::vector<ObjectSums> objects = {
      {2, 10, 21, 40, 30, {5, 10, 20}, {5, 6}, {10, 12}, {20, 21}},
      {1, 5, 11, 21, ~uint64_t{0}, {5, 11, 21}, {5, 6}, {11, 12}, {21, 22}}};
  const auto read = objects_from_text(objects_to_text(objects), "objects.txt");
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, objects);
}

}  // namespace
}  // namespace tierhub::imaging
