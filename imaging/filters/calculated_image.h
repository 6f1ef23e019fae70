// Filters that combine an image with another one, voxel by voxel.
#pragma once

#include <memory>

#include "imaging/filters/filter.h"
#include "imaging/voxels/arithmetic.h"

namespace tierhub::imaging {

// With the voxels of `other` at the same place, of the volume that `volume` says. An error unless
// both images have the same size. If one of them is neither uint8 nor uint16, it calculates with the
// numbers as they are.
Result<Filter> calculation(const ImageReader& image, const Box& box,
                           std::shared_ptr<const ImageReader> other, const Box& volume,
                           const Formula& formula);
// With the same number everywhere.
Result<Filter> calculation(const ImageReader& image, double number, const Formula& formula);

}  // namespace tierhub::imaging
