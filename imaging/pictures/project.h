// A picture of a volume: the brightest voxel along z or the mean, with the outlines of labels.
#pragma once

#include <string>

#include "common/result.h"
#include "imaging/images/memory.h"
#include "imaging/images/reader.h"
#include "imaging/voxels/projection.h"

namespace tierhub::imaging {

// Writes a projection of `box` along z as an 8-bit PNG. Grey values between the 1st percentile
// (black) and the 99.8th (white) are spread evenly. With `labels` (null: none), which must have the
// size of the box, the pixels at the edge of each object, seen along z, get its colour. Where
// objects lie above one another the one of the larger label is drawn.
Result<void> project(const ImageReader& image, const Box& box, Projection method,
                     const ImageReader* labels, const std::string& out);

Result<void> project(MemoryUse& memory, const ImageReader& image, const Box& box,
                     const ImageReader* labels);

}  // namespace tierhub::imaging
