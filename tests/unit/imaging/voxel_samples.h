// Volumes in memory for tests.
#pragma once

#include <random>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include "common/result.h"
#include "imaging/voxels/volume.h"

namespace tierhub::imaging {

// Fails the test with the text of the error.
template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().text());
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

inline Box whole_box(const Extent& shape) {
  return Box{0, 0, 0, {0, shape.z}, {0, shape.y}, {0, shape.x}};
}

// Dim noise with bright voxels here and there: smoothed and thresholded it gives objects of many
// forms.
inline GreyVolume speckle(const Extent& shape, uint64_t seed) {
  GreyVolume volume(shape);
  std::mt19937_64 random(seed);
  for (uint16_t& voxel : volume.voxels) {
    voxel = static_cast<uint16_t>(random() % 200);
    if (random() % 12 == 0) voxel = static_cast<uint16_t>(2000 + random() % 4000);
  }
  return volume;
}

}  // namespace tierhub::imaging
