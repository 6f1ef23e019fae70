// Illumination correction: how bright the light is over the field of view, as many images show it,
// and images without that. In integers, so that the order of the images does not matter.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "common/result.h"
#include "formats/pixel_type.h"
#include "imaging/voxels/parallel.h"
#include "imaging/voxels/volume.h"

namespace tierhub::imaging {

// The number of an illumination function that means 1.0.
inline constexpr uint32_t kIlluminationOne = 16384;
// No pixel of a function is less than this (0.05), so that what is dark in all images is not made
// brighter without limit.
inline constexpr uint32_t kLeastIllumination = kIlluminationOne / 20;

// Smooths a line by three means of the 2 * radius + 1 numbers around each, rounded half up. Nearer
// to an end than `radius`, the straight line that fits the last 2 * radius + 1 numbers best takes
// the place of the mean, so that a slope goes on to the end. Inside it is close to a Gaussian of
// sigma `radius`. At most 2^24 numbers, of at most 2^40 in size.
void smooth_line(std::vector<int64_t>& line, uint64_t radius);

// The mean of images, and what is dark in them, have so many bits behind the point.
inline constexpr int kLightFractionBits = 12;

// The illumination function of a field of view, of which `sum` is the sum of `planes` images of grey
// values: their mean without `dark` (in 2^-kLightFractionBits grey values, less than 2^39 in size),
// smoothed along x and y, divided by its own mean. At most 4.0 (65535). An error if the images are
// not brighter than `dark`. Computed in the memory of `sum`.
Result<GreyVolume> illumination_function(Volume<int64_t> sum, uint64_t planes, int64_t dark,
                                         uint64_t radius, Parallel parallel = Parallel());

// Each plane of `volume` less `dark`, divided by the function, rounded half up and at most `most`.
// `function` has the height and width of the volume.
GreyVolume correct_illumination(const GreyVolume& volume, const GreyVolume& function, uint16_t dark,
                                uint16_t most, Parallel parallel = Parallel());

// The same for voxels of any type, in place: integers are computed exactly, rounded half up and cut
// to the range of the type, with the nearest 2^-kLightFractionBits to `dark`; floats are computed in
// double precision. `dark` is at most 1e9 in size.
void correct_illumination(formats::PixelType type, std::span<std::byte> voxels,
                          const GreyVolume& function, double dark, Parallel parallel = Parallel());

}  // namespace tierhub::imaging
