#include "imaging/voxels/smooth.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/imaging/blockwise.h"

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

Sigma random_sigma(std::mt19937_64& random) {
  const auto one = [&] { return static_cast<double>(random() % 5) * 0.7; };
  return random() % 2 == 0 ? Sigma(one()) : Sigma(one(), one(), one());
}

TEST(Smooth, GivesABlockWithTheMinimumHaloTheVoxelsOfTheWhole) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    const Extent shape = random_shape(random, seed % 20 == 0 ? 130 : 24);
    const GreyVolume volume = random_volume(random, shape);
    const Sigma sigma = random_sigma(random);
    const Sigma wide = random_sigma(random);
    expect_exact_blocks<uint16_t>(
        volume, must(minimum_halo(sigma, shape)), random,
        [&](const GreyVolume& part, const Box& grown, const Box& owned, size_t threads) {
          return must(smooth(part, grown, owned, sigma, shape, Parallel(threads)));
        });
    expect_exact_blocks<float>(
        volume, must(minimum_halo(sigma, shape)), random,
        [&](const GreyVolume& part, const Box& grown, const Box& owned, size_t threads) {
          return must(smooth_unrounded(part, grown, owned, sigma, shape, Parallel(threads)));
        });
    expect_exact_blocks<uint16_t>(
        volume, must(minimum_halo(sigma, wide, shape)), random,
        [&](const GreyVolume& part, const Box& grown, const Box& owned, size_t threads) {
          return must(
              difference_of_gaussians(part, grown, owned, sigma, wide, shape, Parallel(threads)));
        });
  }
}

// One pass of the documented sum, with the border repeated.
Volume<float> pass(const Volume<float>& volume, const std::vector<float>& taps,
                   const std::array<int, 3>& axis) {
  Volume<float> result(volume.extent);
  const Extent& size = volume.extent;
  for (uint64_t z = 0; z < size.z; ++z) {
    for (uint64_t y = 0; y < size.y; ++y) {
      for (uint64_t x = 0; x < size.x; ++x) {
        const auto at = [&](int steps) {
          const auto clamped = [](uint64_t i, int by, uint64_t end) {
            return static_cast<uint64_t>(std::clamp<int64_t>(static_cast<int64_t>(i) + by, 0,
                                                             static_cast<int64_t>(end) - 1));
          };
          return volume.at(clamped(z, steps * axis[0], size.z), clamped(y, steps * axis[1], size.y),
                           clamped(x, steps * axis[2], size.x));
        };
        volatile float sum = at(0) * taps[0];
        for (int r = 1; r < static_cast<int>(taps.size()); ++r) {
          volatile float pair = at(-r) + at(r);
          volatile float product = pair * taps[static_cast<size_t>(r)];
          sum = sum + product;
        }
        result.at(z, y, x) = sum;
      }
    }
  }
  return result;
}

TEST(Smooth, EqualsThreePlainPassesInTheDocumentedOrder) {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    std::mt19937_64 random(seed);
    const Extent shape = random_shape(random, seed % 10 == 0 ? 90 : 16);
    const GreyVolume volume = random_volume(random, shape);
    const Sigma sigma = random_sigma(random);
    const auto taps = [](double of, uint64_t size) {
      return must(gaussian_taps(size == 1 ? 0 : of));
    };
    Volume<float> expected(shape);
    std::copy(volume.voxels.begin(), volume.voxels.end(), expected.voxels.begin());
    expected = pass(expected, taps(sigma.z, shape.z), {1, 0, 0});
    expected = pass(expected, taps(sigma.y, shape.y), {0, 1, 0});
    expected = pass(expected, taps(sigma.x, shape.x), {0, 0, 1});
    const Box whole = whole_box(shape);
    EXPECT_EQ(must(smooth_unrounded(volume, whole, whole, sigma, shape)), expected)
        << "seed " << seed;
    const GreyVolume rounded = must(smooth(volume, whole, whole, sigma, shape));
    for (size_t i = 0; i < rounded.voxels.size(); ++i)
      ASSERT_EQ(rounded.voxels[i], static_cast<uint16_t>(expected.voxels[i] + 0.5f)) << seed;
  }
}

TEST(Smooth, UsesTheSigmaOfEachAxis) {
  const Extent shape{9, 9, 9};
  const GreyVolume volume = speckle(shape, 4);
  const Box whole = whole_box(shape);
  EXPECT_EQ(must(minimum_halo({0, 1, 2}, shape)).z, 0u);
  EXPECT_EQ(must(smooth(volume, whole, whole, {0, 0, 0}, shape)), volume);
  EXPECT_EQ(must(smooth(volume, whole, whole, {2, 2, 2}, shape)),
            must(smooth(volume, whole, whole, 2, shape)));
  EXPECT_FALSE(smooth(volume, whole, whole, {2, -1, 2}, shape));
}

TEST(DifferenceOfGaussians, IsZeroWhereTheWideOneIsBrighter) {
  const Extent shape{1, 1, 81};
  GreyVolume volume(shape);
  volume.at(0, 0, 40) = 60000;
  const Box whole = whole_box(shape);
  const GreyVolume spots = must(difference_of_gaussians(volume, whole, whole, 1, 4, shape));
  EXPECT_GT(spots.at(0, 0, 40), 10000);
  EXPECT_EQ(spots.at(0, 0, 46), 0);
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
