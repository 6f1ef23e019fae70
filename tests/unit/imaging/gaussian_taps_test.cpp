#include "imaging/voxels/gaussian_taps.h"

#include <cmath>

#include <gtest/gtest.h>

#include "tests/unit/imaging/voxel_samples.h"

namespace tierhub::imaging {
namespace {

TEST(GaussianTaps, AreBesselFunctionsThatSumToOne) {
  for (const double sigma : {0.001, 0.3, 0.5, 1.0, 2.0, 5.0, 11.0, kMaxSigma}) {
    const std::vector<float> taps = must(gaussian_taps(sigma));
    const double variance = sigma * sigma;
    double sum = taps[0], cut_off = std::cyl_bessel_i(0, variance) * std::exp(-variance);
    for (size_t n = 1; n < taps.size(); ++n) {
      sum += 2.0 * taps[n];
      cut_off += 2 * std::cyl_bessel_i(static_cast<double>(n), variance) * std::exp(-variance);
    }
    EXPECT_NEAR(sum, 1, 1e-6) << sigma;
    EXPECT_GE(cut_off, 0.999) << sigma;
    for (size_t n = 0; n < taps.size(); ++n) {
      const double bessel = std::cyl_bessel_i(static_cast<double>(n), variance);
      EXPECT_NEAR(taps[n], bessel * std::exp(-variance) / cut_off, 1e-7) << sigma << ", " << n;
    }
  }
}

TEST(GaussianTaps, AreOneForSigmaZeroAndNearlySoForTheSmallest) {
  EXPECT_EQ(must(gaussian_taps(0)), std::vector<float>{1});
  for (const double sigma : {1e-300, 1e-11, 1e-9, 1e-6})
    EXPECT_EQ(must(gaussian_taps(sigma))[0], 1) << sigma;
}

TEST(GaussianTaps, ReachAboutThreeAndAHalfSigma) {
  for (const double sigma : {2.0, 10.0, kMaxSigma}) {
    const double radius = static_cast<double>(must(gaussian_taps(sigma)).size() - 1);
    EXPECT_NEAR(radius / sigma, 3.4, 0.2) << sigma;
  }
}

}  // namespace
}  // namespace tierhub::imaging
