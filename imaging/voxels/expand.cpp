#include "imaging/voxels/expand.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <span>
#include <vector>

#include <fmt/format.h>

namespace tierhub::imaging {
namespace {

// The squared distance to a label above the label: the smallest key is the nearest label.
using Key = int64_t;
constexpr int kLabelBits = 32;
constexpr Key kNoLabel = Key{1} << 62;  // still the largest when distances are added
// So much is expanded at once: its keys stay in the cache.
constexpr uint64_t kTileRows = 32;
constexpr uint64_t kTileColumns = 128;

Key square_of(uint64_t voxels, uint32_t step) {
  const auto length = static_cast<Key>(voxels * step);
  return length * length;
}

// d2 is within the distance if it is at most this.
Key limit_of(double distance) { return static_cast<Key>(std::floor(256 * distance * distance)); }

uint64_t reach(double distance, uint32_t step, uint64_t length) {
  return length > 1 ? floor_sqrt(static_cast<uint64_t>(limit_of(distance))) / step : 0;
}

__attribute__((always_inline)) inline void take_nearer_here(Key* nearest, const Key* keys,
                                                            Key farther, size_t count) {
  for (size_t x = 0; x < count; ++x) {
    const Key key = keys[x] + farther;
    nearest[x] = key < nearest[x] ? key : nearest[x];
  }
}

void take_nearer_16(Key* nearest, const Key* keys, Key farther, size_t count) {
  take_nearer_here(nearest, keys, farther, count);
}

__attribute__((target("avx2"))) void take_nearer_32(Key* nearest, const Key* keys, Key farther,
                                                    size_t count) {
  take_nearer_here(nearest, keys, farther, count);
}

// nearest[x] becomes the smaller of nearest[x] and keys[x] + farther; integers, so that every vector
// width has the same result.
void take_nearer(Key* nearest, const Key* keys, Key farther, size_t count) {
  static const bool has_avx2 = __builtin_cpu_supports("avx2") != 0;
  (has_avx2 ? take_nearer_32 : take_nearer_16)(nearest, keys, farther, count);
}

// Keys of a tile's rows. Those of a row without a label are not filled in.
class KeyRows {
 public:
  void resize(uint64_t count, uint64_t length) {
    length_ = length;
    keys_.resize(std::max(keys_.size(), count * length));
    has_labels_.assign(count, 0);
  }
  std::span<Key> row(uint64_t i) { return {keys_.data() + i * length_, length_}; }
  void set_filled(uint64_t i) { has_labels_[i] = 1; }
  uint64_t count() const { return has_labels_.size(); }

  // The nearest of what row `i` and the rows around it have, which are `apart` rows from each other
  // and a step in space. False if none of them has a label.
  bool nearest_around(uint64_t i, uint64_t apart, uint64_t radius, uint32_t step,
                      std::span<Key> nearest) const {
    bool is_filled = false;
    const auto take = [&](uint64_t row, uint64_t distance) {
      if (has_labels_[row] == 0) return;
      if (!is_filled) std::fill(nearest.begin(), nearest.end(), kNoLabel);
      is_filled = true;
      take_nearer(nearest.data(), keys_.data() + row * length_,
                  square_of(distance, step) << kLabelBits, length_);
    };
    take(i, 0);
    for (uint64_t distance = 1; distance <= radius; ++distance) {
      if (i >= distance * apart) take(i - distance * apart, distance);
      if (i + distance * apart < count()) take(i + distance * apart, distance);
    }
    return is_filled;
  }

 private:
  uint64_t length_ = 0;
  std::vector<Key> keys_;
  std::vector<uint8_t> has_labels_;
};

struct Buffers {
  KeyRows along_x;  // of one plane
  KeyRows along_y;  // of all planes
  std::vector<Key> nearest;
};

// Squared distances at which a voxel gets a label.
struct SquareRange {
  Key above;
  Key up_to;
};

// Finds the nearest labels axis by axis: the smallest key over x, then of those over y, then z.
class Expansion {
 public:
  Expansion(const LabelVolume& labels, const Box& grown, const Box& owned, const Halo& halo,
            const Steps& steps, const Extent& shape, const SquareRange& squares)
      : labels_(labels),
        grown_(grown),
        owned_(owned),
        halo_(halo),
        steps_(steps),
        shape_(shape),
        squares_(squares),
        result_(owned.extent()) {
    assert(labels.extent == grown.extent());
    assert(grown.contains(formats::grow(owned, halo, shape)));
  }

  LabelVolume run(Parallel parallel) {
    const uint64_t rows = (owned_.y.size() + kTileRows - 1) / kTileRows;
    const uint64_t columns = (owned_.x.size() + kTileColumns - 1) / kTileColumns;
    parallel.for_ranges(rows * columns, [&](size_t begin, size_t end) {
      Buffers buffers;
      for (size_t i = begin; i < end; ++i) {
        const uint64_t y = owned_.y.begin + i / columns * kTileRows;
        const uint64_t x = owned_.x.begin + i % columns * kTileColumns;
        Box tile = owned_;
        tile.y = {y, std::min(y + kTileRows, owned_.y.end)};
        tile.x = {x, std::min(x + kTileColumns, owned_.x.end)};
        expand(tile, buffers);
      }
    });
    return std::move(result_);
  }

