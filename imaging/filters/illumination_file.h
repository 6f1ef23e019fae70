// Illumination correction of images: sums of them, the function that follows, and its use. Sums and
// functions are OME-Zarr images of one plane that say what they are.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/result.h"
#include "imaging/filters/filter.h"
#include "imaging/images/memory.h"
#include "imaging/images/reader.h"
#include "imaging/voxels/illumination.h"

namespace tierhub::imaging {

// What is added up: of each image one level, time point and channel with all of y and x.
struct SummedImages {
  std::vector<std::string> images;
  std::string select;
  // Over which the grey values of images that are neither uint8 nor uint16 are spread, in all alike.
  std::optional<ValueRange> range;
};
// Writes the sum of the grey values of all planes (uint32). All images have one size. Returns how
// many planes it is of. Memory is bounded by the sum and one plane.
Result<uint64_t> write_illumination_sum(const SummedImages& summed, const std::string& out,
                                        Parallel parallel);
// Looks at the first image alone.
Result<void> write_illumination_sum(MemoryUse& memory, const SummedImages& summed);

inline constexpr double kLargestDark = 1e9;
struct IlluminationRule {
  uint64_t radius = 50;
  double dark = 0;
};
struct IlluminationResult {
  uint64_t planes = 0;
  double least = 0, most = 0;  // of the function
};
// Writes the function of the images in `sums`: files that write_illumination_sum() wrote, or
// folders of them. An error names two that do not fit together.
Result<IlluminationResult> write_illumination(const std::vector<std::string>& sums,
                                              const IlluminationRule& rule, const std::string& out,
                                              Parallel parallel);
Result<void> write_illumination(MemoryUse& memory, const std::vector<std::string>& sums);

// Applies the function at `path` to an image of its size, at `level`.
Result<Filter> illumination_correction(const std::string& path, const ImageReader& image,
                                       uint64_t level);

}  // namespace tierhub::imaging
