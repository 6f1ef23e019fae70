// OME-Zarr 0.4 (Zarr version 2): what an image folder is, and which chunk files a box needs.
#pragma once

#include <string>
#include <vector>

#include "common/result.h"
#include "formats/dataset.h"

namespace tierhub::formats {

// True if the folder has metadata of any Zarr version.
Result<bool> looks_like_zarr(const FileTree& tree);

Result<Dataset> open_ome_zarr(const FileTree& tree, const std::string& path);

// The file of the chunk that begins at the chunk coordinates `at`, relative to the dataset.
std::string chunk_path(const Dataset& dataset, const Level& level, const Shape& at);

// Calls `use(chunk coordinates)` for each chunk that touches `box`, in z, y, x order; stops at the
// first error.
template <class Use>
Result<void> for_each_chunk(const Level& level, const Box& box, Use&& use) {
  const Shape& chunk = level.chunk;
  for (uint64_t z = box.z.begin / chunk.z; z * chunk.z < box.z.end; ++z) {
    for (uint64_t y = box.y.begin / chunk.y; y * chunk.y < box.y.end; ++y) {
      for (uint64_t x = box.x.begin / chunk.x; x * chunk.x < box.x.end; ++x) {
        TRY(use(Shape{box.t / chunk.t, box.c / chunk.c, z, y, x}));
      }
    }
  }
  return {};
}

}  // namespace tierhub::formats
