#include "imaging/voxels/shape.h"

#include <cmath>
#include <numbers>
#include <random>

#include <gtest/gtest.h>

#include "tests/unit/imaging/masks.h"

namespace tierhub::imaging {
namespace {

using std::numbers::pi;
using test::Position;

constexpr uint32_t kLabels = 4;

// Voxel by voxel, straight from the definition.
std::vector<ShapeSums> plain_sums(const LabelVolume& labels) {
  std::vector<ShapeSums> all(kLabels);
  for (size_t i = 0; i < labels.voxels.size(); ++i) {
    const uint32_t label = labels.voxels[i];
    if (label == 0) continue;
    const auto [z, y, x] = test::position(labels.extent, i);
    ShapeSums one{z * z, y * y, x * x, z * y, z * x, y * x, {}};
    for (size_t d = 0; d < kDirections; ++d) {
      const Direction& step = kDirectionSteps[d];
      if (step.z != 0 && labels.extent.z == 1) continue;
      for (const int sign : {-1, 1}) {
        const Position at = {z + sign * step.z, y + sign * step.y, x + sign * step.x};
        const bool is_same =
            test::is_inside(labels.extent, at) && labels.at(at[0], at[1], at[2]) == label;
        one.crossings[d] += is_same ? 0 : 1;
      }
    }
    all[label - 1].add(one);
  }
  return all;
}

Box box_of(const Extent& shape) { return {0, 0, 0, {0, shape.z}, {0, shape.y}, {0, shape.x}}; }

Shape shape_of(const LabelVolume& labels, const Spacing& spacing = {}) {
  const Box all = box_of(labels.extent);
  const ObjectSums object = measure(labels, GreyVolume(labels.extent), all, 1).at(0);
  const ShapeSums sums = measure_shapes(labels, all, all, labels.extent, 1).at(0);
  return ShapeMeter(labels.extent, spacing)(object, sums);
}

LabelVolume ellipsoid(const Extent& shape, double rz, double ry, double rx) {
  LabelVolume labels(shape);
  for (size_t i = 0; i < labels.voxels.size(); ++i) {
    const auto [z, y, x] = test::position(shape, i);
    const double dz = (static_cast<double>(z) - static_cast<double>(shape.z - 1) / 2) / rz;
    const double dy = (static_cast<double>(y) - static_cast<double>(shape.y - 1) / 2) / ry;
    const double dx = (static_cast<double>(x) - static_cast<double>(shape.x - 1) / 2) / rx;
    if (dz * dz + dy * dy + dx * dx <= 1) labels.voxels[i] = 1;
  }
  return labels;
}

TEST(ShapeSums, OfBlocksAddUpToThoseOfTheWhole) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    std::mt19937_64 random(seed);
    const Extent shape = test::random_extent(random, 8, 17);
    LabelVolume labels(shape);
    for (uint32_t label = 1; label <= kLabels; ++label) {
      const test::Mask mask = test::random_mask(random, shape);
      for (size_t i = 0; i < mask.voxels.size(); ++i)
        if (mask.voxels[i] != 0) labels.voxels[i] = label;
    }
    const Box all = box_of(shape);
    const auto whole = measure_shapes(labels, all, all, shape, kLabels, Parallel(1 + seed % 3));
    ASSERT_EQ(whole, plain_sums(labels)) << "seed " << seed;

    std::vector<ShapeSums> added(kLabels);
    const Extent block{1 + random() % 5, 1 + random() % 9, 1 + random() % 9};
    const std::vector<Box> boxes = formats::tile(all, block).value();
    for (const Box& owned : boxes) {
      const Box grown = formats::grow(owned, shape_halo(shape), shape);
      const auto part = measure_shapes(crop(labels, all, grown), grown, owned, shape, kLabels);
      for (uint32_t i = 0; i < kLabels; ++i) added[i].add(part[i]);
    }
    ASSERT_EQ(added, whole) << "seed " << seed;
  }
}

TEST(Crofton, WeightsOfCubicVoxelsAreThePublishedOnes) {
  const CroftonWeights plane = perimeter_weights({});
  EXPECT_NEAR(plane[0], pi / 8, 1e-12);
  EXPECT_NEAR(plane[1], pi / 8 / std::sqrt(2), 1e-12);
  // Lehmann and Legland's shares of a direction: of an axis, of a face's and of a cube's diagonal.
  const CroftonWeights space = surface_weights({});
  EXPECT_NEAR(space[0], 4 * 0.04577789120476, 1e-6);
  EXPECT_NEAR(space[1], 4 * 0.03698062787608 / std::sqrt(2), 1e-6);
  EXPECT_NEAR(space[4], 4 * 0.03519563978232 / std::sqrt(3), 1e-6);
}

