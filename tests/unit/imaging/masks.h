// Random masks, and the plainest ways to walk over their voxels, for tests.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <random>
#include <vector>

#include "imaging/voxels/label.h"
#include "imaging/voxels/volume.h"

namespace tierhub::imaging::test {

using Mask = Volume<uint8_t>;
using Position = std::array<int64_t, 3>;  // z, y, x

inline Position position(const Extent& size, size_t i) {
  return {static_cast<int64_t>(i / (size.y * size.x)), static_cast<int64_t>(i / size.x % size.y),
          static_cast<int64_t>(i % size.x)};
}

inline bool is_inside(const Extent& size, const Position& at) {
  return at[0] >= 0 && at[1] >= 0 && at[2] >= 0 && at[0] < static_cast<int64_t>(size.z) &&
         at[1] < static_cast<int64_t>(size.y) && at[2] < static_cast<int64_t>(size.x);
}

// In z, y, x order.
inline std::vector<size_t> neighbours(const Extent& size, size_t i, Connectivity connectivity) {
  const Position at = position(size, i);
  std::vector<size_t> found;
  for (int64_t z = -1; z <= 1; ++z) {
    for (int64_t y = -1; y <= 1; ++y) {
      for (int64_t x = -1; x <= 1; ++x) {
        const int64_t axes = std::abs(z) + std::abs(y) + std::abs(x);
        if (axes == 0 || (connectivity == Connectivity::face && axes > 1)) continue;
        const Position other = {at[0] + z, at[1] + y, at[2] + x};
        if (is_inside(size, other))
          found.push_back(i + z * static_cast<int64_t>(size.y * size.x) +
                          y * static_cast<int64_t>(size.x) + x);
      }
    }
  }
  return found;
}

// Thin shapes, single rows and single voxels among them.
inline Extent random_extent(std::mt19937_64& random, uint64_t longest_z, uint64_t longest) {
  const auto length = [&random](uint64_t most) {
    return random() % 5 == 0 ? 1 + random() % 2 : 1 + random() % most;
  };
  return {random() % 2 == 0 ? 1 : length(longest_z), length(longest), length(longest)};
}

// Overlapping boxes and balls with specks cut out: objects of many widths, with necks and holes.
inline Mask random_mask(std::mt19937_64& random, const Extent& size) {
  Mask mask(size);
  const uint64_t blobs = 1 + random() % std::min<uint64_t>(24, 3 + mask.voxels.size() / 40);
  for (uint64_t blob = 0; blob < blobs; ++blob) {
    const Position centre = {static_cast<int64_t>(random() % size.z),
                             static_cast<int64_t>(random() % size.y),
                             static_cast<int64_t>(random() % size.x)};
    const auto radius = static_cast<int64_t>(1 + random() % 6);
    const bool is_box = random() % 4 == 0;
    for (size_t i = 0; i < mask.voxels.size(); ++i) {
      const Position at = position(size, i);
      int64_t square = 0;
      int64_t farthest = 0;
      for (size_t axis = 0; axis < 3; ++axis) {
        const int64_t offset = std::abs(at[axis] - centre[axis]);
        square += offset * offset;
        farthest = std::max(farthest, offset);
      }
      if (is_box ? farthest <= radius / 2 : square <= radius * radius) mask.voxels[i] = 1;
    }
  }
  const uint64_t specks = random() % 3 == 0 ? random() % (1 + mask.voxels.size() / 16) : 0;
  for (uint64_t i = 0; i < specks; ++i) mask.voxels[random() % mask.voxels.size()] ^= 1;
  return mask;
}

}  // namespace tierhub::imaging::test
