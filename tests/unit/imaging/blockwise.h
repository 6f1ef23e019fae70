// Whether an operator gives a block, with its halo, the voxels of the whole volume, with every
// number of threads.
#pragma once

#include <functional>
#include <random>

#include <gtest/gtest.h>

#include "tests/unit/imaging/voxel_samples.h"

namespace tierhub::imaging {

// Thin shapes, lines and a voxel come often; no side is longer than `longest`.
inline Extent random_shape(std::mt19937_64& random, uint64_t longest) {
  const auto side = [&] { return random() % 4 == 0 ? 1 : 1 + random() % longest; };
  return {side(), side(), side()};
}

inline formats::AxisRange random_range(std::mt19937_64& random, uint64_t size) {
  const uint64_t begin = random() % size;
  return {begin, begin + 1 + random() % (size - begin)};
}

inline Box random_box(std::mt19937_64& random, const Extent& shape) {
  return {0,
          0,
          0,
          random_range(random, shape.z),
          random_range(random, shape.y),
          random_range(random, shape.x)};
}

// Dim, bright, or few values, so that comparisons meet equal voxels, too.
inline GreyVolume random_volume(std::mt19937_64& random, const Extent& shape) {
  if (random() % 3 == 0) return speckle(shape, random());
  GreyVolume volume(shape);
  const uint64_t values = random() % 2 == 0 ? 5 : 65536;
  for (uint16_t& voxel : volume.voxels) voxel = static_cast<uint16_t>(65535 - random() % values);
  return volume;
}

// Applies `op` to a whole volume and to random blocks of it, which it sees with `halo` around them,
// or with more.
template <class T>
void expect_exact_blocks(
    const GreyVolume& volume, const Halo& halo, std::mt19937_64& random,
    const std::function<Volume<T>(const GreyVolume&, const Box&, const Box&, size_t)>& op) {
  const Extent& shape = volume.extent;
  const Box whole = whole_box(shape);
  const Volume<T> expected = op(volume, whole, whole, 1);
  EXPECT_EQ(op(volume, whole, whole, 3), expected) << "three threads";
  for (int block = 0; block < 3; ++block) {
    const Box owned = random_box(random, shape);
    const Halo more{halo.z + random() % 2, halo.y + random() % 2, halo.x + random() % 2};
    const Box grown = formats::grow(owned, more, shape);
    EXPECT_EQ(op(crop(volume, whole, grown), grown, owned, 1 + block), crop(expected, whole, owned))
        << formats::to_text(owned) << " of " << formats::to_text(shape);
  }
}

}  // namespace tierhub::imaging
