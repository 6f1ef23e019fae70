// Sums of intensities, of pairs of channels and of neighbours: of blocks, added up, against those
// of the whole, and against the plainest way to compute them.
#include <cmath>
#include <map>
#include <random>

#include <gtest/gtest.h>

#include "imaging/voxels/colocalisation.h"
#include "imaging/voxels/label_numbers.h"
#include "imaging/voxels/neighbours.h"
#include "tests/unit/imaging/blockwise.h"
#include "tests/unit/imaging/masks.h"

namespace tierhub::imaging {
namespace {

constexpr uint32_t kMostLabels = 6;

LabelVolume random_labels(std::mt19937_64& random, const Extent& shape) {
  LabelVolume labels(shape);
  for (uint32_t label = 1; label <= kMostLabels; ++label) {
    const test::Mask mask = test::random_mask(random, shape);
    for (size_t i = 0; i < mask.voxels.size(); ++i)
      if (mask.voxels[i] != 0 && random() % 8 != 0) labels.voxels[i] = label;
  }
  for (uint32_t& label : labels.voxels)
    if (label % 2 == 1 && random() % 3 != 0) label = 0;
  return labels;
}

std::vector<Box> random_tiles(std::mt19937_64& random, const Extent& shape) {
  return formats::tile(whole_box(shape), {1 + random() % 5, 1 + random() % 9, 1 + random() % 9})
      .value();
}

TEST(LabelNumbers, KeepTheOrderOfAnyLabels) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    std::mt19937_64 random(seed);
    LabelVolume labels(random_shape(random, 12));
    const uint32_t scale = seed % 2 == 0 ? 1 : 0x10000003;
    for (uint32_t& label : labels.voxels)
      label = static_cast<uint32_t>(random() % 9 * random() % 14) * scale;
    std::map<uint32_t, uint32_t> expected;
    for (const uint32_t label : labels.voxels)
      if (label != 0) expected[label] = 0;
    uint32_t next = 0;
    for (auto& [label, number] : expected) number = ++next;
    LabelVolume numbered = labels;
    const std::vector<uint32_t> numbers = number_densely(numbered, Parallel(1 + seed % 3));
    ASSERT_EQ(numbers.size(), expected.size()) << "seed " << seed;
    for (size_t i = 0; i < labels.voxels.size(); ++i) {
      const uint32_t label = labels.voxels[i];
      ASSERT_EQ(numbered.voxels[i], label == 0 ? 0 : expected[label]) << "seed " << seed;
      if (label != 0) {
        ASSERT_EQ(numbers[numbered.voxels[i] - 1], label);
      }
    }
  }
}

// What all values of an object tell, from their sorted list.
Intensities plain_intensities(std::vector<uint16_t> values) {
  std::sort(values.begin(), values.end());
  Intensities result;
  result.voxels = values.size();
  for (const uint16_t value : values) {
    result.sum += value;
    result.squares += uint64_t{value} * value;
  }
  result.min = values.front();
  result.max = values.back();
  result.twice_median = values[(values.size() - 1) / 2] + values[values.size() / 2];
  return result;
}

TEST(ValueCounts, OfBlocksAddUpToThoseOfTheWhole) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    std::mt19937_64 random(seed);
    const Extent shape = test::random_extent(random, 4, 12);
    const Box all = whole_box(shape);
    const LabelVolume labels = random_labels(random, shape);
    const GreyVolume image = random_volume(random, shape);
    const auto whole = count_values(labels, image, kMostLabels, Parallel(1 + seed % 3));
    std::vector<ValueCounts> added(kMostLabels);
    for (const Box& box : random_tiles(random, shape)) {
      const auto part = count_values(crop(labels, all, box), crop(image, all, box), kMostLabels);
      for (size_t i = 0; i < kMostLabels; ++i) add_counts(added[i], part[i]);
    }
    ASSERT_EQ(added, whole) << "seed " << seed;
    for (uint32_t label = 1; label <= kMostLabels; ++label) {
      std::vector<uint16_t> values;
      for (size_t i = 0; i < labels.voxels.size(); ++i)
        if (labels.voxels[i] == label) values.push_back(image.voxels[i]);
      ASSERT_EQ(values.empty(), whole[label - 1].empty());
      if (values.empty()) continue;
      ASSERT_EQ(intensities_of(whole[label - 1]), plain_intensities(values)) << "seed " << seed;
    }
  }
}

