#include "imaging/voxels/morphology.h"

#include <algorithm>
#include <array>
#include <limits>
#include <vector>

#include "imaging/voxels/tiles.h"

namespace tierhub::imaging {
namespace {

struct Darkest {
  static constexpr uint16_t kNeutral = std::numeric_limits<uint16_t>::max();
  uint16_t operator()(uint16_t a, uint16_t b) const { return std::min(a, b); }
};
struct Brightest {
  static constexpr uint16_t kNeutral = 0;
  uint16_t operator()(uint16_t a, uint16_t b) const { return std::max(a, b); }
};

// voxels[i] becomes what `best` finds in `window` voxels, `stride` apart, from i on; the last
// (window - 1) * stride are left undefined. Windows double until two of them cover the whole one.
template <class Best>
void slide(uint16_t* voxels, size_t size, size_t stride, uint64_t window, Best best) {
  const auto combine = [&](uint64_t distance) {
    const size_t step = distance * stride;
    const size_t end = size - std::min(size, step);
    size_t i = 0;
    // A block is read before it is written, so that the compiler may use vectors.
    for (std::array<uint16_t, 64> block; i + block.size() <= end; i += block.size()) {
      for (size_t k = 0; k < block.size(); ++k)
        block[k] = best(voxels[i + k], voxels[i + k + step]);
      std::copy(block.begin(), block.end(), voxels + i);
    }
    for (; i < end; ++i) voxels[i] = best(voxels[i], voxels[i + step]);
  };
  uint64_t done = 1;
  for (; 2 * done <= window; done *= 2) combine(done);
  if (done < window) combine(window - done);
}

// A tile with `radius` around it becomes the tile alone.
template <class Best>
GreyVolume filter(GreyVolume tile, const Halo& radius, Best best) {
  const Extent from = tile.extent;
  const Extent to{from.z - 2 * radius.z, from.y - 2 * radius.y, from.x - 2 * radius.x};
  GreyVolume result(to);
  std::vector<uint16_t> rows(from.z * from.x);  // one of each plane: what fits a near cache
  for (uint64_t y = 0; y < from.y && radius.z > 0; ++y) {
    for (uint64_t z = 0; z < from.z; ++z) std::copy_n(&tile.at(z, y, 0), from.x, &rows[z * from.x]);
    slide(rows.data(), rows.size(), from.x, 2 * radius.z + 1, best);
    for (uint64_t z = 0; z < to.z; ++z) std::copy_n(&rows[z * from.x], from.x, &tile.at(z, y, 0));
  }
  for (uint64_t z = 0; z < to.z; ++z) {
    slide(&tile.at(z, 0, 0), from.y * from.x, from.x, 2 * radius.y + 1, best);
    for (uint64_t y = 0; y < to.y; ++y) {
      slide(&tile.at(z, y, 0), from.x, 1, 2 * radius.x + 1, best);
      std::copy_n(&tile.at(z, y, 0), to.x, &result.at(z, y, 0));
    }
  }
  return result;
}

// Beyond the volume no box finds anything, however far it reaches.
Halo useful_radius(const Halo& radius, const Extent& shape) {
  return {std::min(radius.z, shape.z - 1), std::min(radius.y, shape.y - 1),
          std::min(radius.x, shape.x - 1)};
}

// Overwrites what lies beyond the volume of `shape` in a tile with `radius` around it.
void clear_outside(GreyVolume& around, const Box& tile, const Halo& radius, const Extent& shape) {
  const Box inside = formats::grow(tile, radius, shape);
  const Box kept{
      0,
      0,
      0,
      {inside.z.begin + radius.z - tile.z.begin, inside.z.end + radius.z - tile.z.begin},
      {inside.y.begin + radius.y - tile.y.begin, inside.y.end + radius.y - tile.y.begin},
      {inside.x.begin + radius.x - tile.x.begin, inside.x.end + radius.x - tile.x.begin}};
  for (uint64_t z = 0; z < around.extent.z; ++z) {
    for (uint64_t y = 0; y < around.extent.y; ++y) {
      uint16_t* const row = &around.at(z, y, 0);
      if (kept.z.contains(z) && kept.y.contains(y)) {
        std::fill(row, row + kept.x.begin, Brightest::kNeutral);
        std::fill(row + kept.x.end, row + around.extent.x, Brightest::kNeutral);
      } else {
        std::fill(row, row + around.extent.x, Brightest::kNeutral);
      }
    }
  }
}

GreyVolume opened_tile(const GreyVolume& volume, const Box& grown, const Box& tile,
                       const Halo& radius, const Extent& shape) {
  GreyVolume around = copy_around(volume, grown, tile, opening_halo(radius), Darkest::kNeutral);
  GreyVolume eroded = filter(std::move(around), radius, Darkest());
  clear_outside(eroded, tile, radius, shape);
  return filter(std::move(eroded), radius, Brightest());
}

// store(from, original, to, size) gets each row of what make_tile(tile) returns.
template <class MakeTile, class StoreRow>
GreyVolume by_tiles(const GreyVolume& volume, const Box& grown, const Box& owned,
                    const Extent& size, Parallel parallel, const MakeTile& make_tile,
                    const StoreRow& store) {
  GreyVolume result(owned.extent());
  for_tiles(owned, size, parallel, [&](const Box& tile) {
    const GreyVolume filtered = make_tile(tile);
    for (uint64_t z = tile.z.begin; z < tile.z.end; ++z) {
      for (uint64_t y = tile.y.begin; y < tile.y.end; ++y) {
        store(&filtered.at(z - tile.z.begin, y - tile.y.begin, 0),
              &volume.at(z - grown.z.begin, y - grown.y.begin, tile.x.begin - grown.x.begin),
              &result.at(z - owned.z.begin, y - owned.y.begin, tile.x.begin - owned.x.begin),
              tile.x.size());
      }
    }
  });
  return result;
}

void copy_row(const uint16_t* from, const uint16_t*, uint16_t* to, size_t size) {
  std::copy_n(from, size, to);
}

// An opening is nowhere brighter than the original.
void subtract_row(const uint16_t* opened, const uint16_t* original, uint16_t* to, size_t size) {
  for (size_t x = 0; x < size; ++x) to[x] = static_cast<uint16_t>(original[x] - opened[x]);
}

template <class Best>
GreyVolume filter_by_tiles(const GreyVolume& volume, const Box& grown, const Box& owned,
                           const Halo& radius, const Extent& shape, Parallel parallel, Best best) {
  const Halo useful = useful_radius(radius, shape);
  const auto filtered = [&](const Box& tile) {
    return filter(copy_around(volume, grown, tile, useful, Best::kNeutral), useful, best);
  };
  return by_tiles(volume, grown, owned, tile_size(useful), parallel, filtered, copy_row);
}

template <class StoreRow>
GreyVolume open_by_tiles(const GreyVolume& volume, const Box& grown, const Box& owned,
                         const Halo& radius, const Extent& shape, Parallel parallel,
                         const StoreRow& store) {
  const Halo useful = useful_radius(radius, shape);
  const auto opened = [&](const Box& tile) {
    return opened_tile(volume, grown, tile, useful, shape);
  };
  return by_tiles(volume, grown, owned, tile_size(opening_halo(useful)), parallel, opened, store);
}

}  // namespace

GreyVolume erode(const GreyVolume& volume, const Box& grown, const Box& owned, const Halo& radius,
                 const Extent& shape, Parallel parallel) {
  return filter_by_tiles(volume, grown, owned, radius, shape, parallel, Darkest());
}

GreyVolume dilate(const GreyVolume& volume, const Box& grown, const Box& owned, const Halo& radius,
                  const Extent& shape, Parallel parallel) {
  return filter_by_tiles(volume, grown, owned, radius, shape, parallel, Brightest());
}

GreyVolume open(const GreyVolume& volume, const Box& grown, const Box& owned, const Halo& radius,
                const Extent& shape, Parallel parallel) {
  return open_by_tiles(volume, grown, owned, radius, shape, parallel, copy_row);
}

GreyVolume white_top_hat(const GreyVolume& volume, const Box& grown, const Box& owned,
                         const Halo& radius, const Extent& shape, Parallel parallel) {
  return open_by_tiles(volume, grown, owned, radius, shape, parallel, subtract_row);
}

}  // namespace tierhub::imaging
