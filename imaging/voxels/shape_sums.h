// What the shape of an object is computed from: integers that can be added over blocks in any order.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "imaging/voxels/parallel.h"
#include "imaging/voxels/volume.h"

namespace tierhub::imaging {

__extension__ using WideInteger = __int128;

// A direction between neighbouring voxels, and its opposite.
struct Direction {
  int z, y, x;
};
inline constexpr size_t kDirections = 13;
// The 13 neighbours that come after a voxel in z, y, x order. The first four lie in the plane.
inline constexpr std::array<Direction, kDirections> kDirectionSteps = {{{0, 0, 1},
                                                                        {0, 1, -1},
                                                                        {0, 1, 0},
                                                                        {0, 1, 1},
                                                                        {1, -1, -1},
                                                                        {1, -1, 0},
                                                                        {1, -1, 1},
                                                                        {1, 0, -1},
                                                                        {1, 0, 0},
                                                                        {1, 0, 1},
                                                                        {1, 1, -1},
                                                                        {1, 1, 0},
                                                                        {1, 1, 1}}};
inline constexpr size_t kDirectionsInPlane = 4;

// Adds to the ObjectSums of the same object, which have the count of voxels and the sums of their
// coordinates. Coordinates are in voxels of the whole volume and below 2^20, so that the sums of
// 2^40 voxels are below 2^80.
struct ShapeSums {
  WideInteger zz = 0;  // sums of the products of two coordinates
  WideInteger yy = 0;
  WideInteger xx = 0;
  WideInteger zy = 0;
  WideInteger zx = 0;
  WideInteger yx = 0;
  // How often lines along each direction enter or leave the object: its voxels whose neighbour is
  // not of the object, for both neighbours. Those along an axis are its exposed faces.
  std::array<uint64_t, kDirections> crossings = {};
  bool operator==(const ShapeSums&) const = default;

  void add(const ShapeSums& other);
};

// The neighbours that measure_shapes looks at.
Halo shape_halo(const Extent& shape);

// The sums of labels 1..count over the voxels of `owned`. `labels` holds the voxels of `grown`, which
// must reach beyond `owned` by one voxel on each axis (shape_halo), or to the border of the volume of
// `shape`, beyond which is background. A volume of one plane has no crossings out of the plane: those
// directions stay 0. Each thread needs count * sizeof(ShapeSums) bytes.
std::vector<ShapeSums> measure_shapes(const LabelVolume& labels, const Box& grown, const Box& owned,
                                      const Extent& shape, uint64_t count,
                                      Parallel parallel = Parallel());

}  // namespace tierhub::imaging
