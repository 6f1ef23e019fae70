// Chunks of a source that need no decoding: they are tiles already, and packed as HTTP packs.
#pragma once

#include <optional>

#include "common/result.h"
#include "hub/images/answers.h"
#include "hub/images/store.h"

namespace tierhub::hub {

// The stored bytes of a region, if it is one whole chunk of an OME-Zarr that has 512 x 512 voxels of one
// plane, which are one zstd frame or gzip member of exactly these voxels, and `takes` it; nothing
// otherwise. Its bytes must be on the SSD: else it waits for the archive.
Result<std::optional<Content::Packed>> read_packed_tile(const OpenImage& image,
                                                        const formats::Region& region,
                                                        const Content::Takes& takes);

}  // namespace tierhub::hub
