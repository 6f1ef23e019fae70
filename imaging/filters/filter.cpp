#include "imaging/filters/filter.h"

#include <vector>

#include <fmt/format.h>

#include "imaging/images/halo.h"
#include "imaging/images/image_writer.h"
#include "imaging/images/levels.h"

namespace tierhub::imaging {
namespace {

using formats::Axis;

constexpr formats::Shape kFilteredChunk{1, 1, 32, 128, 128};
constexpr formats::Shape kFilteredPlaneChunk{1, 1, 1, 512, 512};

// Of an image that has the voxels of `box` of another one.
ImageLayout filtered_layout(const formats::ImageInfo& info, const Box& box) {
  ImageLayout layout;
  const Extent size = box.extent();
  layout.axes = {Axis::y, Axis::x};
  if (info.has_axis(Axis::z)) layout.axes.insert(layout.axes.begin(), Axis::z);
  layout.type = info.type;
  layout.shape = {1, 1, size.z, size.y, size.x};
  layout.chunk = size.z > 1 ? kFilteredChunk : kFilteredPlaneChunk;
  layout.voxel_size = info.levels[box.level].voxel_size;
  layout.voxel_unit = info.voxel_unit;
  layout.origin = {box.z.begin, box.y.begin, box.x.begin};
  if (box.c < info.channels.size()) layout.channels = {info.channels[box.c]};
  return layout;
}

Result<GreyVolume> filtered(const ImageReader& reader, const Box& box, const Filter& filter,
                            Parallel parallel) {
  const Extent shape = reader.shape_at(box.level);
  TRY_ASSIGN(const Halo halo, filter.halo(shape));
  const Box grown = formats::grow(box, halo, shape);
  TRY_ASSIGN(const GreyVolume volume, reader.read_grey(grown));
  return filter.apply(volume, grown, box, shape, parallel);
}

// Parts of whole chunks of the image that is written.
Result<std::vector<Box>> parts_of(const Box& box) {
  if (box.z.size() > 1) return formats::tile(box, {64, 512, 512});
  return formats::tile(box, {1, 4096, 4096});
}

}  // namespace

Result<void> filter_whole(const ImageReader& reader, const Box& box, const Filter& filter,
                          const std::string& out, Parallel parallel) {
  TRY(formats::check_region(reader.info(), box));
  TRY_ASSIGN(ImageWriter writer, ImageWriter::create(out, filtered_layout(reader.info(), box)));
  TRY_ASSIGN(const std::vector<Box> parts, parts_of(box));
  for (const Box& part : parts) {
    TRY_ASSIGN(const GreyVolume volume, filtered(reader, part, filter, parallel));
    TRY(writer.write_box(relative_to(part, box), volume, parallel));
  }
  TRY(add_smaller_levels(writer, pixels::Shrink::mean, parallel));
  return writer.commit();
}

Result<void> filter_box(const ImageReader& reader, const Box& box, const Halo& halo,
                        const Filter& filter, const std::string& out, Parallel parallel) {
  TRY(formats::check_region(reader.info(), box));
  const Extent shape = reader.shape_at(box.level);
  TRY_ASSIGN(const Halo needed, filter.halo(shape));
  TRY(check_halo(halo, needed));
  const Box whole = whole_of(box, shape);
  TRY_ASSIGN(const GreyVolume volume, filtered(reader, box, filter, parallel));
  TRY_ASSIGN(const ImageWriter writer,
             ImageWriter::share(out, filtered_layout(reader.info(), whole)));
  return writer.write_box(box, volume, parallel);
}

Result<size_t> add_levels(const std::string& image, Parallel parallel) {
  TRY_ASSIGN(const auto opened, formats::Image::open(image));
  const formats::ImageInfo& info = opened->info();
  if (info.format != "OME-Zarr" || info.levels.front().shape.t != 1 ||
      info.levels.front().shape.c != 1) {
    return Error(std::errc::invalid_argument,
                 image + " is no OME-Zarr image of one channel that blocks wrote");
  }
  TRY_ASSIGN(const Box whole, formats::whole_volume(info));
  ImageLayout layout = filtered_layout(info, whole);
  layout.axes = info.axes;
  TRY_ASSIGN(ImageWriter writer, ImageWriter::share(image, layout));
  return add_smaller_levels(writer, pixels::Shrink::mean, parallel);
}

}  // namespace tierhub::imaging
