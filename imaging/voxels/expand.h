// Expanding labels into the background around them: secondary objects (cells around nuclei) and
// tertiary ones (the ring between).
//
// A voxel depends on no voxel farther away than the distance, so blocks are exact. Distances are
// those between centres of voxels, in sides of a voxel in the plane, and compared as integers:
// d2 <= floor((16 * distance)^2). Between two labels at the same distance the smaller one wins; in
// blocks, labels must therefore be those of the merged volume. Axes on which the volume is one
// voxel long are left alone.
#pragma once

#include "common/result.h"
#include "imaging/voxels/distance.h"
#include "imaging/voxels/parallel.h"
#include "imaging/voxels/volume.h"

namespace tierhub::imaging {

inline constexpr double kMaxExpansion = 1000;

// How many voxels away a label may be: the halo that expanding needs. An error if the distance is
// negative, not a number, or larger than kMaxExpansion.
Result<Halo> expand_halo(double distance, const Steps& steps, const Extent& shape);

// Each background voxel within `distance` of a label gets the nearest label; labels stay. `labels`
// holds the voxels of `grown`; the result holds those of `owned`. `grown` must reach beyond `owned`
// by the halo, or to the border of the volume of `shape`.
Result<LabelVolume> expand_labels(const LabelVolume& labels, const Box& grown, const Box& owned,
                                  double distance, const Steps& steps, const Extent& shape,
                                  Parallel parallel = Parallel());

// The same labels at the voxels farther from every label than `from`, and not farther than `to`:
// what expanding by `to` adds to expanding by `from`. An error if `from` is not a distance, or
// larger than `to`. The halo is that of `to`.
Result<LabelVolume> ring_labels(const LabelVolume& labels, const Box& grown, const Box& owned,
                                double from, double to, const Steps& steps, const Extent& shape,
                                Parallel parallel = Parallel());

// The memory of a thread that expands labels into a box, in bytes.
uint64_t expansion_bytes(const Box& owned, const Halo& halo);

}  // namespace tierhub::imaging
