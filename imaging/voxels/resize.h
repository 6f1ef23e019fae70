// Smaller volumes: each voxel stands for a cell of voxels.
#pragma once

#include "imaging/voxels/parallel.h"
#include "imaging/voxels/volume.h"

namespace tierhub::imaging {

// How a voxel follows from its cell: the mean, rounded half up, or the first voxel, for labels.
enum class Resize { mean, nearest };

// The voxel i of an axis stands for those of `volume` from i * cell on. The last cells of an axis
// may be cut: then they count with the voxels that they have. Blocks whose corners are multiples of
// the cell give the same voxels as the whole. Up to 2^31 voxels a cell.
template <class T>
Volume<T> resize(const Volume<T>& volume, const Extent& cell, Resize how,
                 Parallel parallel = Parallel());

// How many cells there are along an axis, or on all.
constexpr uint64_t cells_along(uint64_t size, uint64_t cell) { return (size + cell - 1) / cell; }
constexpr Extent cells_in(const Extent& extent, const Extent& cell) {
  return {cells_along(extent.z, cell.z), cells_along(extent.y, cell.y),
          cells_along(extent.x, cell.x)};
}

}  // namespace tierhub::imaging
