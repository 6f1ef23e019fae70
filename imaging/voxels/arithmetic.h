// Arithmetic on images, voxel by voxel.
#pragma once

#include <cstdint>

#include "imaging/voxels/parallel.h"
#include "imaging/voxels/volume.h"

namespace tierhub::imaging {

enum class Operation { add, subtract, difference, multiply, divide, minimum, maximum, average };

// scale * (a OPERATION b) + offset. Each step is one of double precision (integers and what follows
// from them by one step are exact enough that only the end rounds): the result is cut to
// [0, most] and then rounded half up. What is divided by 0 becomes 0.
struct Formula {
  Operation operation = Operation::add;
  double scale = 1;
  double offset = 0;
  uint16_t most = 65535;
};

// `b` has the extent of `a`.
GreyVolume calculate(const GreyVolume& a, const GreyVolume& b, const Formula& formula,
                     Parallel parallel = Parallel());
// The same number for all voxels.
GreyVolume calculate(const GreyVolume& a, double b, const Formula& formula,
                     Parallel parallel = Parallel());

}  // namespace tierhub::imaging
