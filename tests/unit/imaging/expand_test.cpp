#include "imaging/voxels/expand.h"

#include <cmath>
#include <limits>
#include <random>
#include <utility>

#include <gtest/gtest.h>

#include "tests/unit/imaging/masks.h"

namespace tierhub::imaging {
namespace {

using test::Position;

constexpr double kNoInnerEdge = -1;

// The nearest of all labelled voxels of the volume, compared one by one.
LabelVolume nearest_labels(const LabelVolume& labels, double from, double to, const Steps& steps) {
  const Extent& size = labels.extent;
  const std::array<int64_t, 3> step = {steps.z, steps.y, steps.x};
  const auto limit = [](double d) { return static_cast<int64_t>(std::floor(256 * d * d)); };
  LabelVolume result(size);
  for (size_t i = 0; i < labels.voxels.size(); ++i) {
    std::pair<int64_t, uint32_t> nearest = {std::numeric_limits<int64_t>::max(), 0};
    for (size_t other = 0; other < labels.voxels.size(); ++other) {
      if (labels.voxels[other] == 0) continue;
      const Position a = test::position(size, i);
      const Position b = test::position(size, other);
      int64_t square = 0;
      for (size_t axis = 0; axis < 3; ++axis)
        square += (a[axis] - b[axis]) * (a[axis] - b[axis]) * step[axis] * step[axis];
      nearest = std::min(nearest, {square, labels.voxels[other]});
    }
    if (nearest.first > limit(to)) continue;
    if (from >= 0 && nearest.first <= limit(from)) continue;
    result.voxels[i] = nearest.second;
  }
  return result;
}

// Some are longer than the tiles that are expanded at once.
Extent random_shape(std::mt19937_64& random, uint64_t seed) {
  if (seed % 10 == 0) return {1 + random() % 3, 140, 1 + random() % 6};
  if (seed % 10 == 5) return {1 + random() % 2, 1 + random() % 4, 300};
  return test::random_extent(random, 8, 17);
}

TEST(Expand, BlocksEqualTheWholeAndTheDefinition) {
  uint64_t added = 0;
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    std::mt19937_64 random(seed);
    const Extent shape = random_shape(random, seed);
    LabelVolume labels(shape);
    const uint64_t one_in = 2 + random() % 60;
    for (uint32_t& label : labels.voxels) {
      if (random() % one_in == 0)
        label = random() % 8 == 0 ? ~uint32_t{0} : static_cast<uint32_t>(1 + random() % 6);
    }
    Steps steps;
    if (seed % 2 == 0)
      steps = {static_cast<uint32_t>(1 + random() % 60), static_cast<uint32_t>(9 + random() % 16),
               16};
    const double to = static_cast<double>(random() % 80) / 10;
    const double from = seed % 3 == 0 ? kNoInnerEdge : to * static_cast<double>(random() % 11) / 10;
    const auto expand = [&](const LabelVolume& part, const Box& grown, const Box& owned,
                            Parallel parallel) {
      return from < 0 ? expand_labels(part, grown, owned, to, steps, shape, parallel).value()
                      : ring_labels(part, grown, owned, from, to, steps, shape, parallel).value();
    };
    const Box all{0, 0, 0, {0, shape.z}, {0, shape.y}, {0, shape.x}};
    const LabelVolume whole = expand(labels, all, all, Parallel(1 + seed % 3));
    ASSERT_EQ(whole, nearest_labels(labels, from, to, steps)) << "seed " << seed;

    const Halo halo = expand_halo(to, steps, shape).value();
    const Extent block{1 + random() % 5, 1 + random() % (shape.y > 100 ? 140 : 9),
                       1 + random() % 9};
    const std::vector<Box> boxes = formats::tile(all, block).value();
    for (const Box& owned : boxes) {
      const Box grown = formats::grow(owned, halo, shape);
      ASSERT_EQ(expand(crop(labels, all, grown), grown, owned, Parallel()), crop(whole, all, owned))
          << "seed " << seed << " " << formats::to_text(owned);
    }
    for (size_t i = 0; i < labels.voxels.size(); ++i)
      added += labels.voxels[i] == 0 && whole.voxels[i] != 0 ? 1 : 0;
  }
  EXPECT_GT(added, 10'000u);
}

TEST(Expand, LooksNoFartherThanTheDistance) {
  EXPECT_EQ(expand_halo(2.5, {40, 16, 16}, {9, 9, 9}).value(), (Halo{1, 2, 2}));
  EXPECT_EQ(expand_halo(2.4, {40, 16, 16}, {9, 9, 9}).value(), (Halo{0, 2, 2}));
  EXPECT_EQ(expand_halo(3, {}, {1, 9, 1}).value(), (Halo{0, 3, 0}));
  EXPECT_FALSE(expand_halo(-1, {}, {9, 9, 9}));
  EXPECT_FALSE(expand_halo(std::nan(""), {}, {9, 9, 9}));
  EXPECT_FALSE(expand_halo(kMaxExpansion + 1, {}, {9, 9, 9}));
}

TEST(Expand, GivesTheSmallerLabelWhatIsEquallyFar) {
  LabelVolume labels({1, 1, 7});
  labels.voxels = {0, 9, 0, 0, 0, 2, 0};
  const Box all{0, 0, 0, {0, 1}, {0, 1}, {0, 7}};
  EXPECT_EQ(expand_labels(labels, all, all, 2, {}, labels.extent).value().voxels,
            (std::vector<uint32_t>{9, 9, 9, 2, 2, 2, 2}));
  EXPECT_EQ(ring_labels(labels, all, all, 1, 2, {}, labels.extent).value().voxels,
            (std::vector<uint32_t>{0, 0, 0, 2, 0, 0, 0}));
  EXPECT_FALSE(ring_labels(labels, all, all, 3, 2, {}, labels.extent));
}

}  // namespace
}  // namespace tierhub::imaging
