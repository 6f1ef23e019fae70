#include "imaging/images/convert.h"

#include <algorithm>
#include <memory>
#include <vector>

#include <fmt/format.h>

#include "imaging/images/levels.h"
#include "pixels/tiff_writer.h"

namespace tierhub::imaging {
namespace {

using formats::Axis;
using formats::ImageInfo;
using formats::Region;
using formats::Shape;
using pixels::PixelReader;

ImageLayout layout_of(const ImageInfo& info, const ConvertOptions& options) {
  const formats::Level& level = info.levels.front();
  ImageLayout layout;
  layout.axes = info.axes;
  layout.type = info.type;
  layout.shape = level.shape;
  // Flat chunks suit viewers; deep ones were somebody's choice.
  layout.chunk = {1, 1, 1, kLargeSide, kLargeSide};
  if (level.chunk.z > 1) layout.chunk = {1, 1, level.chunk.z, level.chunk.y, level.chunk.x};
  layout.voxel_size = level.voxel_size;
  layout.voxel_unit = info.voxel_unit;
  layout.channels = info.channels;
  layout.version = options.version;
  return layout;
}

}  // namespace

Result<size_t> convert_to_zarr(const PixelReader& image, const std::string& out,
                               const ConvertOptions& options) {
  TRY_ASSIGN(ImageWriter writer, ImageWriter::create(out, layout_of(image.info(), options)));
  TRY(write_level(image, writer, 0, options.parallel));
  TRY_ASSIGN(const size_t levels, add_smaller_levels(writer, options.shrink, options.parallel));
  TRY(writer.commit());
  return levels;
}

Result<size_t> convert_to_tiff(const PixelReader& image, const std::string& out) {
  const auto& levels = image.levels();
  const Shape& finest = levels.front().shape;
  size_t count = 1;
  while (is_large(finest) && count < levels.size() && levels[count].shape.z == finest.z) ++count;
  TRY_ASSIGN(OutputFile file, OutputFile::create(out));
  TRY(pixels::write_ome_tiff(image, count, file.path()));
  TRY(file.commit());
  return count;
}

}  // namespace tierhub::imaging
