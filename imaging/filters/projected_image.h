// A volume projected along z, as an image.
#pragma once

#include "imaging/filters/made_image.h"
#include "imaging/images/reader.h"
#include "imaging/voxels/projection.h"

namespace tierhub::imaging {

// One plane, of the type of the image; a sum is uint16, or uint32 if the planes are so many that
// their sum may be larger, or float32 if the image is neither uint8 nor uint16. A part of it is
// made of all planes of `box` behind it. `reader` must outlive it.
MadeImage projected_image(const ImageReader& reader, const Box& box, Projection method,
                          Parallel parallel);

// The part of the projection that a block of the volume makes, which must have all planes of it.
Result<Box> projected_part(const Box& block, const Extent& shape);

}  // namespace tierhub::imaging
