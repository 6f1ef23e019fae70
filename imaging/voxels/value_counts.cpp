#include "imaging/voxels/value_counts.h"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace tierhub::imaging {
namespace {

// The values of each label's voxels, one label after the other.
struct SortedByLabel {
  std::vector<uint64_t> first;  // where those of a label begin; one more than there are labels
  std::vector<uint16_t> values;
};

SortedByLabel sort_by_label(const LabelVolume& labels, const GreyVolume& image, uint64_t count,
                            Parallel parallel) {
  const size_t voxels = labels.voxels.size();
  const size_t parts = std::clamp<size_t>(voxels, 1, parallel.threads());
  const auto each_voxel = [&](size_t part, const auto& use) {
    const size_t end = voxels * (part + 1) / parts;
    for (size_t i = voxels * part / parts; i < end; ++i)
      if (labels.voxels[i] != 0) use(labels.voxels[i] - 1, i);
  };
  // How many voxels of a label a part has; then, where their values go.
  std::vector<std::vector<uint64_t>> places(parts);
  parallel.for_each(parts, [&](size_t part) {
    places[part].resize(count);
    each_voxel(part, [&own = places[part]](uint32_t label, size_t) { ++own[label]; });
  });
  SortedByLabel sorted;
  uint64_t next = 0;
  for (uint64_t label = 0; label < count; ++label) {
    sorted.first.push_back(next);
    for (std::vector<uint64_t>& own : places) {
      const uint64_t size = own[label];
      own[label] = next;
      next += size;
    }
  }
  sorted.first.push_back(next);
  sorted.values.resize(next);
  parallel.for_each(parts, [&](size_t part) {
    each_voxel(part, [&, &own = places[part]](uint32_t label, size_t i) {
      sorted.values[own[label]++] = image.voxels[i];
    });
  });
  return sorted;
}

constexpr size_t kValues = 65536;

// `bins` are kValues zeros, and are left so.
ValueCounts counts_of(const uint16_t* begin, const uint16_t* end, std::vector<uint64_t>& bins) {
  if (begin == end) return {};
  uint16_t least = *begin, most = *begin;
  for (const uint16_t* at = begin; at != end; ++at) {
    least = std::min(least, *at);
    most = std::max(most, *at);
    ++bins[*at];
  }
  ValueCounts counts;
  for (uint32_t value = least; value <= most; ++value) {
    if (bins[value] == 0) continue;
    counts.push_back({value, bins[value]});
    bins[value] = 0;
  }
  return counts;
}

}  // namespace

std::vector<ValueCounts> count_values(const LabelVolume& labels, const GreyVolume& image,
                                      uint64_t count, Parallel parallel) {
  assert(labels.extent == image.extent);
  const SortedByLabel sorted = sort_by_label(labels, image, count, parallel);
  std::vector<ValueCounts> counts(count);
  parallel.for_ranges(count, [&](size_t begin, size_t end) {
    std::vector<uint64_t> bins(kValues);
    const uint16_t* const values = sorted.values.data();
    for (size_t i = begin; i < end; ++i)
      counts[i] = counts_of(values + sorted.first[i], values + sorted.first[i + 1], bins);
  });
  return counts;
}

void add_counts(ValueCounts& to, const ValueCounts& more) {
  if (to.empty()) {
    to = more;
    return;
  }
  ValueCounts sum;
  sum.reserve(to.size() + more.size());
  auto a = to.begin();
  auto b = more.begin();
  while (a != to.end() || b != more.end()) {
    if (b == more.end() || (a != to.end() && a->value < b->value)) {
      sum.push_back(*a++);
    } else if (a == to.end() || b->value < a->value) {
      sum.push_back(*b++);
    } else {
      sum.push_back({a->value, uint64_t{a->count} + b->count});
      ++a;
      ++b;
    }
  }
  to = std::move(sum);
}

Intensities intensities_of(const ValueCounts& counts) {
  Intensities result;
  for (const ValueCount& bin : counts) {
    result.voxels += bin.count;
    result.sum += uint64_t{bin.value} * bin.count;
    result.squares += WideInteger{bin.value} * bin.value * bin.count;
  }
  result.min = static_cast<uint16_t>(counts.front().value);
  result.max = static_cast<uint16_t>(counts.back().value);
  // The values at these places, if all were sorted.
  const uint64_t lower = (result.voxels - 1) / 2;
  const uint64_t upper = result.voxels / 2;
  uint64_t before = 0;
  for (const ValueCount& bin : counts) {
    const auto value = static_cast<uint32_t>(bin.value);
    if (lower >= before && lower < before + bin.count) result.twice_median += value;
    if (upper >= before && upper < before + bin.count) result.twice_median += value;
    before += bin.count;
  }
  return result;
}

double deviation(const Intensities& intensities) {
  const WideInteger n = intensities.voxels;
  const WideInteger variance =
      n * intensities.squares - WideInteger{intensities.sum} * intensities.sum;
  return std::sqrt(static_cast<double>(variance)) / static_cast<double>(intensities.voxels);
}

}  // namespace tierhub::imaging
