// Greyscale morphology with a flat box of 2 * radius + 1 voxels on each axis, clipped at the border
// of the volume. Exact: the results of scipy.ndimage's grey_erosion, grey_dilation, grey_opening and
// white_tophat with size 2 * radius + 1 and mode "nearest".
//
// Here `volume` holds the voxels of `grown`, and the result those of `owned`. `grown` must reach
// beyond `owned` by `radius` (erode, dilate) or twice that (open, white_top_hat), or to the border
// of the volume of `shape`.
#pragma once

#include "imaging/voxels/parallel.h"
#include "imaging/voxels/volume.h"

namespace tierhub::imaging {

// The darkest voxel of the box.
GreyVolume erode(const GreyVolume& volume, const Box& grown, const Box& owned, const Halo& radius,
                 const Extent& shape, Parallel parallel = Parallel());
// The brightest voxel of the box.
GreyVolume dilate(const GreyVolume& volume, const Box& grown, const Box& owned, const Halo& radius,
                  const Extent& shape, Parallel parallel = Parallel());
// Eroded, then dilated: what is brighter and smaller than the box vanishes.
GreyVolume open(const GreyVolume& volume, const Box& grown, const Box& owned, const Halo& radius,
                const Extent& shape, Parallel parallel = Parallel());
// The volume minus the opened one: what is brighter and smaller than the box, without background.
GreyVolume white_top_hat(const GreyVolume& volume, const Box& grown, const Box& owned,
                         const Halo& radius, const Extent& shape, Parallel parallel = Parallel());

// What open() and white_top_hat() need.
inline Halo opening_halo(const Halo& radius) { return {2 * radius.z, 2 * radius.y, 2 * radius.x}; }

}  // namespace tierhub::imaging
