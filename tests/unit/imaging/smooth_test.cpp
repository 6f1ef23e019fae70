#include "imaging/voxels/smooth.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "tests/unit/imaging/volumes.h"

namespace tierhub::imaging {
namespace {

TEST(Smooth, DeclaresTheRadiusOfItsKernelAsMinimumHalo) {
  EXPECT_EQ(must(minimum_halo(2, {50, 50, 50})), (Halo{7, 7, 7}));
  EXPECT_EQ(must(minimum_halo(2, {1, 50, 50})), (Halo{0, 7, 7}));
  EXPECT_EQ(must(minimum_halo(0, {50, 50, 50})), (Halo{0, 0, 0}));
  EXPECT_GT(must(minimum_halo(kMaxSigma, {50, 50, 50})).z, 60u);
  EXPECT_FALSE(minimum_halo(-1, {5, 5, 5}));
  EXPECT_FALSE(minimum_halo(kMaxSigma + 1, {5, 5, 5}));
  EXPECT_FALSE(minimum_halo(std::numeric_limits<double>::quiet_NaN(), {5, 5, 5}));
}

// The light of one voxel reaches as far as the declared halo and not one voxel farther, as a
// Gaussian.
TEST(Smooth, SpreadsALineOfLightAsAGaussianOfThatSigma) {
  const Extent shape{1, 1, 41};
  GreyVolume volume(shape);
  volume.at(0, 0, 20) = 60000;
  const double sigma = 2;
  const GreyVolume smoothed =
      must(smooth(volume, whole_box(shape), whole_box(shape), sigma, shape));
  const uint64_t radius = must(minimum_halo(sigma, shape)).x;
  double sum = 0, squares = 0;
  for (uint64_t x = 0; x < shape.x; ++x) {
    const double distance = static_cast<double>(x) - 20;
    sum += smoothed.at(0, 0, x);
    squares += smoothed.at(0, 0, x) * distance * distance;
    EXPECT_EQ(smoothed.at(0, 0, x) != 0, std::abs(distance) <= static_cast<double>(radius)) << x;
  }
  EXPECT_NEAR(sum, 60000, 10);
  EXPECT_NEAR(std::sqrt(squares / sum), sigma, 0.05);
}

TEST(Smooth, LeavesAConstantVolumeAsItIs) {
  for (const uint16_t value : {uint16_t{0}, uint16_t{1}, uint16_t{255}, uint16_t{65535}}) {
    const Extent shape{5, 6, 7};
    GreyVolume volume(shape);
    std::fill(volume.voxels.begin(), volume.voxels.end(), value);
    EXPECT_EQ(must(smooth(volume, whole_box(shape), whole_box(shape), 3, shape)), volume);
  }
}

TEST(Smooth, GivesABlockWithTheMinimumHaloTheVoxelsOfTheWhole) {
  for (const Extent& shape : {Extent{20, 22, 25}, Extent{1, 30, 40}, Extent{3, 60, 2}}) {
    const Box whole = whole_box(shape);
    const GreyVolume volume = speckle(shape, shape.y);
    const GreyVolume smoothed = must(smooth(volume, whole, whole, 1.5, shape));
    const Halo halo = must(minimum_halo(1.5, shape));
    for (const Box& owned : must(formats::tile(whole, {7, 9, 8}))) {
      const Box grown = formats::grow(owned, halo, shape);
      const GreyVolume block = must(smooth(crop(volume, whole, grown), grown, owned, 1.5, shape));
      EXPECT_EQ(block, crop(smoothed, whole, owned)) << formats::to_text(owned);
    }
  }
}

TEST(Smooth, DoesNotSmoothAcrossAnAxisOfOneVoxel) {
  const Extent plane{1, 20, 20};
  const Extent two{2, 20, 20};
  const GreyVolume one = speckle(plane, 9);
  GreyVolume doubled(two);
  std::copy(one.voxels.begin(), one.voxels.end(), doubled.voxels.begin());
  std::copy(one.voxels.begin(), one.voxels.end(), doubled.voxels.begin() + 400);
  const GreyVolume smooth_one = must(smooth(one, whole_box(plane), whole_box(plane), 2, plane));
  const GreyVolume smooth_two = must(smooth(doubled, whole_box(two), whole_box(two), 2, two));
  EXPECT_TRUE(
      std::equal(smooth_one.voxels.begin(), smooth_one.voxels.end(), smooth_two.voxels.begin()));
}

}  // namespace
}  // namespace tierhub::imaging
