// The median filter.
#pragma once

#include "common/result.h"
#include "imaging/voxels/parallel.h"
#include "imaging/voxels/volume.h"

namespace tierhub::imaging {

// The median of the box of 2 * radius + 1 voxels around each voxel, the border voxel of the volume
// repeated beyond it. Exact: scipy.ndimage's median_filter with size 2 * radius + 1 and mode
// "nearest". An axis on which the volume is one voxel long is left alone. An error if the box has
// 2^15 voxels or more. The time grows with the number of voxels of the box.
//
// `volume` holds the voxels of `grown`, the result those of `owned`. `grown` must reach beyond
// `owned` by `radius`, or to the border of the volume of `shape`.
Result<GreyVolume> median(const GreyVolume& volume, const Box& grown, const Box& owned,
                          const Halo& radius, const Extent& shape, Parallel parallel = Parallel());

}  // namespace tierhub::imaging
