// How two channels of an object go together, from integer sums that can be added over blocks in any
// order.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "imaging/voxels/grey_scale.h"
#include "imaging/voxels/parallel.h"
#include "imaging/voxels/value_counts.h"
#include "imaging/voxels/volume.h"

namespace tierhub::imaging {

// Voxels above them have signal.
struct PairThresholds {
  uint64_t first = 0;
  uint64_t second = 0;
};

// Over the voxels of an object.
struct PairSums {
  WideInteger product = 0;     // of both values
  uint64_t first_above = 0;    // of the first channel, where it is above its threshold
  uint64_t second_above = 0;   // of the second
  uint64_t first_in_both = 0;  // of the first, where both are above theirs
  uint64_t second_in_both = 0;
  // How many voxels each of these four sums is of: needed if grey values stand for other numbers.
  uint64_t first_voxels = 0;
  uint64_t second_voxels = 0;
  uint64_t both_voxels = 0;
  bool operator==(const PairSums&) const = default;

  void add(const PairSums& other);
};

// Of labels 1..count; all three hold the same voxels. Each thread needs count * sizeof(PairSums)
// bytes.
std::vector<PairSums> measure_pairs(const LabelVolume& labels, const GreyVolume& first,
                                    const GreyVolume& second, const PairThresholds& thresholds,
                                    uint64_t count, Parallel parallel = Parallel());

// Pearson's correlation; nothing if a channel has the same value everywhere.
std::optional<double> pearson(const Intensities& first, const Intensities& second,
                              const PairSums& pair);

// Manders' coefficients: which share of a channel's signal lies where the other one has signal,
// too. Nothing if it has no signal, or if its signal, in the numbers that grey values stand for, adds
// up to 0 or less.
struct Manders {
  std::optional<double> first;
  std::optional<double> second;
};
Manders manders(const PairSums& pair, const GreyScale& first, const GreyScale& second);

}  // namespace tierhub::imaging
