#include "imaging/voxels/otsu.h"

#include <random>

#include <gtest/gtest.h>

#include "imaging/labels/histogram.h"

namespace tierhub::imaging {
namespace {

// The definition, in 128-bit integers: small counts only.
uint64_t by_definition(const std::vector<uint64_t>& counts) {
  using Wide = unsigned __int128;
  uint64_t n = 0, s = 0;
  for (size_t v = 0; v < counts.size(); ++v) {
    n += counts[v];
    s += counts[v] * v;
  }
  uint64_t best = 0;
  Wide best_above = 0, best_below = 1;
  uint64_t w = 0, sum = 0;
  for (size_t t = 0; t < counts.size(); ++t) {
    w += counts[t];
    sum += counts[t] * t;
    if (w == 0 || w == n) continue;
    const Wide a = Wide{sum} * n, b = Wide{w} * s;
    const Wide difference = a > b ? a - b : b - a;
    const Wide above = difference * difference, below = Wide{w} * (n - w);
    if (above * best_below > best_above * below) {
      best = t;
      best_above = above;
      best_below = below;
    }
  }
  return best;
}

TEST(Otsu, EqualsItsDefinitionOnRandomHistograms) {
  std::mt19937_64 random(5);
  for (int round = 0; round < 300; ++round) {
    std::vector<uint64_t> counts(256);
    for (int i = 0; i < 20; ++i) counts[random() % 256] += random() % 50;
    counts[3] += 1;
    counts[200] += 1;
    EXPECT_EQ(otsu_threshold(counts), by_definition(counts)) << "round " << round;
  }
}

TEST(Otsu, IsTheSmallestOfEqualThresholds) {
  std::vector<uint64_t> counts(65536);
  counts[10] = 5;
  counts[60000] = 5;
  EXPECT_EQ(otsu_threshold(counts), 10u);
  // 0, 1 and 2 once each: a cut after 0 and one after 1 are equally good.
  counts.assign(256, 0);
  counts[0] = counts[1] = counts[2] = 1;
  EXPECT_EQ(otsu_threshold(counts), 0u);
}

TEST(Otsu, LeavesNoObjectInAConstantImage) {
  std::vector<uint64_t> counts(256);
  counts[42] = 1000;
  EXPECT_EQ(otsu_threshold(counts), 42u);
}

TEST(Otsu, IsExactForCountsOfHugeVolumes) {
  std::vector<uint64_t> counts(65536);
  counts[0] = counts[30000] = counts[60000] = uint64_t{1} << 60;
  EXPECT_EQ(otsu_threshold(counts), 0u);
  counts[60000] -= 1;
  EXPECT_EQ(otsu_threshold(counts), 0u);
  counts[60000] += 2;
  EXPECT_EQ(otsu_threshold(counts), 30000u);
}

TEST(Histogram, ComesBackFromItsJson) {
  Histogram histogram;
  histogram.box = {0, 1, 2, {0, 1}, {0, 2}, {3, 5}};
  histogram.shape = {4, 5, 6};
  histogram.sigma = 1.5;
  histogram.type = formats::PixelType::uint8;
  histogram.counts.assign(256, 0);
  histogram.counts[7] = 1;
  histogram.counts[255] = 3;
  const auto read = histogram_from_json(to_json_text(histogram), "h.json");
  ASSERT_TRUE(read) << read.error().text();
  EXPECT_EQ(read->counts, histogram.counts);
  EXPECT_EQ(read->box, histogram.box);
  EXPECT_EQ(read->shape, histogram.shape);
  histogram.counts[8] = 1;
  EXPECT_FALSE(histogram_from_json(to_json_text(histogram), "h.json"));
}

}  // namespace
}  // namespace tierhub::imaging
