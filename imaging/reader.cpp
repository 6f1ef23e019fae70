#include "imaging/reader.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include <fmt/format.h>

#include "formats/file_tree.h"
#include "formats/ome_zarr.h"
#include "formats/tiff.h"
#include "imaging/codec.h"

namespace tierhub::imaging {
namespace {

static_assert(std::endian::native == std::endian::little,
              "voxels are converted from and to little-endian bytes");

template <class Stored, class T>
void convert_row(const std::byte* from, bool swap, T* to, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    Stored value;
    std::memcpy(&value, from + i * sizeof(Stored), sizeof(Stored));
    if constexpr (sizeof(Stored) == 2) value = swap ? __builtin_bswap16(value) : value;
    if constexpr (sizeof(Stored) == 4) value = swap ? __builtin_bswap32(value) : value;
    to[i] = static_cast<T>(value);
  }
}

// Converts `count` voxels from how they are stored.
template <class T>
void convert(const std::byte* from, uint64_t pixel_bytes, bool swap, T* to, size_t count) {
  switch (pixel_bytes) {
    case 1:
      return convert_row<uint8_t>(from, swap, to, count);
    case 2:
      return convert_row<uint16_t>(from, swap, to, count);
    default:
      return convert_row<uint32_t>(from, swap, to, count);
  }
}

Error not_supported(const formats::Dataset& dataset, std::string_view why) {
  return Error(std::errc::not_supported, fmt::format("{} cannot be read: {}", dataset.path, why));
}

}  // namespace

Result<ImageReader> ImageReader::open(const std::string& path) {
  TRY_ASSIGN(formats::Dataset dataset, formats::open_dataset(path));
  if (dataset.not_decodable) return not_supported(dataset, *dataset.not_decodable);
  ImageReader reader(std::move(dataset));
  if (reader.dataset_->kind == formats::Kind::tiff) {
    TRY_ASSIGN(TiffPages pages, TiffPages::open(*reader.dataset_));
    reader.pages_ = std::make_unique<TiffPages>(std::move(pages));
  }
  return reader;
}

Result<GreyVolume> ImageReader::read_grey(const Box& box) {
  TRY(formats::check_box(*dataset_, box));
  if (dataset_->levels[box.level].pixels.bytes > 2) {
    return not_supported(*dataset_, "its pixels are uint32: a grey image must have 8 or 16 bits");
  }
  return read<uint16_t>(box);
}

Result<LabelVolume> ImageReader::read_labels(const Box& box) {
  TRY(formats::check_box(*dataset_, box));
  return read<uint32_t>(box);
}

template <class T>
Result<Volume<T>> ImageReader::read(const Box& box) {
  Volume<T> volume(box.extent());
  switch (dataset_->kind) {
    case formats::Kind::ome_zarr:
      TRY(read_zarr(box, volume));
      break;
    case formats::Kind::tiff:
      TRY(read_tiff(box, volume));
      break;
  }
  return volume;
}

Result<bool> ImageReader::load_chunk(const formats::Level& level, const formats::Shape& at) {
  const std::string name = formats::chunk_path(*dataset_, level, at);
  TRY_ASSIGN(const formats::PosixTree tree, formats::PosixTree::open(dataset_->path));
  const formats::Shape& chunk = level.chunk;
  const uint64_t chunk_bytes = chunk.t * chunk.c * chunk.extent().voxels() * level.pixels.bytes;
  // No compressor makes a chunk longer than this.
  const uint64_t limit_bytes = chunk_bytes + chunk_bytes / 8 + (1u << 16);
  const auto packed = tree.read_small(name, limit_bytes);
  if (!packed) return packed.error().in(dataset_->path);
  if (!packed->has_value()) return false;
  buffer_.resize(chunk_bytes);
  if (auto unpacked = decompress(level.codec, std::as_bytes(std::span(**packed)), buffer_);
      !unpacked) {
    return unpacked.error().in(dataset_->path + "/" + name);
  }
  return true;
}

// Where voxel (z, y, x) of the wanted time point and channel lies in an unpacked chunk: strides in
// voxels per axis, in the dataset's order of axes.
struct ChunkLayout {
  uint64_t offset = 0;
  uint64_t z = 0;
  uint64_t y = 0;
  uint64_t x = 0;
};

static ChunkLayout layout_of(const formats::Dataset& dataset, const formats::Level& level,
                             const Box& box) {
  ChunkLayout layout;
  uint64_t stride = 1;
  for (size_t i = dataset.axes.size(); i-- > 0;) {
    const formats::Axis axis = dataset.axes[i];
    switch (axis) {
      case formats::Axis::t:
        layout.offset += box.t % level.chunk.t * stride;
        break;
      case formats::Axis::c:
        layout.offset += box.c % level.chunk.c * stride;
        break;
      case formats::Axis::z:
        layout.z = stride;
        break;
      case formats::Axis::y:
        layout.y = stride;
        break;
      case formats::Axis::x:
        layout.x = stride;
        break;
    }
    stride *= level.chunk.along(axis);
  }
  return layout;
}

template <class T>
Result<void> ImageReader::read_zarr(const Box& box, Volume<T>& volume) {
  const formats::Level& level = dataset_->levels[box.level];
  const bool swap = level.pixels.order == formats::ByteOrder::big;
  const uint64_t pixel_bytes = level.pixels.bytes;
  const ChunkLayout layout = layout_of(*dataset_, level, box);
  if (level.fill_value != 0)
    std::fill(volume.voxels.begin(), volume.voxels.end(), static_cast<T>(level.fill_value));
  return formats::for_each_chunk(level, box, [&](const formats::Shape& at) -> Result<void> {
    TRY_ASSIGN(const bool is_there, load_chunk(level, at));
    if (!is_there) return {};
    Box chunk = box;
    chunk.z = {at.z * level.chunk.z, (at.z + 1) * level.chunk.z};
    chunk.y = {at.y * level.chunk.y, (at.y + 1) * level.chunk.y};
    chunk.x = {at.x * level.chunk.x, (at.x + 1) * level.chunk.x};
    const Box part = formats::intersect(chunk, box);
    for (uint64_t z = part.z.begin; z < part.z.end; ++z) {
      for (uint64_t y = part.y.begin; y < part.y.end; ++y) {
        T* to = &volume.at(z - box.z.begin, y - box.y.begin, part.x.begin - box.x.begin);
        const uint64_t from = layout.offset + (z - chunk.z.begin) * layout.z +
                              (y - chunk.y.begin) * layout.y +
                              (part.x.begin - chunk.x.begin) * layout.x;
        if (layout.x == 1) {
          convert(buffer_.data() + from * pixel_bytes, pixel_bytes, swap, to, part.x.size());
          continue;
        }
        for (uint64_t i = 0; i < part.x.size(); ++i) {
          convert(buffer_.data() + (from + i * layout.x) * pixel_bytes, pixel_bytes, swap, to + i,
                  1);
        }
      }
    }
    return {};
  });
}

template <class T>
Result<void> ImageReader::read_tiff(const Box& box, Volume<T>& volume) {
  const uint64_t pixel_bytes = dataset_->pixels().bytes;
  const uint64_t plane = box.y.size() * box.x.size();
  std::vector<std::byte> bytes(plane * pixel_bytes);
  for (uint64_t z = box.z.begin; z < box.z.end; ++z) {
    TRY(pages_->read(formats::page_number(*dataset_, box.t, box.c, z), box.y, box.x, bytes));
    convert(bytes.data(), pixel_bytes, false, &volume.at(z - box.z.begin, 0, 0), plane);
  }
  return {};
}

}  // namespace tierhub::imaging
