#include "imaging/voxels/tiles.h"

#include <algorithm>

namespace tierhub::imaging {
namespace {

uint64_t tiles_on(const formats::AxisRange& range, uint64_t size) {
  return (range.size() + size - 1) / size;
}

formats::AxisRange tile_on(const formats::AxisRange& range, uint64_t size, uint64_t i) {
  const uint64_t begin = range.begin + i * size;
  return {begin, std::min(begin + size, range.end)};
}

// Voxels along an axis, of which the volume has those of `inside`: counted from its first.
struct Around {
  Around(const formats::AxisRange& tile, const formats::AxisRange& grown, uint64_t radius)
      : first(static_cast<int64_t>(tile.begin) - static_cast<int64_t>(grown.begin) -
              static_cast<int64_t>(radius)),
        size(tile.size() + 2 * radius),
        end(static_cast<int64_t>(grown.size())) {}

  bool has(uint64_t i) const { return at(i) >= 0 && at(i) < end; }
  uint64_t nearest(uint64_t i) const {
    return static_cast<uint64_t>(std::clamp<int64_t>(at(i), 0, end - 1));
  }
  // Where the volume begins and ends, among 0 ... size.
  uint64_t inside_begin() const {
    return static_cast<uint64_t>(std::clamp<int64_t>(-first, 0, static_cast<int64_t>(size)));
  }
  uint64_t inside_end() const {
    return static_cast<uint64_t>(std::clamp<int64_t>(end - first, 0, static_cast<int64_t>(size)));
  }
  int64_t at(uint64_t i) const { return first + static_cast<int64_t>(i); }

  int64_t first;
  uint64_t size;
  int64_t end;
};

}  // namespace

Halo radius_in(const Extent& shape, const Halo& radius) {
  return {shape.z > 1 ? radius.z : 0, shape.y > 1 ? radius.y : 0, shape.x > 1 ? radius.x : 0};
}

Extent tile_size(const Halo& radius) {
  return {std::max<uint64_t>(32, 4 * radius.z), std::max<uint64_t>(64, 4 * radius.y),
          std::max<uint64_t>(512, 4 * radius.x)};
}

void for_tiles(const Box& owned, const Extent& size, Parallel parallel,
               const std::function<void(const Box&)>& body) {
  const uint64_t in_y = tiles_on(owned.y, size.y), in_x = tiles_on(owned.x, size.x);
  parallel.for_each(tiles_on(owned.z, size.z) * in_y * in_x, [&](size_t i) {
    Box tile = owned;
    tile.z = tile_on(owned.z, size.z, i / in_x / in_y);
    tile.y = tile_on(owned.y, size.y, i / in_x % in_y);
    tile.x = tile_on(owned.x, size.x, i % in_x);
    body(tile);
  });
}

GreyVolume copy_around(const GreyVolume& volume, const Box& grown, const Box& tile,
                       const Halo& radius, std::optional<uint16_t> outside) {
  const Around z(tile.z, grown.z, radius.z), y(tile.y, grown.y, radius.y),
      x(tile.x, grown.x, radius.x);
  const uint64_t begin = x.inside_begin(), end = x.inside_end();
  GreyVolume copy({z.size, y.size, x.size});
  for (uint64_t i = 0; i < z.size; ++i) {
    for (uint64_t j = 0; j < y.size; ++j) {
      uint16_t* const row = &copy.at(i, j, 0);
      if (outside && !(z.has(i) && y.has(j))) {
        std::fill(row, row + x.size, *outside);
        continue;
      }
      const uint16_t* const from = &volume.at(z.nearest(i), y.nearest(j), 0);
      std::copy(from + x.at(begin), from + x.at(end), row + begin);
      std::fill(row, row + begin, outside.value_or(from[0]));
      std::fill(row + end, row + x.size, outside.value_or(from[x.end - 1]));
    }
  }
  return copy;
}

}  // namespace tierhub::imaging
