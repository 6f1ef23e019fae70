// Holes of an object.
#pragma once

#include <cstdint>

#include "imaging/voxels/volume.h"

namespace tierhub::imaging {

// Sets to 1 the voxels of `mask` that are 0 and have no path by faces over other such voxels to
// beyond the array; returns how many. `mask` holds one object in its box; all that lies beyond it
// is background, so the array need not be larger than the object. A voxel of another object that
// lies in a hole is filled too: its caller knows which labels to keep. Axes on which the volume
// (of `shape`) is one voxel long lead nowhere: holes of a plane are filled in the plane.
//
// Equal to scipy.ndimage.binary_fill_holes with faces as its structure.
uint64_t fill_holes(Volume<uint8_t>& mask, const Extent& shape);

}  // namespace tierhub::imaging
