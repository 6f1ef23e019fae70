#include "imaging/convert.h"

#include <algorithm>
#include <cmath>
#include <limits>
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

// From this size on an image gets smaller levels, until both sides fit into a picture.
constexpr uint64_t kLarge = 1024;
constexpr uint64_t kSmallest = 512;

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

Shape halved(const Shape& shape) {
  return {shape.t, shape.c, shape.z, (shape.y + 1) / 2, (shape.x + 1) / 2};
}

// Voxels of a smaller level out of those behind them, which are `from` of the level before.
template <class T>
void shrink(const Region& from, const std::vector<std::byte>& voxels, const Region& to,
            ConvertOptions::Shrink how, std::vector<std::byte>& out) {
  const Shape behind = from.shape(), own = to.shape();
  const auto* source = reinterpret_cast<const T*>(voxels.data());
  auto* target = reinterpret_cast<T*>(out.data());
  const uint64_t planes = own.t * own.c * own.z;
  for (uint64_t plane = 0; plane < planes; ++plane, source += behind.y * behind.x) {
    for (uint64_t y = 0; y < own.y; ++y) {
      for (uint64_t x = 0; x < own.x; ++x, ++target) {
        if (how == ConvertOptions::Shrink::nearest) {
          *target = source[2 * y * behind.x + 2 * x];
          continue;
        }
        long double sum = 0;
        int count = 0;
        for (uint64_t i = 2 * y; i < std::min(2 * y + 2, behind.y); ++i)
          for (uint64_t k = 2 * x; k < std::min(2 * x + 2, behind.x); ++k, ++count)
            sum += static_cast<long double>(source[i * behind.x + k]);
        const long double mean = sum / count;
        if constexpr (std::is_integral_v<T>) {
          // Rounding must not leave the type: the largest number of 64 bits plus a half is rounded
          // up.
          constexpr auto kMost = static_cast<long double>(std::numeric_limits<T>::max());
          *target = static_cast<T>(std::min(std::floor(mean + 0.5L), kMost));
        } else {
          *target = static_cast<T>(mean);
        }
      }
    }
  }
}

Result<void> write_finest(const PixelReader& image, const ImageWriter& writer) {
  const formats::Grid grid = writer.grid(0);
  std::vector<std::byte> voxels;
  return grid.for_each(whole(grid.shape, 0), [&](const Shape& at) -> Result<void> {
    const Region region = grid.region_of(0, at);
    voxels.resize(region.shape().voxels() * formats::bytes_of(image.info().type));
    TRY(image.read(region, image.info().type, voxels));
    return writer.write_chunk(0, at, voxels);
  });
}

// Level `level` out of the one before, which has been written.
Result<void> write_smaller(const ImageWriter& writer, size_t level, ConvertOptions::Shrink how) {
  TRY_ASSIGN(const auto before, PixelReader::open(writer.path(), {}));
  const formats::PixelType type = before->info().type;
  const Shape& behind = before->info().levels[level - 1].shape;
  const formats::Grid grid = writer.grid(level);
  std::vector<std::byte> voxels, smaller;
  return grid.for_each(whole(grid.shape, level), [&](const Shape& at) -> Result<void> {
    const Region to = grid.region_of(level, at);
    Region from = to;
    from.level = level - 1;
    from.y = {2 * to.y.begin, std::min(2 * to.y.end, behind.y)};
    from.x = {2 * to.x.begin, std::min(2 * to.x.end, behind.x)};
    voxels.resize(from.shape().voxels() * formats::bytes_of(type));
    smaller.resize(to.shape().voxels() * formats::bytes_of(type));
    TRY(before->read(from, type, voxels));
    formats::with_type(
        type, [&](auto sample) { shrink<decltype(sample)>(from, voxels, to, how, smaller); });
    return writer.write_chunk(level, at, smaller);
  });
}

}  // namespace

Result<size_t> convert_to_zarr(const PixelReader& image, const std::string& out,
                               const ConvertOptions& options) {
  const ImageLayout layout = layout_of(image.info(), options);
  TRY_ASSIGN(ImageWriter writer, ImageWriter::create(out, layout));
  TRY(write_finest(image, writer));
  size_t levels = 1;
  Shape shape = layout.shape;
  while (std::max(layout.shape.y, layout.shape.x) > kLarge &&
         std::max(shape.y, shape.x) > kSmallest) {
    shape = halved(shape);
    TRY(writer.add_level(shape));
    TRY(write_smaller(writer, levels, options.shrink));
    ++levels;
  }
  TRY(writer.commit());
  return levels;
}

Result<void> convert_to_tiff(const PixelReader& image, const std::string& out) {
  TRY(make_parent_folder(out));
  return pixels::write_ome_tiff(image, out);
}

}  // namespace tierhub::imaging
