#include "imaging/images/levels.h"

#include <algorithm>
#include <cstring>

namespace tierhub::imaging {
namespace {

using formats::AxisRange;
using formats::Region;
using formats::Shape;
using pixels::PixelReader;

// Where the voxel `at` of an axis of `size` voxels is on the same axis of `finer` voxels: the first of
// those that it stands for, also if the last one stands for fewer.
uint64_t on_finer(uint64_t at, uint64_t size, uint64_t finer) {
  const uint64_t step = (finer + size - 1) / size;
  return (finer + step - 1) / step == size ? at * step : at * finer / size;
}

AxisRange behind(const AxisRange& range, uint64_t size, uint64_t finer) {
  return {on_finer(range.begin, size, finer), on_finer(range.end - 1, size, finer) + 1};
}

// Fills `to` with the voxels of `region` of a level of `shape`, out of the level before, of `finer`.
Result<void> sample(const PixelReader& image, const Shape& finer, const Shape& shape,
                    const Region& region, std::span<std::byte> to) {
  const Region from{region.level - 1,
                    region.t,
                    region.c,
                    behind(region.z, shape.z, finer.z),
                    behind(region.y, shape.y, finer.y),
                    behind(region.x, shape.x, finer.x)};
  LabelVolume labels({from.z.size(), from.y.size(), from.x.size()});
  TRY(image.read(from, formats::PixelType::uint32,
                 std::as_writable_bytes(std::span(labels.voxels))));
  std::byte* next = to.data();
  for (uint64_t z = region.z.begin; z < region.z.end; ++z)
    for (uint64_t y = region.y.begin; y < region.y.end; ++y)
      for (uint64_t x = region.x.begin; x < region.x.end; ++x, next += sizeof(uint32_t)) {
        const uint32_t label = labels.at(on_finer(z, shape.z, finer.z) - from.z.begin,
                                         on_finer(y, shape.y, finer.y) - from.y.begin,
                                         on_finer(x, shape.x, finer.x) - from.x.begin);
        std::memcpy(next, &label, sizeof label);
      }
  return {};
}

}  // namespace

bool is_large(const Shape& shape) { return std::max(shape.y, shape.x) > kLargeSide; }

Result<void> write_level(const PixelReader& image, const ImageWriter& writer, size_t level,
                         Parallel parallel) {
  const formats::PixelType type = image.info().type;
  return writer.fill_level(level, parallel, [&](const Region& region, std::span<std::byte> to) {
    return image.read(region, type, to);
  });
}

Result<size_t> add_smaller_levels(ImageWriter& writer, pixels::Shrink shrink, Parallel parallel) {
  PixelReader::Options smaller;
  smaller.shrink = shrink;
  size_t levels = 1;
  while (is_large(writer.grid(0).shape)) {
    // Knows the levels that have been written, and what follows from them.
    TRY_ASSIGN(const auto before, PixelReader::open(writer.path(), smaller));
    if (levels == before->levels().size()) break;
    TRY(writer.add_level(before->levels()[levels].shape));
    TRY(write_level(*before, writer, levels++, parallel));
  }
  return levels;
}

void add_smaller_levels(MemoryUse& memory, const Shape& shape, const Shape& chunk,
                        uint64_t voxel_bytes) {
  if (!is_large(shape)) return;
  // The first of them is the largest. What it is computed from is read in planes of this size.
  constexpr uint64_t kBehind = 2 * pixels::kSmallestLevel;
  const uint64_t before = shape.voxels() * voxel_bytes;
  const bool cuts_chunks = chunk.z > 1 || chunk.y > kBehind || chunk.x > kBehind;
  memory.keep_chunks(before / 4 + (cuts_chunks ? before : 0));
  memory.pack_chunks(before / 4, chunk.voxels() * voxel_bytes, 3);
}

Result<void> add_label_levels(ImageWriter& writer, const std::vector<Shape>& shapes,
                              Parallel parallel) {
  Shape finer = writer.grid(0).shape;
  for (size_t level = 1; level <= shapes.size(); ++level) {
    const Shape& shape = shapes[level - 1];
    TRY(writer.add_level(shape));
    TRY_ASSIGN(const auto before, PixelReader::open(writer.path(), {}));
    TRY(writer.fill_level(level, parallel, [&](const Region& region, std::span<std::byte> to) {
      return sample(*before, finer, shape, region, to);
    }));
    finer = shape;
  }
  return {};
}

}  // namespace tierhub::imaging
