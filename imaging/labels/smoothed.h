// The smoothed voxels of a box.
#pragma once

#include "common/result.h"
#include "imaging/images/memory.h"
#include "imaging/images/reader.h"
#include "imaging/voxels/smooth.h"

namespace tierhub::imaging {

struct SmoothedBlock {
  GreyVolume original;  // of the box
  Box region;           // the box, and as far around it as was asked for
  GreyVolume smoothed;  // of the region
};
// Reads no voxel farther from the box than the margin and the halo of `sigma` together.
Result<SmoothedBlock> read_smoothed(const ImageReader& reader, const Box& box, const Halo& margin,
                                    const Sigma& sigma, Parallel parallel);

// The memory that it needs, which stays; returns the region.
Result<Box> read_smoothed(MemoryUse& memory, const ImageReader& reader, const Box& box,
                          const Halo& margin, const Sigma& sigma);

// The halo of smoothing, and a margin on which smoothed voxels are needed.
Result<Halo> needed_halo(const Halo& margin, const Sigma& sigma, const Extent& shape);
}  // namespace tierhub::imaging
