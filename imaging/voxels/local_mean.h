// Where a volume is brighter than its surroundings.
#pragma once

#include <cstdint>

#include "imaging/voxels/parallel.h"
#include "imaging/voxels/volume.h"

namespace tierhub::imaging {

// 1 where a voxel is brighter than the mean of the box that reaches `radius` around it on each axis,
// else 0, for the voxels of `owned`. Beyond the volume of `shape` the border voxel is repeated; an
// axis of one voxel has no surroundings. `volume` holds the voxels of `grown`, which must reach
// beyond `owned` by the radius, or to the border of the volume. Compared in integers: n g > sum.
// The radius is at most 2^15 on each axis and the box has fewer than 2^47 voxels.
//
// Running sums: the time for a voxel does not depend on the radius. Memory beyond the result, a
// thread: at most 8 bytes for each voxel of 64 rows of a plane, or of 6 radii if that is more.
MaskVolume brighter_than_local_mean(const GreyVolume& volume, const Box& grown, const Box& owned,
                                    const Halo& radius, const Extent& shape,
                                    Parallel parallel = Parallel());

}  // namespace tierhub::imaging
