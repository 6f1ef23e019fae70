// Otsu's threshold.
#pragma once

#include <cstdint>
#include <vector>

namespace tierhub::imaging {

// The smallest t that maximises the variance between the voxels <= t and those > t, compared in
// exact integers. If all voxels are equal it is their value, so that there is no object. `counts`
// has one bin a value and must not be empty.
uint64_t otsu_threshold(const std::vector<uint64_t>& counts);

}  // namespace tierhub::imaging
