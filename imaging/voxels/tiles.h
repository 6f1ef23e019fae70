// How filters that look around each voxel work through a volume: tile by tile, each copied with
// what is around it, so that its border needs no special case.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "imaging/voxels/parallel.h"
#include "imaging/voxels/volume.h"

namespace tierhub::imaging {

// `radius`, but 0 on an axis on which the volume is one voxel long.
Halo radius_in(const Extent& shape, const Halo& radius);

// The size of a tile that is not much smaller than what is copied around it.
Extent tile_size(const Halo& radius);

// Calls body(tile) for boxes of at most `size` that tile `owned`.
void for_tiles(const Box& owned, const Extent& size, Parallel parallel,
               const std::function<void(const Box&)>& body);

// A copy of the voxels of `tile` and of those around it up to `radius`, out of a volume that holds
// `grown`, which reaches as far or to the border of the whole volume. Beyond that border are voxels
// of the value `outside`, or, without one, the nearest voxel repeated.
GreyVolume copy_around(const GreyVolume& volume, const Box& grown, const Box& tile,
                       const Halo& radius, std::optional<uint16_t> outside);

}  // namespace tierhub::imaging
