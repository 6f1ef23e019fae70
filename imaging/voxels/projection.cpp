#include "imaging/voxels/projection.h"

#include <algorithm>
#include <utility>

namespace tierhub::imaging {

ProjectedPlane::ProjectedPlane(Projection method, const Extent& extent)
    : method_(method), pixels_({1, extent.y, extent.x}) {}

void ProjectedPlane::add(const GreyVolume& slab) {
  const size_t size = pixels_.voxels.size();
  uint32_t* const pixels = pixels_.voxels.data();
  for (uint64_t z = 0; z < slab.extent.z; ++z) {
    const uint16_t* const plane = slab.voxels.data() + z * size;
    if (method_ == Projection::maximum) {
      for (size_t i = 0; i < size; ++i) pixels[i] = std::max<uint32_t>(pixels[i], plane[i]);
    } else {
      for (size_t i = 0; i < size; ++i) pixels[i] += plane[i];
    }
  }
  planes_ += slab.extent.z;
}

LabelVolume ProjectedPlane::result() && {
  if (method_ == Projection::mean) {
    for (uint32_t& pixel : pixels_.voxels)
      pixel = static_cast<uint32_t>((2 * uint64_t{pixel} + planes_) / (2 * planes_));
  }
  return std::move(pixels_);
}

}  // namespace tierhub::imaging