TEST(Intensities, SayMedianAndDeviation) {
  const Intensities four = intensities_of({{2, 1}, {4, 2}, {7, 1}});
  EXPECT_EQ(four.twice_median, 8u);
  EXPECT_NEAR(deviation(four), std::sqrt((5.0625 + 0.0625 * 2 + 7.5625) / 4), 1e-12);
  EXPECT_EQ(intensities_of({{3, 1}, {8, 1}}).twice_median, 11u);
  const Intensities huge = intensities_of({{65534, uint64_t{1} << 38}, {65535, uint64_t{1} << 38}});
  EXPECT_EQ(huge.twice_median, 131069u);
  EXPECT_NEAR(deviation(huge), 0.5, 1e-12);
  EXPECT_EQ(deviation(intensities_of({{9, 1}})), 0);
}

TEST(Pairs, OfBlocksAddUpToThoseOfTheWhole) {
  for (uint64_t seed = 1; seed <= 250; ++seed) {
    std::mt19937_64 random(seed);
    const Extent shape = test::random_extent(random, 6, 20);
    const Box all = whole_box(shape);
    const LabelVolume labels = random_labels(random, shape);
    const GreyVolume a = random_volume(random, shape), b = random_volume(random, shape);
    const PairThresholds thresholds{a.voxels[random() % a.voxels.size()],
                                    b.voxels[random() % b.voxels.size()]};
    const auto whole = measure_pairs(labels, a, b, thresholds, kMostLabels, Parallel(seed % 4));
    std::vector<PairSums> plain(kMostLabels), added(kMostLabels);
    for (size_t i = 0; i < labels.voxels.size(); ++i) {
      if (labels.voxels[i] == 0) continue;
      PairSums& sums = plain[labels.voxels[i] - 1];
      const uint64_t x = a.voxels[i], y = b.voxels[i];
      sums.product += x * y;
      if (x > thresholds.first) sums.first_above += x, ++sums.first_voxels;
      if (y > thresholds.second) sums.second_above += y, ++sums.second_voxels;
      if (x <= thresholds.first || y <= thresholds.second) continue;
      sums.first_in_both += x;
      sums.second_in_both += y;
      ++sums.both_voxels;
    }
    for (const Box& box : random_tiles(random, shape)) {
      const auto part = measure_pairs(crop(labels, all, box), crop(a, all, box), crop(b, all, box),
                                      thresholds, kMostLabels);
      for (size_t i = 0; i < kMostLabels; ++i) added[i].add(part[i]);
    }
    ASSERT_EQ(whole, plain) << "seed " << seed;
    ASSERT_EQ(added, whole) << "seed " << seed;
  }
}

TEST(Pairs, CorrelateAsTheyShould) {
  const LabelVolume labels = [] {
    LabelVolume one({1, 1, 4});
    one.voxels = {1, 1, 1, 1};
    return one;
  }();
  GreyVolume a({1, 1, 4}), b({1, 1, 4});
  a.voxels = {1, 2, 3, 4};
  const auto correlation = [&](const std::vector<uint16_t>& values) {
    b.voxels = values;
    return pearson(intensities_of(count_values(labels, a, 1)[0]),
                   intensities_of(count_values(labels, b, 1)[0]),
                   measure_pairs(labels, a, b, {}, 1)[0]);
  };
  EXPECT_NEAR(*correlation({10, 20, 30, 40}), 1, 1e-12);
  EXPECT_NEAR(*correlation({8, 6, 4, 2}), -1, 1e-12);
  EXPECT_NEAR(*correlation({1, 0, 0, 1}), 0, 1e-12);
  EXPECT_FALSE(correlation({5, 5, 5, 5}));
  b.voxels = {0, 0, 9, 1};
  const Manders both = manders(measure_pairs(labels, a, b, {2, 5}, 1)[0], {}, {});
  EXPECT_NEAR(*both.first, 3.0 / 7, 1e-12);
  EXPECT_NEAR(*both.second, 1, 1e-12);
  EXPECT_FALSE(manders(measure_pairs(labels, a, b, {2, 9}, 1)[0], {}, {}).second);
}

