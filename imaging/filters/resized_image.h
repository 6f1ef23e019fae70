// An image with fewer, larger voxels.
#pragma once

#include <cstdint>
#include <optional>

#include "imaging/filters/made_image.h"
#include "imaging/images/reader.h"
#include "imaging/voxels/resize.h"

namespace tierhub::imaging {

// How many voxels of `level` become one: `factor` in y and x. In z `factor_z`, or else as many, up
// to `factor`, as keep a voxel at most as high as wide; one in a plane.
Extent cell_of(const formats::ImageInfo& info, uint64_t level, uint64_t factor,
               std::optional<uint64_t> factor_z);

// `box` of an image in cells: its voxel size and origin fit. An error unless it begins at multiples
// of the cell. Voxels of uint32 are kept as they are, for labels; others are grey values. `reader`
// must outlive it.
Result<MadeImage> resized_image(const ImageReader& reader, const Box& box, const Extent& cell,
                                Resize how, Parallel parallel);

// The part of `made`, the image of the whole volume of `shape`, that a block of the volume makes.
// An error unless they are whole chunks of it.
Result<Box> resized_part(const MadeImage& made, const Box& block, const Extent& cell,
                         const Extent& shape);

}  // namespace tierhub::imaging
