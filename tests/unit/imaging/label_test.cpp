#include "imaging/voxels/label.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "imaging/voxels/objects.h"
#include "tests/unit/imaging/blockwise.h"

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

// Rows are longer than a word of 64 voxels now and then, and runs end at its edges.
GreyVolume random_foreground(std::mt19937_64& random) {
  const Extent shape = random() % 4 == 0 ? Extent{1 + random() % 3, 1 + random() % 4, 200}
                                         : random_shape(random, 12);
  GreyVolume volume(shape);
  const uint64_t share = 1 + random() % 9;
  const uint64_t length = 1 + random() % 70;
  for (size_t i = 0; i < volume.voxels.size();) {
    const uint16_t value = random() % 10 < share ? 7 : 5;
    for (uint64_t n = 1 + random() % length; n > 0 && i < volume.voxels.size(); --n)
      volume.voxels[i++] = value;
  }
  return volume;
}

TEST(Label, EqualsAFloodFillOnRandomVolumes) {
  for (uint64_t seed = 0; seed < 100; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    const GreyVolume volume = random_foreground(random);
    MaskVolume mask(volume.extent);
    for (size_t i = 0; i < mask.voxels.size(); ++i) mask.voxels[i] = volume.voxels[i] > 5 ? 200 : 0;
    for (const Connectivity connectivity : {Connectivity::full, Connectivity::face}) {
      const LabelVolume expected = flood(volume, 5, connectivity);
      for (const size_t threads : {1, 3}) {
        const Parallel parallel(threads);
        const Labelled labelled = must(label_components(volume, 5, connectivity, parallel));
        ASSERT_EQ(labelled.labels, expected) << threads << " threads";
        ASSERT_EQ(labelled.count,
                  *std::max_element(expected.voxels.begin(), expected.voxels.end()));
        const Labelled masked = must(label_components(mask, connectivity, parallel));
        ASSERT_EQ(masked.labels, expected) << threads << " threads";
      }
    }
  }
}

TEST(Label, FindsNothingAboveTheLargestValue) {
  GreyVolume volume({1, 1, 3});
  volume.voxels = {65535, 65535, 65535};
  EXPECT_EQ(must(label_components(volume, uint64_t{1} << 40, Connectivity::full)).count, 0u);
  EXPECT_EQ(must(label_components(volume, 65534, Connectivity::full)).count, 1u);
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

TEST(Objects, AreSumsOfTheirVoxelsWithEveryNumberOfThreads) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    std::mt19937_64 random(seed);
    LabelVolume labels(random_shape(random, seed % 5 == 0 ? 90 : 9));
    for (uint32_t& label : labels.voxels)
      label = random() % 3 == 0 ? 0 : static_cast<uint32_t>(random() % 4);
    const GreyVolume image = random_volume(random, labels.extent);
    Box box = whole_box(labels.extent);
    box.x = {1000, 1000 + labels.extent.x};
    std::vector<ObjectSums> expected(3);
    for (uint64_t z = 0; z < labels.extent.z; ++z) {
      for (uint64_t y = 0; y < labels.extent.y; ++y) {
        for (uint64_t x = 1000; x < box.x.end; ++x) {
          const uint32_t label = labels.at(z, y, x - 1000);
          const uint64_t intensity = image.at(z, y, x - 1000);
          if (label == 0) continue;
          expected[label - 1].add(
              {1, z, y, x, intensity, {z, y, x}, {z, z + 1}, {y, y + 1}, {x, x + 1}});
        }
      }
    }
    for (const size_t threads : {1, 2, 5})
      ASSERT_EQ(measure(labels, image, box, 3, Parallel(threads)), expected) << "seed " << seed;
  }
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
