#include "imaging/filters/resized_image.h"

#include <vector>

#include <fmt/format.h>

namespace tierhub::imaging {
namespace {

using formats::AxisRange;
using formats::PixelType;

// What is read at once: whole chunks of most images, and few enough voxels.
constexpr Extent kReadAtOnce{64, 512, 512};

AxisRange cells_of(const AxisRange& range, uint64_t cell) {
  return {range.begin / cell, cells_along(range.end, cell)};
}

Box cells_of(const Box& box, const Extent& cell) {
  return {0, 0, 0, cells_of(box.z, cell.z), cells_of(box.y, cell.y), cells_of(box.x, cell.x)};
}

AxisRange behind(const AxisRange& cells, uint64_t cell, const AxisRange& all) {
  return {all.begin + cells.begin * cell, std::min(all.begin + cells.end * cell, all.end)};
}

// The voxels of `box` that the cells of `part` consist of.
Box behind(const Box& part, const Extent& cell, const Box& box) {
  return {box.level,
          box.t,
          box.c,
          behind(part.z, cell.z, box.z),
          behind(part.y, cell.y, box.y),
          behind(part.x, cell.x, box.x)};
}

template <class T>
void paste(const Volume<T>& piece, const Box& place, const Box& whole, Volume<T>& to) {
  const Box at = relative_to(place, whole);
  for (uint64_t z = 0; z < piece.extent.z; ++z) {
    for (uint64_t y = 0; y < piece.extent.y; ++y) {
      const T* const row = &piece.at(z, y, 0);
      std::copy(row, row + piece.extent.x, &to.at(at.z.begin + z, at.y.begin + y, at.x.begin));
    }
  }
}

Result<std::vector<Box>> pieces_of(const Box& part, const Extent& cell) {
  return formats::tile(part, {std::max<uint64_t>(kReadAtOnce.z / cell.z, 1),
                              std::max<uint64_t>(kReadAtOnce.y / cell.y, 1),
                              std::max<uint64_t>(kReadAtOnce.x / cell.x, 1)});
}

// The voxels of `part`, out of pieces that are read one after the other. `read` gets their box.
template <class T, class Read>
Result<Volume<T>> resized(const Box& part, const Extent& cell, const Box& box, Resize how,
                          Parallel parallel, const Read& read) {
  Volume<T> all(part.extent());
  TRY_ASSIGN(const std::vector<Box> places, pieces_of(part, cell));
  for (const Box& place : places) {
    TRY_ASSIGN(const Volume<T> voxels, read(behind(place, cell, box)));
    paste(resize(voxels, cell, how, parallel), place, part, all);
  }
  return all;
}

// The memory of resized() and of writing what it returns, for one part after the other.
Result<void> resize_parts(MemoryUse& memory, const ImageReader& reader, const ImageLayout& layout,
                          const std::vector<Box>& parts, const Extent& cell, const Box& box) {
  const bool is_wide = reader.info().type == PixelType::uint32;
  const auto bytes_of = is_wide ? label_bytes : grey_bytes;
  std::vector<Box> read;
  for (const Box& part : parts) {
    TRY_ASSIGN(const std::vector<Box> places, pieces_of(part, cell));
    for (const Box& place : places) read.push_back(behind(place, cell, box));
  }
  memory.keep_chunks(reader.info(), read);
  for (const Box& part : parts) {
    TRY_ASSIGN(const std::vector<Box> places, pieces_of(part, cell));
    const Box& place = places.front();  // the largest
    const Box piece = behind(place, cell, box);
    memory.allocate(bytes_of(part));
    if (is_wide) {
      memory.allocate(label_bytes(piece));
    } else {
      memory.read_grey(reader, piece);
    }
    memory.allocate(bytes_of(place));
    memory.free(bytes_of(place));
    memory.free(bytes_of(piece));
    write_box(memory, layout, part, is_wide ? PixelType::uint32 : PixelType::uint16);
    memory.free(bytes_of(part));
  }
  return {};
}

Result<void> check_begin(const Box& box, const Extent& cell) {
  if (box.z.begin % cell.z == 0 && box.y.begin % cell.y == 0 && box.x.begin % cell.x == 0)
    return {};
  return Error(std::errc::invalid_argument,
               fmt::format("what is selected must begin at multiples of the factor: z={}, y={}, "
                           "x={}",
                           cell.z, cell.y, cell.x));
}

}  // namespace

Extent cell_of(const formats::ImageInfo& info, uint64_t level, uint64_t factor,
               std::optional<uint64_t> factor_z) {
  const formats::Level& finest = info.levels[level];
  if (finest.shape.z == 1) return {1, factor, factor};
  if (factor_z) return {*factor_z, factor, factor};
  const formats::VoxelSize& size = finest.voxel_size;
  // A voxel size of decimals is not exact.
  const double widest = std::max(size.y, size.x) * static_cast<double>(factor) * 1.0001;
  uint64_t z = 1;
  while (z < factor && size.z * static_cast<double>(2 * z) <= widest) z *= 2;
  return {z, factor, factor};
}

Result<MadeImage> resized_image(const ImageReader& reader, const Box& box, const Extent& cell,
                                Resize how, Parallel parallel) {
  TRY(check_begin(box, cell));
  MadeImage made;
  const bool is_wide = reader.info().type == PixelType::uint32;
  made.layout = is_wide ? layout_of_image(reader.info(), box) : layout_of_box(reader, box);
  set_size(made.layout, cells_in(box.extent(), cell));
  formats::VoxelSize& size = made.layout.voxel_size;
  size = {size.z * static_cast<double>(cell.z), size.y * static_cast<double>(cell.y),
          size.x * static_cast<double>(cell.x)};
  made.layout.origin = {box.z.begin / cell.z, box.y.begin / cell.y, box.x.begin / cell.x};
  made.shrink = how == Resize::mean ? pixels::Shrink::mean : pixels::Shrink::nearest;
  made.write = [=, &reader](const Box& part, const ImageWriter& image) -> Result<void> {
    if (is_wide) {
      TRY_ASSIGN(const LabelVolume volume,
                 resized<uint32_t>(part, cell, box, how, parallel,
                                   [&](const Box& from) { return reader.read_labels(from); }));
      return image.write_box(part, volume, parallel);
    }
    TRY_ASSIGN(const GreyVolume volume,
               resized<uint16_t>(part, cell, box, how, parallel,
                                 [&](const Box& from) { return reader.read_grey(from); }));
    return image.write_box(part, volume, parallel);
  };
  made.use = [=, &reader, layout = made.layout](MemoryUse& memory, const std::vector<Box>& parts) {
    return resize_parts(memory, reader, layout, parts, cell, box);
  };
  return made;
}

Result<Box> resized_part(const MadeImage& made, const Box& block, const Extent& cell,
                         const Extent& shape) {
  const formats::Shape& chunk = made.layout.chunk;
  const Extent step{chunk.z * cell.z, chunk.y * cell.y, chunk.x * cell.x};
  const auto is_whole = [](const AxisRange& range, uint64_t size, uint64_t length) {
    return range.begin % length == 0 && (range.end % length == 0 || range.end == size);
  };
  if (is_whole(block.z, shape.z, step.z) && is_whole(block.y, shape.y, step.y) &&
      is_whole(block.x, shape.x, step.x))
    return cells_of(block, cell);
  return Error(std::errc::invalid_argument,
               fmt::format("blocks must make whole chunks of the smaller image: use sizes that are "
                           "multiples of z={}, y={}, x={}",
                           step.z, step.y, step.x));
}

}  // namespace tierhub::imaging
