// Connected components.
#pragma once

#include <cstdint>
#include <string_view>

#include "common/result.h"
#include "imaging/voxels/parallel.h"
#include "imaging/voxels/volume.h"

namespace tierhub::imaging {

// Voxels belong together if they share a face, or (full) a face, an edge or a corner.
enum class Connectivity { full, face };
std::string_view to_text(Connectivity connectivity);
Result<Connectivity> parse_connectivity(std::string_view text);

struct Labelled {
  LabelVolume labels;  // 0 is background
  uint32_t count = 0;  // labels run from 1 to count, in the order of their first voxels
};

// Labels the voxels that are brighter than `threshold`, or those of a mask that are not 0. An error
// if there are 2^32 runs of such voxels or more, or a row of so many voxels. Memory beyond the
// labels: 12 bytes for each run of such voxels in a row.
Result<Labelled> label_components(const GreyVolume& volume, uint64_t threshold,
                                  Connectivity connectivity, Parallel parallel = Parallel());
Result<Labelled> label_components(const MaskVolume& mask, Connectivity connectivity,
                                  Parallel parallel = Parallel());

}  // namespace tierhub::imaging
