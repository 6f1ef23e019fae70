// Filters of a box around each voxel, compared with their definitions and block by block.
#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

#include "imaging/voxels/median.h"
#include "imaging/voxels/morphology.h"
#include "tests/unit/imaging/blockwise.h"

namespace tierhub::imaging {
namespace {

enum class Border { clipped, repeated };

// The voxels of the box around a voxel.
std::vector<uint16_t> box_around(const GreyVolume& volume, const std::array<uint64_t, 3>& at,
                                 const Halo& radius, Border border) {
  std::vector<uint16_t> voxels;
  const auto positions = [border](uint64_t i, uint64_t reach, uint64_t size) {
    std::vector<uint64_t> all;
    const auto middle = static_cast<int64_t>(i), far = static_cast<int64_t>(reach);
    for (int64_t p = middle - far; p <= middle + far; ++p) {
      const int64_t inside = std::clamp<int64_t>(p, 0, static_cast<int64_t>(size) - 1);
      if (border == Border::repeated || inside == p) all.push_back(static_cast<uint64_t>(inside));
    }
    return all;
  };
  for (const uint64_t z : positions(at[0], radius.z, volume.extent.z)) {
    for (const uint64_t y : positions(at[1], radius.y, volume.extent.y)) {
      for (const uint64_t x : positions(at[2], radius.x, volume.extent.x))
        voxels.push_back(volume.at(z, y, x));
    }
  }
  return voxels;
}

// What `of_box` makes of the box around each voxel.
template <class T, class OfBox>
Volume<T> by_definition(const GreyVolume& volume, const Halo& radius, Border border,
                        const OfBox& of_box) {
  Volume<T> result(volume.extent);
  for (uint64_t z = 0; z < volume.extent.z; ++z) {
    for (uint64_t y = 0; y < volume.extent.y; ++y) {
      for (uint64_t x = 0; x < volume.extent.x; ++x) {
        std::vector<uint16_t> box = box_around(volume, {z, y, x}, radius, border);
        result.at(z, y, x) = of_box(box, volume.at(z, y, x));
      }
    }
  }
  return result;
}

GreyVolume eroded(const GreyVolume& volume, const Halo& radius) {
  return by_definition<uint16_t>(volume, radius, Border::clipped, [](auto& box, uint16_t) {
    return *std::min_element(box.begin(), box.end());
  });
}

GreyVolume dilated(const GreyVolume& volume, const Halo& radius) {
  return by_definition<uint16_t>(volume, radius, Border::clipped, [](auto& box, uint16_t) {
    return *std::max_element(box.begin(), box.end());
  });
}

struct RandomCase {
  explicit RandomCase(uint64_t seed)
      : random(seed),
        shape(random_shape(random, seed % 20 == 0 ? 140 : 14)),
        radius{random() % 4, random() % 4, random() % 4},
        whole(whole_box(shape)) {
    if (shape.voxels() > 20000) shape.z = 1;
    whole = whole_box(shape);
    volume = random_volume(random, shape);
    if (seed % 9 == 0) radius.x = 30;  // farther than most volumes
  }

  std::mt19937_64 random;
  Extent shape;
  Halo radius;
  Box whole;
  GreyVolume volume;
};

using Filter = GreyVolume (*)(const GreyVolume&, const Box&, const Box&, const Halo&, const Extent&,
                              Parallel);

void expect_exact(Filter filter, RandomCase& c, const Halo& halo) {
  expect_exact_blocks<uint16_t>(
      c.volume, halo, c.random,
      [&](const GreyVolume& part, const Box& grown, const Box& owned, size_t threads) {
        return filter(part, grown, owned, c.radius, c.shape, Parallel(threads));
      });
}

TEST(Morphology, FindsTheDarkestAndTheBrightestOfEachBox) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(seed);
    RandomCase c(seed);
    ASSERT_EQ(erode(c.volume, c.whole, c.whole, c.radius, c.shape), eroded(c.volume, c.radius));
    ASSERT_EQ(dilate(c.volume, c.whole, c.whole, c.radius, c.shape), dilated(c.volume, c.radius));
    expect_exact(erode, c, c.radius);
    expect_exact(dilate, c, c.radius);
  }
}

TEST(Morphology, TakesTheOpenedVolumeAwayInATopHat) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(seed);
    RandomCase c(seed);
    const GreyVolume opened = dilated(eroded(c.volume, c.radius), c.radius);
    ASSERT_EQ(open(c.volume, c.whole, c.whole, c.radius, c.shape), opened);
    GreyVolume hat = c.volume;
    for (size_t i = 0; i < hat.voxels.size(); ++i)
      hat.voxels[i] = static_cast<uint16_t>(hat.voxels[i] - opened.voxels[i]);
    ASSERT_EQ(white_top_hat(c.volume, c.whole, c.whole, c.radius, c.shape), hat);
    expect_exact(white_top_hat, c, opening_halo(c.radius));
    expect_exact(open, c, opening_halo(c.radius));
  }
}

TEST(Median, IsTheMiddleOfTheBoxWithTheBorderRepeated) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(seed);
    RandomCase c(seed);
    c.radius = seed % 9 == 0 ? Halo{0, 0, 30} : Halo{seed % 2, seed % 3, seed % 4};
    // An axis of one voxel is left alone, which makes no difference to a median.
    const GreyVolume expected =
        by_definition<uint16_t>(c.volume, c.radius, Border::repeated, [](auto& box, uint16_t) {
          const auto middle = box.begin() + static_cast<ptrdiff_t>(box.size() / 2);
          std::nth_element(box.begin(), middle, box.end());
          return *middle;
        });
    ASSERT_EQ(must(median(c.volume, c.whole, c.whole, c.radius, c.shape)), expected);
    expect_exact_blocks<uint16_t>(
        c.volume, c.radius, c.random,
        [&](const GreyVolume& part, const Box& grown, const Box& owned, size_t threads) {
          return must(median(part, grown, owned, c.radius, c.shape, Parallel(threads)));
        });
  }
}

TEST(Median, RefusesABoxOfTooManyVoxels) {
  const Extent shape{2, 2, 2};
  const Box whole = whole_box(shape);
  const GreyVolume volume(shape);
  EXPECT_TRUE(median(volume, whole, whole, {15, 15, 15}, shape));
  EXPECT_FALSE(median(volume, whole, whole, {16, 16, 16}, shape));
  EXPECT_FALSE(median(volume, whole, whole, {0, uint64_t{1} << 63, 0}, shape));
}

}  // namespace
}  // namespace tierhub::imaging
