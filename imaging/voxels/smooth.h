// Gaussian smoothing: the finite kernel of gaussian_taps() on each axis, the border voxel repeated
// beyond the volume. The finite kernel makes blocks exact: a voxel depends on no voxel farther away
// than the kernel's radius. An axis on which the volume is one voxel long is not smoothed.
//
// Sums are floats, of z first, then y, then x, each in the order of weigh_rows(). So results are
// the same bits for all blocks, threads and processors.
//
// Here `volume` holds the voxels of `grown`, and the result those of `owned`. `grown` must reach
// beyond `owned` by the minimum halo, or to the border of the volume of `shape`. An error is a
// sigma that gaussian_taps() refuses. Memory beyond the result: less than a megabyte a thread for
// rows of a thousand voxels and sigma 2, in proportion to both.
#pragma once

#include "common/result.h"
#include "imaging/voxels/gaussian_taps.h"
#include "imaging/voxels/parallel.h"
#include "imaging/voxels/volume.h"

namespace tierhub::imaging {

// In voxels. A number alone is the same sigma on all axes.
struct Sigma {
  constexpr Sigma(double all) : z(all), y(all), x(all) {}  // NOLINT(google-explicit-constructor)
  constexpr Sigma(double on_z, double on_y, double on_x) : z(on_z), y(on_y), x(on_x) {}
  bool operator==(const Sigma&) const = default;

  double z, y, x;
};

// The kernel's radius on each axis of a volume of `shape`: the halo that smoothing needs.
Result<Halo> minimum_halo(const Sigma& sigma, const Extent& shape);

// Rounded half up to integers.
Result<GreyVolume> smooth(const GreyVolume& volume, const Box& grown, const Box& owned,
                          const Sigma& sigma, const Extent& shape, Parallel parallel = Parallel());

// The sums as they are.
Result<Volume<float>> smooth_unrounded(const GreyVolume& volume, const Box& grown, const Box& owned,
                                       const Sigma& sigma, const Extent& shape,
                                       Parallel parallel = Parallel());

// The volume smoothed with `narrow` minus that smoothed with `wide`, rounded half up, and 0 where
// it is negative: bright spots of about the size of `narrow`. Needs the larger halo of both.
Result<Halo> minimum_halo(const Sigma& narrow, const Sigma& wide, const Extent& shape);
Result<GreyVolume> difference_of_gaussians(const GreyVolume& volume, const Box& grown,
                                           const Box& owned, const Sigma& narrow, const Sigma& wide,
                                           const Extent& shape, Parallel parallel = Parallel());

}  // namespace tierhub::imaging
