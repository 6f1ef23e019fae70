// Arithmetic on images, voxel by voxel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "common/result.h"
#include "formats/pixel_type.h"
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

// The same for voxels of any type, in place of those of `a`: as nearest_number() makes them numbers
// of this type; formula.most is not used. What is no number makes a result that is none. An error if
// an integer is beyond 2^53. `b` has as many numbers as `a`.
Result<void> calculate_numbers(formats::PixelType type, std::span<std::byte> a,
                               formats::PixelType other_type, std::span<const std::byte> b,
                               const Formula& formula, Parallel parallel = Parallel());
Result<void> calculate_numbers(formats::PixelType type, std::span<std::byte> a, double b,
                               const Formula& formula, Parallel parallel = Parallel());

}  // namespace tierhub::imaging
