// Planes of a volume put together along z.
#pragma once

#include <cstdint>

#include "imaging/voxels/volume.h"

namespace tierhub::imaging {

enum class Projection { maximum, sum, mean };

// So many planes have a sum that fits 32 bits.
inline constexpr uint64_t kMaxProjectedPlanes = 65537;

// A projection of planes that are added one slab after the other. In integers: any slabs give the
// same result.
class ProjectedPlane {
 public:
  // Of planes with the height and width of `extent`.
  ProjectedPlane(Projection method, const Extent& extent);

  // At most kMaxProjectedPlanes planes in all.
  void add(const GreyVolume& slab);

  // The mean is rounded half up. At least one plane must have been added. Once, at the end.
  LabelVolume result() &&;

 private:
  Projection method_;
  LabelVolume pixels_;
  uint64_t planes_ = 0;
};

}  // namespace tierhub::imaging
