#include "imaging/filters/projected_image.h"

#include <fmt/format.h>

#include "imaging/images/slabs.h"

namespace tierhub::imaging {
namespace {

using formats::PixelType;

PixelType sum_type(PixelType type, uint64_t planes) {
  const uint64_t most = type == PixelType::uint8 ? 255 : 65535;
  return planes <= 65535 / most ? PixelType::uint16 : PixelType::uint32;
}

// What `part` of the projection of `box` is made of.
Box planes_behind(const Box& part, const Box& box) {
  Box planes = absolute_to(part, box);
  planes.z = box.z;
  return planes;
}

}  // namespace

MadeImage projected_image(const ImageReader& reader, const Box& box, Projection method,
                          Parallel parallel) {
  MadeImage made;
  made.layout = layout_of_box(reader, box);
  made.layout.axes = {formats::Axis::y, formats::Axis::x};
  made.layout.origin.z = 0;
  set_size(made.layout, {1, box.y.size(), box.x.size()});
  if (method == Projection::sum && reader.needs_scale()) {
    made.layout.type = PixelType::float32;
    made.layout.scale.offset *= static_cast<double>(box.z.size());
  } else if (method == Projection::sum) {
    made.layout.type = sum_type(reader.info().type, box.z.size());
  }
  made.write = [&reader, box, method, parallel](const Box& part,
                                                const ImageWriter& image) -> Result<void> {
    TRY_ASSIGN(const LabelVolume plane, project_along_z(reader, planes_behind(part, box), method));
    return image.write_box(part, plane, parallel);
  };
  made.use = [&reader, box, layout = made.layout](MemoryUse& memory,
                                                  const std::vector<Box>& parts) -> Result<void> {
    std::vector<Box> slabs;
    for (const Box& part : parts) {
      TRY_ASSIGN(const std::vector<Box> own, slabs_of(planes_behind(part, box)));
      slabs.insert(slabs.end(), own.begin(), own.end());
    }
    memory.keep_chunks(reader.info(), slabs);
    for (const Box& part : parts) {
      TRY(project_along_z(memory, reader, planes_behind(part, box)));
      write_box(memory, layout, part, PixelType::uint32);
      memory.free(label_bytes(part));
    }
    return {};
  };
  return made;
}

Result<Box> projected_part(const Box& block, const Extent& shape) {
  if (block.z != formats::AxisRange{0, shape.z}) {
    return Error(std::errc::invalid_argument,
                 fmt::format("a projection needs blocks with all {} planes: leave z out of the "
                             "size of blocks (scatter.size in a workflow)",
                             shape.z));
  }
  Box part = block;
  part.z = {0, 1};
  return part;
}

}  // namespace tierhub::imaging
