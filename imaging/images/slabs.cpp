#include "imaging/images/slabs.h"

#include <fmt/format.h>

namespace tierhub::imaging {

Result<LabelVolume> project_along_z(const ImageReader& image, const Box& box, Projection method) {
  if (box.z.size() > kMaxProjectedPlanes) {
    return Error(std::errc::value_too_large,
                 fmt::format("{} planes are too many for a projection: choose at most {} with "
                             "--select, such as z=0:1000",
                             box.z.size(), kMaxProjectedPlanes));
  }
  ProjectedPlane projection(method, box.extent());
  TRY(for_each_slab(box, [&](const Box& slab) -> Result<void> {
    TRY_ASSIGN(const GreyVolume volume, image.read_grey(slab));
    projection.add(volume);
    return {};
  }));
  return std::move(projection).result();
}

Result<void> project_along_z(MemoryUse& memory, const ImageReader& image, const Box& box) {
  TRY_ASSIGN(const std::vector<Box> slabs, slabs_of(box));
  Box plane = box;
  plane.z = {0, 1};
  memory.allocate(label_bytes(plane));
  memory.read_grey(image, slabs.front());
  memory.free(grey_bytes(slabs.front()));
  return {};
}

}  // namespace tierhub::imaging
