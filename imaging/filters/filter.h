// Operators that make an image out of an image, each voxel from those around it: on a whole volume,
// or on blocks that together write one image.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "common/result.h"
#include "imaging/images/memory.h"
#include "imaging/images/reader.h"
#include "imaging/voxels/parallel.h"
#include "imaging/voxels/volume.h"

namespace tierhub::imaging {

struct Filter {
  // How far around a voxel it looks in a volume of `shape`, or why its arguments are wrong.
  std::function<Result<Halo>(const Extent& shape)> halo;
  // `volume` holds `grown`, which reaches beyond `owned` by the halo, or to the border of the
  // volume.
  std::function<Result<GreyVolume>(const GreyVolume& volume, const Box& grown, const Box& owned,
                                   const Extent& shape, Parallel parallel)>
      apply;
  bool is_difference = false;  // its grey values are differences of those of the image
  std::string how{};           // what it does, for the report; empty: what the operator says
  // The memory that it needs besides its result, if any, for one part after the other.
  std::function<void(MemoryUse& memory, const std::vector<Box>& parts)> use{};
  // Instead of `apply`, if it is set: changes the numbers of `owned`, as they are in the image. For
  // filters that look at nothing around a voxel, and whose results depend on what is 0.
  std::function<Result<void>(std::span<std::byte> numbers, const Box& owned, Parallel parallel)>
      change_numbers{};
};

// Writes the filtered voxels of `box` as an OME-Zarr image of one channel and time point, with the
// smaller levels that an image of this size has. Works in parts, so memory is bounded.
Result<void> filter_whole(const ImageReader& reader, const Box& box, const Filter& filter,
                          const std::string& out, Parallel parallel);
Result<void> filter_whole(MemoryUse& memory, const ImageReader& reader, const Box& box,
                          const Filter& filter);

// Writes the filtered voxels of `box` into level 0 of the image at `out`, which has the size of the
// whole volume and is made if there is none yet. Blocks must consist of whole chunks of it:
// multiples of 32 x 128 x 128 voxels, or 512 x 512 in a plane. Equal to filter_whole on all of the
// volume, but for the smaller levels, which add_levels() writes.
Result<void> filter_box(const ImageReader& reader, const Box& box, const Halo& halo,
                        const Filter& filter, const std::string& out, Parallel parallel);
Result<void> filter_box(MemoryUse& memory, const ImageReader& reader, const Box& box,
                        const Filter& filter);

}  // namespace tierhub::imaging
