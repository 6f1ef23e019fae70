// How often each grey value occurs in an object: all that its intensities can tell. Counts of parts
// of an object can be added in any order.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "imaging/voxels/parallel.h"
#include "imaging/voxels/shape_sums.h"
#include "imaging/voxels/volume.h"

namespace tierhub::imaging {

struct ValueCount {
  uint64_t value : 16;
  uint64_t count : 48;
  bool operator==(const ValueCount& other) const {
    return value == other.value && count == other.count;
  }
};
// Ascending by value, none with a count of 0.
using ValueCounts = std::vector<ValueCount>;

// Of labels 1..count; `labels` and `image` hold the same voxels. Needs two bytes for each voxel of
// an object, and a few for each label and thread.
std::vector<ValueCounts> count_values(const LabelVolume& labels, const GreyVolume& image,
                                      uint64_t count, Parallel parallel = Parallel());

// The memory of their counts at most, if they have so many voxels in all, of so many values.
constexpr uint64_t count_bytes(uint64_t objects, uint64_t voxels, uint64_t values) {
  return objects * sizeof(ValueCounts) + std::min(voxels, objects * values) * sizeof(ValueCount);
}

void add_counts(ValueCounts& to, const ValueCounts& more);

// Exact.
struct Intensities {
  uint64_t voxels = 0;
  uint64_t sum = 0;
  WideInteger squares = 0;
  uint16_t min = 0;
  uint16_t max = 0;
  uint32_t twice_median = 0;  // the sum of both values in the middle, or twice the one
  bool operator==(const Intensities&) const = default;
};
// At least one voxel.
Intensities intensities_of(const ValueCounts& counts);

// The standard deviation of all voxels of the object: the root of the mean squared distance from
// the mean.
double deviation(const Intensities& intensities);

}  // namespace tierhub::imaging
