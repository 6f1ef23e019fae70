#include "imaging/images/convert.h"

#include <algorithm>
#include <memory>
#include <vector>

#include <fmt/format.h>

#include "pixels/tiff_writer.h"

namespace tierhub::imaging {
namespace {

using formats::Axis;
using formats::ImageInfo;
using formats::Region;
using formats::Shape;
using pixels::PixelReader;

// Beyond this size an image gets smaller levels, until both sides fit into a picture.
constexpr uint64_t kLarge = 1024;

bool is_large(const Shape& shape) { return std::max(shape.y, shape.x) > kLarge; }

ImageLayout layout_of(const ImageInfo& info, const ConvertOptions& options) {
  const formats::Level& level = info.levels.front();
  ImageLayout layout;
  layout.axes = info.axes;
  layout.type = info.type;
  layout.shape = level.shape;
  // Flat chunks suit viewers; deep ones were somebody's choice.
  layout.chunk = {1, 1, 1, kLarge, kLarge};
  if (level.chunk.z > 1) layout.chunk = {1, 1, level.chunk.z, level.chunk.y, level.chunk.x};
  layout.voxel_size = level.voxel_size;
  layout.voxel_unit = info.voxel_unit;
  layout.channels = info.channels;
  layout.version = options.version;
  return layout;
}

// Level `level` as the reader has it.
Result<void> write_level(const PixelReader& image, const ImageWriter& writer, size_t level) {
  const formats::PixelType type = image.info().type;
  return writer.fill_level(level, Parallel(1), [&](const Region& region, std::span<std::byte> to) {
    return image.read(region, type, to);
  });
}

}  // namespace

Result<size_t> add_smaller_levels(ImageWriter& writer, pixels::Shrink shrink) {
  PixelReader::Options smaller;
  smaller.shrink = shrink;
  size_t levels = 1;
  while (is_large(writer.grid(0).shape)) {
    // Knows the levels that have been written, and what follows from them.
    TRY_ASSIGN(const auto before, PixelReader::open(writer.path(), smaller));
    if (levels == before->levels().size()) break;
    TRY(writer.add_level(before->levels()[levels].shape));
    TRY(write_level(*before, writer, levels++));
  }
  return levels;
}

Result<size_t> convert_to_zarr(const PixelReader& image, const std::string& out,
                               const ConvertOptions& options) {
  TRY_ASSIGN(ImageWriter writer, ImageWriter::create(out, layout_of(image.info(), options)));
  TRY(write_level(image, writer, 0));
  TRY_ASSIGN(const size_t levels, add_smaller_levels(writer, options.shrink));
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