 private:
  void expand(const Box& tile, Buffers& buffers) {
    const Box read = formats::grow(tile, halo_, shape_);
    const uint64_t rows = tile.y.size();
    buffers.along_y.resize(read.z.size() * rows, tile.x.size());
    buffers.nearest.resize(tile.x.size());
    for (uint64_t z = read.z.begin; z < read.z.end; ++z) {
      find_along_x(z, read, tile, buffers.along_x);
      for (uint64_t row = 0; row < rows; ++row) {
        const uint64_t i = (z - read.z.begin) * rows + row;
        if (buffers.along_x.nearest_around(tile.y.begin - read.y.begin + row, 1, halo_.y, steps_.y,
                                           buffers.along_y.row(i)))
          buffers.along_y.set_filled(i);
      }
    }
    for (uint64_t z = tile.z.begin; z < tile.z.end; ++z) {
      for (uint64_t row = 0; row < rows; ++row) {
        const uint64_t i = (z - read.z.begin) * rows + row;
        if (buffers.along_y.nearest_around(i, rows, halo_.z, steps_.z, buffers.nearest))
          take_labels(buffers.nearest,
                      &result_.at(z - owned_.z.begin, tile.y.begin + row - owned_.y.begin,
                                  tile.x.begin - owned_.x.begin));
      }
    }
  }

  void find_along_x(uint64_t z, const Box& read, const Box& tile, KeyRows& keys) const {
    keys.resize(read.y.size(), tile.x.size());
    for (uint64_t y = read.y.begin; y < read.y.end; ++y) {
      const std::span labels(
          &labels_.at(z - grown_.z.begin, y - grown_.y.begin, read.x.begin - grown_.x.begin),
          read.x.size());
      uint32_t any = 0;
      for (const uint32_t label : labels) any |= label;
      if (any == 0) continue;
      find_in_row(labels, tile.x.begin - read.x.begin, keys.row(y - read.y.begin));
      keys.set_filled(y - read.y.begin);
    }
  }

  // `keys` begins at voxel `skipped` of the row.
  void find_in_row(std::span<const uint32_t> labels, uint64_t skipped, std::span<Key> keys) const {
    std::fill(keys.begin(), keys.end(), kNoLabel);
    const uint64_t end = skipped + keys.size();
    uint64_t apart = halo_.x;  // from the last label
    uint32_t last = 0;
    const auto visit = [&](uint64_t at) {
      last = labels[at] != 0 ? labels[at] : last;
      apart = labels[at] != 0 ? 0 : apart + 1;
      if (at < skipped || at >= end || apart > halo_.x) return;
      Key& key = keys[at - skipped];
      key = std::min(key, square_of(apart, steps_.x) << kLabelBits | last);
    };
    for (uint64_t at = 0; at < end; ++at) visit(at);
    apart = halo_.x;
    for (uint64_t at = labels.size(); at-- > skipped;) visit(at);
  }

  void take_labels(std::span<const Key> nearest, uint32_t* to) const {
    for (size_t x = 0; x < nearest.size(); ++x) {
      const Key square = nearest[x] >> kLabelBits;
      const bool is_in_range = square > squares_.above && square <= squares_.up_to;
      to[x] = is_in_range ? static_cast<uint32_t>(nearest[x]) : 0;
    }
  }

  const LabelVolume& labels_;
  const Box grown_;
  const Box owned_;
  const Halo halo_;
  const Steps steps_;
  const Extent shape_;
  const SquareRange squares_;
  LabelVolume result_;
};

constexpr Key kLabelsToo = -1;  // a label is at distance 0

}  // namespace

Result<Halo> expand_halo(double distance, const Steps& steps, const Extent& shape) {
  if (!(distance >= 0 && distance <= kMaxExpansion)) {
    return Error(std::errc::invalid_argument,
                 fmt::format("a distance must be between 0 and {} voxels", kMaxExpansion));
  }
  return Halo{reach(distance, steps.z, shape.z), reach(distance, steps.y, shape.y),
              reach(distance, steps.x, shape.x)};
}

uint64_t expansion_bytes(const Box& owned, const Halo& halo) {
  const uint64_t rows = (owned.z.size() + 2 * halo.z) * kTileRows + kTileRows + 2 * halo.y;
  return rows * kTileColumns * sizeof(Key);
}

Result<LabelVolume> expand_labels(const LabelVolume& labels, const Box& grown, const Box& owned,
                                  double distance, const Steps& steps, const Extent& shape,
                                  Parallel parallel) {
  TRY_ASSIGN(const Halo halo, expand_halo(distance, steps, shape));
  return Expansion(labels, grown, owned, halo, steps, shape, {kLabelsToo, limit_of(distance)})
      .run(parallel);
}

Result<LabelVolume> ring_labels(const LabelVolume& labels, const Box& grown, const Box& owned,
                                double from, double to, const Steps& steps, const Extent& shape,
                                Parallel parallel) {
  TRY_ASSIGN(const Halo halo, expand_halo(to, steps, shape));
  if (!(from >= 0 && from <= to)) {
    return Error(std::errc::invalid_argument,
                 fmt::format("a ring must begin between 0 and its outer distance, {} voxels", to));
  }
  return Expansion(labels, grown, owned, halo, steps, shape, {limit_of(from), limit_of(to)})
      .run(parallel);
}

}  // namespace tierhub::imaging
