// The finite kernel that stands for a Gaussian.
#pragma once

#include <vector>

#include "common/result.h"

namespace tierhub::imaging {

inline constexpr double kMaxSigma = 25;

// The weights of a voxel and of its neighbours at distance 1, 2, ... radius: the discrete Gaussian
// exp(-v) I_n(v) of variance v = sigma^2, where I_n is the modified Bessel function (Lindeberg,
// "Scale-space for discrete signals", 1990), cut off where at most 0.001 of its sum is left and
// scaled so that the whole kernel sums to 1. The radius is at least 1 unless sigma is 0. These are
// the taps of itk::GaussianOperator with a maximum error of 0.001 up to sigma 7; above, its Bessel
// functions are inaccurate and its kernels wider.
//
// An error if sigma is negative, not a number, or larger than kMaxSigma.
Result<std::vector<float>> gaussian_taps(double sigma);

}  // namespace tierhub::imaging
