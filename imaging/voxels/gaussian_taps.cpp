#include "imaging/voxels/gaussian_taps.h"

#include <cmath>

#include <fmt/format.h>

namespace tierhub::imaging {
namespace {

constexpr double kMaximumError = 0.001;

// exp(-v) I_n(v) for n = 0, 1, ... as far as they matter to a double, by Miller's algorithm: the
// recurrence I_(n-1) = I_(n+1) + (2n / v) I_n downwards from an order where I_n is negligible gives
// multiples of them, and I_0 + 2 (I_1 + I_2 + ...) = exp(v) the factor.
std::vector<double> discrete_gaussian(double sigma) {
  const double variance = sigma * sigma;
  const auto last = static_cast<size_t>(4 + 12 * sigma);
  std::vector<double> values(last + 2);
  values[last] = 1;
  for (size_t n = last; n > 0; --n)
    values[n - 1] = values[n + 1] + 2 * static_cast<double>(n) / variance * values[n];
  double sum = 0;
  for (size_t n = last; n > 0; --n) sum += 2 * values[n];
  sum += values[0];
  for (double& value : values) value /= sum;
  return values;
}

}  // namespace

Result<std::vector<float>> gaussian_taps(double sigma) {
  if (!(sigma >= 0 && sigma <= kMaxSigma)) {
    return Error(std::errc::invalid_argument,
                 fmt::format("sigma must be between 0 and {} voxels", kMaxSigma));
  }
  if (sigma == 0) return std::vector<float>{1};
  constexpr double kNoFloatSeesIt = 1e-10;
  if (sigma < kNoFloatSeesIt) return std::vector<float>{1, 0};
  const std::vector<double> taps = discrete_gaussian(sigma);
  size_t radius = 1;
  double sum = taps[0] + 2 * taps[1];
  while (sum < 1 - kMaximumError) sum += 2 * taps[++radius];
  std::vector<float> scaled;
  for (size_t n = 0; n <= radius; ++n) scaled.push_back(static_cast<float>(taps[n] / sum));
  return scaled;
}

}  // namespace tierhub::imaging
