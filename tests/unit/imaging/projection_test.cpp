#include "imaging/voxels/projection.h"

#include "tests/unit/imaging/blockwise.h"

namespace tierhub::imaging {
namespace {

// What the definitions say, pixel by pixel.
uint64_t projected(const GreyVolume& volume, uint64_t y, uint64_t x, Projection method) {
  uint64_t sum = 0, most = 0;
  for (uint64_t z = 0; z < volume.extent.z; ++z) {
    sum += volume.at(z, y, x);
    most = std::max<uint64_t>(most, volume.at(z, y, x));
  }
  if (method == Projection::maximum) return most;
  if (method == Projection::sum) return sum;
  const uint64_t rest = sum % volume.extent.z;
  return sum / volume.extent.z + (2 * rest >= volume.extent.z ? 1 : 0);
}

TEST(Projection, OfBlocksAndSlabsIsThatOfTheWhole) {
  for (uint64_t seed = 1; seed <= 250; ++seed) {
    std::mt19937_64 random(seed);
    const Extent shape = random_shape(random, 20);
    const GreyVolume volume = random_volume(random, shape);
    const Box whole = whole_box(shape);
    Box block = random_box(random, shape);
    block.z = whole.z;
    for (const Projection method : {Projection::maximum, Projection::sum, Projection::mean}) {
      ProjectedPlane plane(method, block.extent());
      for (uint64_t z = 0; z < shape.z;) {
        Box slab = block;
        slab.z = {z, std::min(shape.z, z + 1 + random() % 5)};
        plane.add(crop(volume, whole, slab));
        z = slab.z.end;
      }
      const LabelVolume pixels = std::move(plane).result();
      ASSERT_EQ(pixels.extent, (Extent{1, block.y.size(), block.x.size()}));
      for (uint64_t y = 0; y < pixels.extent.y; ++y) {
        for (uint64_t x = 0; x < pixels.extent.x; ++x) {
          ASSERT_EQ(pixels.at(0, y, x),
                    projected(volume, block.y.begin + y, block.x.begin + x, method))
              << "seed " << seed;
        }
      }
    }
  }
}

TEST(Projection, OfAsManyPlanesAsAreAllowedDoesNotOverflow) {
  GreyVolume plane({1, 1, 1});
  plane.voxels[0] = 65535;
  ProjectedPlane sum(Projection::sum, plane.extent), mean(Projection::mean, plane.extent);
  for (uint64_t z = 0; z < kMaxProjectedPlanes; ++z) {
    sum.add(plane);
    mean.add(plane);
  }
  EXPECT_EQ(std::move(sum).result().voxels[0], 4294967295u);
  EXPECT_EQ(std::move(mean).result().voxels[0], 65535u);
}

}  // namespace
}  // namespace tierhub::imaging