// Against the numbers themselves, of grey values that stand for others.
TEST(Pairs, HaveMandersCoefficientsOfTheNumbers) {
  for (uint64_t seed = 1; seed <= 250; ++seed) {
    std::mt19937_64 random(seed);
    const Extent shape = random_shape(random, 8);
    LabelVolume labels(shape);
    for (uint32_t& label : labels.voxels) label = 1;
    const GreyVolume a = random_volume(random, shape), b = random_volume(random, shape);
    const PairThresholds thresholds{random() % 300, random() % 300};
    const auto random_scale = [&] {
      return GreyScale{static_cast<double>(random() % 9),
                       0.125 * static_cast<double>(1 + random() % 9)};
    };
    const GreyScale first = random_scale(), second = random_scale();
    double whole_a = 0, whole_b = 0, part_a = 0, part_b = 0;  // exact: in eighths
    for (size_t i = 0; i < a.voxels.size(); ++i) {
      const bool a_above = a.voxels[i] > thresholds.first,
                 b_above = b.voxels[i] > thresholds.second;
      const double x = first.number_of(a.voxels[i]), y = second.number_of(b.voxels[i]);
      if (a_above) whole_a += x;
      if (b_above) whole_b += y;
      if (a_above && b_above) part_a += x, part_b += y;
    }
    const Manders both = manders(measure_pairs(labels, a, b, thresholds, 1)[0], first, second);
    ASSERT_EQ(both.first.has_value(), whole_a > 0) << "seed " << seed;
    ASSERT_EQ(both.second.has_value(), whole_b > 0) << "seed " << seed;
    ASSERT_EQ(both.first.value_or(0), whole_a > 0 ? part_a / whole_a : 0) << "seed " << seed;
    ASSERT_EQ(both.second.value_or(0), whole_b > 0 ? part_b / whole_b : 0) << "seed " << seed;
  }
}

// Every voxel of an object against every other one's.
std::vector<Neighbours> plain_neighbours(const LabelVolume& labels, double distance,
                                         const Steps& steps) {
  std::vector<std::map<uint32_t, uint64_t>> found(kMostLabels);
  for (size_t i = 0; i < labels.voxels.size(); ++i) {
    for (size_t k = 0; k < labels.voxels.size(); ++k) {
      const uint32_t own = labels.voxels[i], other = labels.voxels[k];
      if (own == 0 || other == 0 || own == other) continue;
      const test::Position a = test::position(labels.extent, i);
      const test::Position b = test::position(labels.extent, k);
      const int64_t z = (a[0] - b[0]) * steps.z, y = (a[1] - b[1]) * steps.y,
                    x = (a[2] - b[2]) * steps.x;
      const auto square = static_cast<uint64_t>(z * z + y * y + x * x);
      if (static_cast<double>(square) > 256 * distance * distance) continue;
      const auto [known, is_new] = found[own - 1].try_emplace(other, square);
      known->second = std::min(known->second, square);
    }
  }
  std::vector<Neighbours> neighbours(kMostLabels);
  for (size_t i = 0; i < kMostLabels; ++i)
    for (const auto& [label, square] : found[i]) neighbours[i].push_back({label, square});
  return neighbours;
}

TEST(Neighbours, OfBlocksAddUpToThoseOfTheWhole) {
  size_t pairs = 0;
  for (uint64_t seed = 1; seed <= 250; ++seed) {
    std::mt19937_64 random(seed);
    const Extent shape = test::random_extent(random, 5, 16);
    const Box all = whole_box(shape);
    LabelVolume labels = random_labels(random, shape);
    for (uint32_t& label : labels.voxels)
      if (random() % 2 == 0) label = 0;
    const double distance = static_cast<double>(random() % 80) / 10;
    const Steps steps{seed % 3 == 0 ? 40u : 16u, 16, seed % 7 == 0 ? 24u : 16u};
    const auto of = [&](const Box& grown, const Box& owned, size_t threads) {
      const auto places = measure_places(crop(labels, all, owned), owned, kMostLabels);
      return must(find_neighbours(crop(labels, all, grown), grown, places, distance, steps, shape,
                                  Parallel(threads)));
    };
    const std::vector<Neighbours> whole = of(all, all, 1 + seed % 3);
    ASSERT_EQ(whole, plain_neighbours(labels, distance, steps)) << "seed " << seed;
    const Halo halo = must(expand_halo(distance, steps, shape));
    std::vector<Neighbours> added(kMostLabels);
    for (const Box& box : random_tiles(random, shape)) {
      const auto part = of(formats::grow(box, halo, shape), box, 1);
      for (size_t i = 0; i < kMostLabels; ++i) add_neighbours(added[i], part[i]);
    }
    ASSERT_EQ(added, whole) << "seed " << seed;
    for (const Neighbours& neighbours : whole) pairs += neighbours.size();
  }
  EXPECT_GT(pairs, 500u);
}

TEST(Neighbours, RefuseADistanceThatIsNone) {
  const LabelVolume labels(Extent{1, 2, 2});
  EXPECT_FALSE(find_neighbours(labels, whole_box({1, 2, 2}), {}, -1, {}, {1, 2, 2}));
  EXPECT_FALSE(find_neighbours(labels, whole_box({1, 2, 2}), {}, 1e9, {}, {1, 2, 2}));
}

}  // namespace
}  // namespace tierhub::imaging
