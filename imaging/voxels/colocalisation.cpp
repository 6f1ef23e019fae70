#include "imaging/voxels/colocalisation.h"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace tierhub::imaging {
namespace {

void add_voxel(PairSums& sums, uint64_t a, uint64_t b, const PairThresholds& thresholds) {
  sums.product += a * b;
  const bool a_above = a > thresholds.first;
  const bool b_above = b > thresholds.second;
  sums.first_above += a_above ? a : 0;
  sums.second_above += b_above ? b : 0;
  sums.first_in_both += a_above && b_above ? a : 0;
  sums.second_in_both += a_above && b_above ? b : 0;
  sums.first_voxels += a_above ? 1 : 0;
  sums.second_voxels += b_above ? 1 : 0;
  sums.both_voxels += a_above && b_above ? 1 : 0;
}

// The sum of the numbers that grey values of so many voxels, of this sum, stand for.
double sum_of_numbers(uint64_t greys, uint64_t voxels, const GreyScale& scale) {
  return scale.offset * static_cast<double>(voxels) + scale.step * static_cast<double>(greys);
}

std::optional<double> share(double part, double whole) {
  if (!(whole > 0)) return std::nullopt;
  return part / whole;
}

}  // namespace

void PairSums::add(const PairSums& other) {
  product += other.product;
  first_above += other.first_above;
  second_above += other.second_above;
  first_in_both += other.first_in_both;
  second_in_both += other.second_in_both;
  first_voxels += other.first_voxels;
  second_voxels += other.second_voxels;
  both_voxels += other.both_voxels;
}

std::vector<PairSums> measure_pairs(const LabelVolume& labels, const GreyVolume& first,
                                    const GreyVolume& second, const PairThresholds& thresholds,
                                    uint64_t count, Parallel parallel) {
  assert(labels.extent == first.extent && labels.extent == second.extent);
  const size_t voxels = labels.voxels.size();
  std::vector<std::vector<PairSums>> parts(std::clamp<size_t>(voxels, 1, parallel.threads()));
  parallel.for_each(parts.size(), [&](size_t part) {
    parts[part].resize(count);
    const size_t end = voxels * (part + 1) / parts.size();
    for (size_t i = voxels * part / parts.size(); i < end; ++i) {
      if (const uint32_t label = labels.voxels[i]; label != 0)
        add_voxel(parts[part][label - 1], first.voxels[i], second.voxels[i], thresholds);
    }
  });
  for (size_t part = 1; part < parts.size(); ++part) {
    for (uint64_t i = 0; i < count; ++i) parts[0][i].add(parts[part][i]);
  }
  return std::move(parts[0]);
}

// With fewer than 2^40 voxels all products are below 2^113.
std::optional<double> pearson(const Intensities& first, const Intensities& second,
                              const PairSums& pair) {
  const WideInteger n = first.voxels;
  const WideInteger a = n * first.squares - WideInteger{first.sum} * first.sum;
  const WideInteger b = n * second.squares - WideInteger{second.sum} * second.sum;
  if (a == 0 || b == 0) return std::nullopt;
  const WideInteger both = n * pair.product - WideInteger{first.sum} * second.sum;
  return static_cast<double>(both) /
         (std::sqrt(static_cast<double>(a)) * std::sqrt(static_cast<double>(b)));
}

Manders manders(const PairSums& pair, const GreyScale& first, const GreyScale& second) {
  return {share(sum_of_numbers(pair.first_in_both, pair.both_voxels, first),
                sum_of_numbers(pair.first_above, pair.first_voxels, first)),
          share(sum_of_numbers(pair.second_in_both, pair.both_voxels, second),
                sum_of_numbers(pair.second_above, pair.second_voxels, second))};
}

}  // namespace tierhub::imaging
