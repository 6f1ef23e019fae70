#include "imaging/voxels/median.h"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <vector>

#include <fmt/format.h>

#include "imaging/voxels/tiles.h"
#include "imaging/voxels/vector_clones.h"

namespace tierhub::imaging {
namespace {

// Signed, because vector instructions compare signed integers. A voxel is kept minus the darkest of
// its tile, and minus kBias.
constexpr int kBias = 1 << 15;
constexpr size_t kChunk = 64;  // voxels that are searched for at a time

// The voxels around a chunk: `count` rows, and `across` windows of each, one voxel apart.
struct Window {
  const int16_t* const* rows;
  size_t count;
  size_t across;
};

// below[i] is how many voxels of the window around voxel i are less than limit[i].
TIERHUB_VECTOR_CLONES
void count_below(const Window& window, const int16_t* limit, int16_t* below) {
  int16_t count[kChunk] = {};
  for (size_t row = 0; row < window.count; ++row) {
    for (size_t x = 0; x < window.across; ++x) {
      const int16_t* const voxels = window.rows[row] + x;
      for (size_t i = 0; i < kChunk; ++i)
        count[i] = static_cast<int16_t>(count[i] + (voxels[i] < limit[i] ? 1 : 0));
    }
  }
  std::copy_n(count, kChunk, below);
}

// Finds medians bit by bit, the highest first: a bit is set if no more than half of the voxels are
// less than what it makes of the median.
void find_medians(const Window& window, int bits, uint16_t* medians) {
  const auto half = static_cast<int16_t>(window.count * window.across / 2);
  std::array<int16_t, kChunk> limit, below;
  std::fill_n(medians, kChunk, uint16_t{0});
  for (int bit = bits - 1; bit >= 0; --bit) {
    for (size_t i = 0; i < kChunk; ++i)
      limit[i] = static_cast<int16_t>((medians[i] | 1 << bit) - kBias);
    count_below(window, limit.data(), below.data());
    for (size_t i = 0; i < kChunk; ++i)
      medians[i] = static_cast<uint16_t>(medians[i] | (below[i] <= half ? 1 << bit : 0));
  }
}

class TileMedian {
 public:
  // `around` is `tile` with `radius` around it.
  TileMedian(const GreyVolume& around, const Extent& tile, const Halo& radius)
      : tile_(tile),
        radius_(radius),
        // The last chunk of a row reads beyond it.
        width_(around.extent.x + kChunk),
        height_(around.extent.y),
        voxels_(around.extent.z * height_ * width_) {
    const auto [low, high] = std::minmax_element(around.voxels.begin(), around.voxels.end());
    darkest_ = *low;
    bits_ = std::bit_width(static_cast<unsigned>(*high - *low));
    for (size_t row = 0; row < around.extent.z * height_; ++row) {
      const uint16_t* const from = &around.voxels[row * around.extent.x];
      for (size_t x = 0; x < around.extent.x; ++x)
        voxels_[row * width_ + x] = static_cast<int16_t>(from[x] - darkest_ - kBias);
    }
    rows_.resize((2 * radius.z + 1) * (2 * radius.y + 1));
  }

  // Row y of plane z of the tile.
  void row(uint64_t z, uint64_t y, uint16_t* to) {
    std::array<uint16_t, kChunk> medians;
    for (uint64_t x = 0; x < tile_.x; x += kChunk) {
      size_t i = 0;
      for (uint64_t dz = 0; dz <= 2 * radius_.z; ++dz) {
        for (uint64_t dy = 0; dy <= 2 * radius_.y; ++dy)
          rows_[i++] = &voxels_[((z + dz) * height_ + y + dy) * width_ + x];
      }
      find_medians({rows_.data(), rows_.size(), 2 * radius_.x + 1}, bits_, medians.data());
      const uint64_t size = std::min<uint64_t>(kChunk, tile_.x - x);
      for (uint64_t j = 0; j < size; ++j) to[x + j] = static_cast<uint16_t>(medians[j] + darkest_);
    }
  }

 private:
  const Extent tile_;
  const Halo radius_;
  const size_t width_, height_;
  uint16_t darkest_ = 0;
  int bits_ = 0;  // of the brightest voxel minus the darkest
  std::vector<int16_t> voxels_;
  std::vector<const int16_t*> rows_;
};

Result<void> check_box(const Halo& radius) {
  constexpr uint64_t kTooMany = 1 << 15;
  const bool is_short = std::max({radius.z, radius.y, radius.x}) < kTooMany;
  if (is_short && (2 * radius.z + 1) * (2 * radius.y + 1) * (2 * radius.x + 1) < kTooMany)
    return {};
  return Error(std::errc::invalid_argument,
               fmt::format("the box of a median of radius {} must have fewer than {} voxels: use a "
                           "smaller radius",
                           formats::to_text(radius), kTooMany));
}

}  // namespace

Result<GreyVolume> median(const GreyVolume& volume, const Box& grown, const Box& owned,
                          const Halo& radius, const Extent& shape, Parallel parallel) {
  const Halo used = radius_in(shape, radius);
  TRY(check_box(used));
  GreyVolume result(owned.extent());
  for_tiles(owned, tile_size(used), parallel, [&](const Box& tile) {
    const GreyVolume around = copy_around(volume, grown, tile, used, {});
    TileMedian medians(around, tile.extent(), used);
    for (uint64_t z = tile.z.begin; z < tile.z.end; ++z) {
      for (uint64_t y = tile.y.begin; y < tile.y.end; ++y) {
        medians.row(z - tile.z.begin, y - tile.y.begin,
                    &result.at(z - owned.z.begin, y - owned.y.begin, tile.x.begin - owned.x.begin));
      }
    }
  });
  return result;
}

}  // namespace tierhub::imaging
