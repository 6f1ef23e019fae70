// How a large volume is processed in parts, so that memory stays bounded. Results never depend on
// the parts.
#pragma once

#include <vector>

#include "common/result.h"
#include "imaging/images/reader.h"

namespace tierhub::imaging {

// Cuts `box` into parts that suit memory and the image: one part if it has at most 64 Mi voxels;
// else cubes where chunks are deep, slabs of planes where they are flat.
Result<std::vector<Box>> working_parts(const formats::ImageInfo& info, const Box& box);

// The smoothed voxels of `owned`, and the original ones.
struct SmoothedBlock {
  GreyVolume original;
  GreyVolume smoothed;
};
// Reads no voxel farther than `halo` from the box; `halo` must be at least the minimum.
Result<SmoothedBlock> read_smoothed(const ImageReader& reader, const Box& owned, const Halo& halo,
                                    double sigma);

// An error that names the minimum if `halo` is smaller than what smoothing with `sigma` needs.
Result<void> check_halo(const Halo& halo, double sigma, const Extent& shape);

}  // namespace tierhub::imaging
