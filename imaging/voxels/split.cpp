#include "imaging/voxels/split.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <utility>

namespace tierhub::imaging {
namespace {

constexpr uint32_t kNone = std::numeric_limits<uint32_t>::max();

uint64_t framed(uint64_t length) { return length > 1 ? length + 2 : 1; }

uint32_t in_sixteenths(double h) {
  const double sixteenths = std::floor(16 * h + 0.5);
  if (!(sixteenths > 1)) return 1;
  return static_cast<uint32_t>(std::min(sixteenths, 4e9));
}

}  // namespace

SplitResult Splitter::operator()(const Volume<uint8_t>& mask, const SplitOptions& options) {
  lay_out(mask.extent, options.connectivity);
  take_depths(mask, options);
  sort_by_depth();
  find_seeds(in_sixteenths(options.h));
  grow_seeds();
  return pieces(mask.extent);
}

void Splitter::lay_out(const Extent& size, Connectivity connectivity) {
  frame_ = {framed(size.z), framed(size.y), framed(size.x)};
  assert(frame_.voxels() < kNone - 1);
  const auto row = static_cast<ptrdiff_t>(frame_.x);
  const auto plane = static_cast<ptrdiff_t>(frame_.y * frame_.x);
  const int reach_z = size.z > 1 ? 1 : 0;
  const int reach_y = size.y > 1 ? 1 : 0;
  const int reach_x = size.x > 1 ? 1 : 0;
  begin_ = reach_z * plane + reach_y * row + reach_x;
  neighbour_count_ = 0;
  for (int z = -reach_z; z <= reach_z; ++z) {
    for (int y = -reach_y; y <= reach_y; ++y) {
      for (int x = -reach_x; x <= reach_x; ++x) {
        const int axes = std::abs(z) + std::abs(y) + std::abs(x);
        if (axes == 0 || (connectivity == Connectivity::face && axes > 1)) continue;
        neighbours_[neighbour_count_++] = z * plane + y * row + x;
      }
    }
  }
}

void Splitter::take_depths(const Volume<uint8_t>& mask, const SplitOptions& options) {
  const Volume<uint64_t>& squares = distance_(mask, options.steps, options.shape);
  const Extent& size = mask.extent;
  depth_.assign(frame_.voxels(), 0);
  deepest_ = 0;
  size_t from = 0;
  for (uint64_t z = 0; z < size.z; ++z) {
    for (uint64_t y = 0; y < size.y; ++y) {
      uint32_t* to = &depth_[begin_ + (z * frame_.y + y) * frame_.x];
      for (uint64_t x = 0; x < size.x; ++x, ++from, ++to) {
        if (squares.voxels[from] == 0) continue;
        *to = floor_sqrt(squares.voxels[from]);
        deepest_ = std::max(deepest_, *to);
      }
    }
  }
}

void Splitter::sort_by_depth() {
  // starts_[q] becomes the number of voxels deeper than q.
  starts_.assign(size_t{deepest_} + 2, 0);
  for (const uint32_t q : depth_) ++starts_[q];
  starts_[0] = 0;
  uint32_t deeper = 0;
  for (size_t q = deepest_; q > 0; --q) deeper += std::exchange(starts_[q], deeper);
  by_depth_.resize(deeper);
  for (uint32_t voxel = 0; voxel < depth_.size(); ++voxel) {
    if (depth_[voxel] != 0) by_depth_[starts_[depth_[voxel]]++] = voxel;
  }
}

// Takes the voxels from the deepest on and joins them to sets. A set that holds all that can be
// reached from its deepest voxel, at depth m, without going above m - h is a maximum of the
// reconstruction: there the reconstruction is m - h, and next to it less.
void Splitter::find_seeds(uint32_t h) {
  piece_.assign(depth_.size(), 0);
  parent_.assign(depth_.size(), kNone);
  next_.resize(depth_.size());
  peaks_.clear();
  seeds_ = 0;
  size_t settled = 0;
  for (size_t i = 0; i < by_depth_.size(); ++i) {
    const uint32_t depth = depth_[by_depth_[i]];
    for (; settled < peaks_.size(); ++settled) {
      const uint32_t peak_depth = depth_[peaks_[settled]];
      if (peak_depth <= h || peak_depth - h <= depth) break;
      make_seed(peaks_[settled]);
    }
    if (!join_deeper_neighbours(by_depth_[i])) peaks_.push_back(by_depth_[i]);
  }
  for (; settled < peaks_.size(); ++settled) make_seed(peaks_[settled]);
}

// False if it has none.
bool Splitter::join_deeper_neighbours(uint32_t voxel) {
  parent_[voxel] = voxel;
  next_[voxel] = voxel;
  uint32_t root = voxel;
  for (size_t i = 0; i < neighbour_count_; ++i) {
    const auto neighbour = static_cast<uint32_t>(voxel + neighbours_[i]);
    if (parent_[neighbour] == kNone) continue;
    const uint32_t other = root_of(neighbour);
    if (other == root) continue;
    std::swap(next_[root], next_[other]);
    if (depth_[other] < depth_[root]) {
      parent_[other] = root;
    } else {
      parent_[root] = other;
      root = other;
    }
  }
  return root != voxel;
}

uint32_t Splitter::root_of(uint32_t voxel) {
  while (parent_[voxel] != voxel) {
    parent_[voxel] = parent_[parent_[voxel]];
    voxel = parent_[voxel];
  }
  return voxel;
}

// Unless a deeper voxel is in its set, or an equal one made a seed of the set.
void Splitter::make_seed(uint32_t peak) {
  if (piece_[peak] != 0 || depth_[root_of(peak)] > depth_[peak]) return;
  ++seeds_;
  uint32_t voxel = peak;
  do {
    piece_[voxel] = seeds_;
    voxel = next_[voxel];
  } while (voxel != peak);
}

void Splitter::grow_seeds() {
  if (seeds_ == 1) {
    for (const uint32_t voxel : by_depth_) piece_[voxel] = 1;
    return;
  }
  queues_.assign(size_t{deepest_} + 1, {kNone, kNone});
  top_ = 0;
  for (uint32_t voxel = 0; voxel < piece_.size(); ++voxel) {
    if (piece_[voxel] != 0) push(voxel);
  }
  while (top_ > 0) {
    Queue& queue = queues_[top_];
    if (queue.first == kNone) {
      --top_;
      continue;
    }
    const uint32_t voxel = queue.first;
    queue.first = voxel == queue.last ? kNone : next_[voxel];
    for (size_t i = 0; i < neighbour_count_; ++i) {
      const auto neighbour = static_cast<uint32_t>(voxel + neighbours_[i]);
      if (depth_[neighbour] == 0 || piece_[neighbour] != 0) continue;
      piece_[neighbour] = piece_[voxel];
      push(neighbour);
    }
  }
}

void Splitter::push(uint32_t voxel) {
  const uint32_t depth = depth_[voxel];
  Queue& queue = queues_[depth];
  if (queue.first == kNone) {
    queue.first = voxel;
  } else {
    next_[queue.last] = voxel;
  }
  queue.last = voxel;
  top_ = std::max(top_, depth);
}

SplitResult Splitter::pieces(const Extent& size) const {
  SplitResult result{LabelVolume(size), 0};
  std::vector<uint32_t> number(size_t{seeds_} + 1);
  uint32_t* to = result.pieces.voxels.data();
  for (uint64_t z = 0; z < size.z; ++z) {
    for (uint64_t y = 0; y < size.y; ++y) {
      const uint32_t* from = &piece_[begin_ + (z * frame_.y + y) * frame_.x];
      for (uint64_t x = 0; x < size.x; ++x, ++from, ++to) {
        if (*from == 0) continue;
        if (number[*from] == 0) number[*from] = ++result.count;
        *to = number[*from];
      }
    }
  }
  return result;
}

SplitResult split_object(const Volume<uint8_t>& mask, const SplitOptions& options) {
  Splitter split;
  return split(mask, options);
}

}  // namespace tierhub::imaging
