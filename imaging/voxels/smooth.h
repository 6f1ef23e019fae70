// Gaussian smoothing: ITK's DiscreteGaussianImageFilter, a finite kernel per axis (maximum error
// 0.001, width not capped, sigma in voxels, the border voxel repeated beyond the volume), in double
// precision, rounded half up to the integer type. The finite kernel makes blocks exact: a voxel
// depends on no voxel farther away than the kernel's radius. An axis on which the volume is one
// voxel long is not smoothed.
#pragma once

#include "common/result.h"
#include "imaging/voxels/volume.h"

namespace tierhub::imaging {

inline constexpr double kMaxSigma = 25;

// The kernel's radius on each axis of a volume of `shape`: the halo that smoothing needs. An error
// if sigma is negative, not a number, or larger than kMaxSigma.
Result<Halo> minimum_halo(double sigma, const Extent& shape);

// `volume` holds the voxels of `grown`; the result holds those of `owned`. `grown` must reach
// beyond `owned` by the minimum halo, or to the border of the volume of `shape`.
Result<GreyVolume> smooth(const GreyVolume& volume, const Box& grown, const Box& owned,
                          double sigma, const Extent& shape);

}  // namespace tierhub::imaging