TEST(Shape, OfADiscIsRound) {
  const Shape disc = shape_of(ellipsoid({1, 101, 101}, 1, 40, 40));
  EXPECT_NEAR(disc.equivalent_diameter, 80, 0.5);
  EXPECT_NEAR(disc.axis_lengths[0], 80, 0.5);
  EXPECT_NEAR(disc.axis_lengths[1], 80, 0.5);
  EXPECT_EQ(disc.axis_lengths[2], 0);
  EXPECT_NEAR(disc.boundary, 80 * pi, 1.5);
  EXPECT_NEAR(disc.form_factor, 1, 0.02);
  EXPECT_NEAR(*disc.eccentricity, 0, 0.01);
  EXPECT_NEAR(disc.extent, pi / 4, 0.02);
}

TEST(Shape, OfABallIsRound) {
  const Shape ball = shape_of(ellipsoid({51, 51, 51}, 20, 20, 20));
  EXPECT_NEAR(ball.equivalent_diameter, 40, 0.3);
  for (const double axis : ball.axis_lengths) EXPECT_NEAR(axis, 40, 0.3);
  EXPECT_NEAR(ball.boundary, 4 * pi * 400, 4 * pi * 400 * 0.01);
  EXPECT_NEAR(ball.form_factor, 1, 0.01);
  EXPECT_FALSE(ball.eccentricity);
}

TEST(Shape, SpacingScalesTheAxes) {
  const Shape ball = shape_of(ellipsoid({21, 51, 51}, 8, 20, 20), {2.5, 1, 1});
  for (const double axis : ball.axis_lengths) EXPECT_NEAR(axis, 40, 0.5);
  EXPECT_NEAR(ball.boundary, 4 * pi * 400, 4 * pi * 400 * 0.02);
  EXPECT_NEAR(ball.form_factor, 1, 0.02);
  const Shape disc = shape_of(ellipsoid({1, 51, 101}, 1, 20, 40), {1, 2, 1});
  EXPECT_NEAR(disc.axis_lengths[1], 80, 0.5);
  EXPECT_NEAR(disc.boundary, 80 * pi, 3);
}

TEST(Shape, OrientationIsTheAngleFromYTowardX) {
  LabelVolume labels({1, 9, 9});
  for (uint64_t i = 0; i < 9; ++i) labels.at(0, i, i) = 1;
  const Shape diagonal = shape_of(labels);
  EXPECT_NEAR(*diagonal.orientation, pi / 4, 1e-12);
  EXPECT_NEAR(*diagonal.eccentricity, 1, 1e-12);
  LabelVolume row({1, 3, 9});
  for (uint64_t x = 0; x < 9; ++x) row.at(0, 1, x) = 1;
  EXPECT_NEAR(std::abs(*shape_of(row).orientation), pi / 2, 1e-12);
  EXPECT_EQ(shape_of(row).axis_lengths[1], 0);
}

TEST(Shape, OfOneVoxelIsFinite) {
  LabelVolume labels({1, 1, 1});
  labels.voxels = {1};
  const Shape voxel = shape_of(labels);
  EXPECT_EQ(voxel.size, 1);
  EXPECT_EQ(voxel.axis_lengths[0], 0);
  EXPECT_EQ(*voxel.eccentricity, 0);
  EXPECT_TRUE(std::isfinite(voxel.form_factor));
}

// Far from the origin nothing is lost: sums are integers until the last division.
TEST(Shape, DoesNotDependOnWhereTheObjectLies) {
  const LabelVolume labels = ellipsoid({1, 31, 31}, 1, 9, 14);
  const auto at = [&labels](uint64_t y, uint64_t x) {
    const Box box{0, 0, 0, {0, 1}, {y, y + 31}, {x, x + 31}};
    const Extent shape{1, 1 << 20, 1 << 20};
    // The border of the box is background, which stands for its halo.
    const Box inner{0, 0, 0, {0, 1}, {y + 1, y + 30}, {x + 1, x + 30}};
    const ObjectSums object = measure(labels, GreyVolume(labels.extent), box, 1).at(0);
    return ShapeMeter(shape, {})(object, measure_shapes(labels, box, inner, shape, 1).at(0));
  };
  const Shape near = at(0, 0);
  const Shape far = at((1 << 20) - 31, (1 << 20) - 31);
  EXPECT_EQ(near.axis_lengths, far.axis_lengths);
  EXPECT_EQ(near.boundary, far.boundary);
}

}  // namespace
}  // namespace tierhub::imaging
