#include "imaging/filters/made_image.h"

#include <vector>

#include "imaging/images/levels.h"

namespace tierhub::imaging {
namespace {

using formats::Axis;

constexpr formats::Shape kVolumeChunk{1, 1, 32, 128, 128};
constexpr formats::Shape kPlaneChunk{1, 1, 1, 512, 512};

// Of whole chunks.
constexpr Extent kVolumePart{64, 512, 512};
constexpr Extent kPlanePart{1, 4096, 4096};

Result<std::vector<Box>> parts_of(const formats::Shape& shape) {
  const Box whole{0, 0, 0, {0, shape.z}, {0, shape.y}, {0, shape.x}};
  if (shape.z > 1) return formats::tile(whole, kVolumePart);
  return formats::tile(whole, kPlanePart);
}

}  // namespace

ImageLayout layout_of_image(const formats::ImageInfo& info, const Box& box) {
  ImageLayout layout;
  layout.axes = {Axis::y, Axis::x};
  if (info.has_axis(Axis::z)) layout.axes.insert(layout.axes.begin(), Axis::z);
  layout.type = info.type;
  set_size(layout, box.extent());
  layout.voxel_size = info.levels[box.level].voxel_size;
  layout.voxel_unit = info.voxel_unit;
  layout.origin = {box.z.begin, box.y.begin, box.x.begin};
  if (box.c < info.channels.size()) layout.channels = {info.channels[box.c]};
  return layout;
}

ImageLayout layout_of_box(const ImageReader& reader, const Box& box) {
  ImageLayout layout = layout_of_image(reader.info(), box);
  layout.scale = reader.source().scale;
  return layout;
}

void set_size(ImageLayout& layout, const Extent& size) {
  layout.shape = {1, 1, size.z, size.y, size.x};
  layout.chunk = size.z > 1 ? kVolumeChunk : kPlaneChunk;
}

std::vector<Box> behind_parts(const std::vector<Box>& parts, const Box& box) {
  std::vector<Box> behind;
  behind.reserve(parts.size());
  for (const Box& part : parts) behind.push_back(absolute_to(part, box));
  return behind;
}

Result<void> make_at_once(const MadeImage& made, const std::string& out, Parallel parallel) {
  TRY_ASSIGN(ImageWriter writer, ImageWriter::create(out, made.layout));
  TRY_ASSIGN(const std::vector<Box> parts, parts_of(made.layout.shape));
  for (const Box& part : parts) TRY(made.write(part, writer));
  TRY(add_smaller_levels(writer, made.shrink, parallel));
  return writer.commit();
}

Result<void> make_at_once(MemoryUse& memory, const MadeImage& made) {
  TRY_ASSIGN(const std::vector<Box> parts, parts_of(made.layout.shape));
  TRY(made.use(memory, parts));
  add_smaller_levels(memory, made.layout.shape, made.layout.chunk,
                     formats::bytes_of(made.layout.type));
  return {};
}

Result<void> make_part(const MadeImage& made, const Box& part, const std::string& out) {
  TRY_ASSIGN(const ImageWriter writer, ImageWriter::share(out, made.layout));
  TRY(writer.check_whole_chunks(part));
  return made.write(part, writer);
}

Result<size_t> add_levels(const std::string& image, pixels::Shrink shrink, Parallel parallel) {
  TRY_ASSIGN(const auto opened, formats::Image::open(image));
  const formats::ImageInfo& info = opened->info();
  if (info.format != "OME-Zarr" || info.levels.front().shape.t != 1 ||
      info.levels.front().shape.c != 1) {
    return Error(std::errc::invalid_argument,
                 image + " is no OME-Zarr image of one channel that blocks wrote");
  }
  TRY_ASSIGN(const Box whole, formats::whole_volume(info));
  ImageLayout layout = layout_of_image(info, whole);
  layout.axes = info.axes;
  TRY_ASSIGN(ImageWriter writer, ImageWriter::share(image, layout));
  return add_smaller_levels(writer, shrink, parallel);
}

}  // namespace tierhub::imaging
