// Lengths and distances in an image: in voxels, as operators count, from micrometres, as people do.
#pragma once

#include <cstdint>
#include <string_view>

#include "common/result.h"
#include "formats/image.h"
#include "imaging/voxels/distance.h"

namespace tierhub::imaging {

// "24" (voxels of the plane), or "8um" of an image whose size of a voxel is known. `option` is for
// errors: "--diameter".
Result<double> parse_length(std::string_view text, std::string_view option,
                            const formats::ImageInfo& info, uint64_t level);

// How much higher than wide a voxel of a volume of `shape` is; 1 in a plane, and where the size of
// a voxel is not known.
double voxel_height(const formats::VoxelSize& size, const formats::Extent& shape);

// The same as the steps of distances.
Steps steps_of(const formats::VoxelSize& size, const formats::Extent& shape);

}  // namespace tierhub::imaging
