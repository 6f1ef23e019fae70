#include "formats/raw_planes.h"

#include <algorithm>

#include <fmt/format.h>

namespace tierhub::formats {

uint64_t rows_at_once(uint64_t row_bytes, uint64_t rows) {
  constexpr uint64_t kBandBytes = 1u << 20;
  return std::clamp<uint64_t>(kBandBytes / std::max<uint64_t>(row_bytes, 1), 1, rows);
}

Result<void> RawPlanesImage::set_planes(const ArrayCoding& coding, uint64_t offset_bytes) {
  Level& level = info_.levels.front();
  const Shape& shape = level.shape;
  info_.type = coding.type;
  info_.type_name = to_text(coding.type);
  level.compressor = "none";
  voxel_bytes_ = coding.stored_bytes();
  offset_bytes_ = offset_bytes;
  coding_ = std::make_shared<const Coding>(coding);
  level.chunk = {1, 1, 1, rows_at_once(shape.x * voxel_bytes_, shape.y), shape.x};
  TRY_ASSIGN(const auto file_bytes, files().size_of(files().file()));
  uint64_t needed_bytes = voxel_bytes_;
  bool fits = true;
  for (const uint64_t size : {shape.x, shape.y, shape.z, shape.c, shape.t})
    fits = fits && !__builtin_mul_overflow(needed_bytes, size, &needed_bytes);
  fits = fits && !__builtin_add_overflow(needed_bytes, offset_bytes, &needed_bytes);
  if (fits && needed_bytes <= file_bytes.value_or(0)) return {};
  return Error(std::errc::invalid_argument,
               fmt::format("{} is truncated or damaged: it has {} bytes, but its header describes "
                           "more",
                           info_.path, file_bytes.value_or(0)));
}

Result<void> RawPlanesImage::for_each_chunk(const Region& region, const UseChunk& use) const {
  TRY(check_region(info_, region));
  const Level& level = info_.levels.front();
  const Grid grid{level.shape, level.chunk};
  const Shape plane_strides = dense_strides(level.shape);
  return grid.for_each(region, [&](const Shape& at) -> Result<void> {
    Chunk chunk;
    chunk.region = grid.region_of(region.level, at);
    const Region& part = chunk.region;
    const uint64_t first = part.t.begin * plane_strides.t + part.c.begin * plane_strides.c +
                           part.z.begin * plane_strides.z + part.y.begin * plane_strides.y;
    chunk.stored = part.shape();
    chunk.bytes = {{files().file(), offset_bytes_ + first * voxel_bytes_,
                    chunk.stored.voxels() * voxel_bytes_}};
    chunk.index = grid.index_of(at);
    chunk.stride = dense_strides(chunk.stored);
    chunk.coding = coding_;
    return use(chunk);
  });
}

}  // namespace tierhub::formats
