// Label images whose labels are any numbers.
#pragma once

#include <cstdint>
#include <vector>

#include "imaging/voxels/parallel.h"
#include "imaging/voxels/volume.h"

namespace tierhub::imaging {

// Replaces the labels that occur by 1, 2, 3, ... in ascending order, and returns what they were:
// element i was the label that is i + 1 now. 0 stays background.
std::vector<uint32_t> number_densely(LabelVolume& labels, Parallel parallel = Parallel());

}  // namespace tierhub::imaging
