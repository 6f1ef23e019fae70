// Illumination correction of images: sums of them, the function that follows, and its use. Sums and
// functions are OME-Zarr images of one plane that say what they are.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/result.h"
#include "imaging/filters/filter.h"
#include "imaging/images/reader.h"
#include "imaging/voxels/illumination.h"

namespace tierhub::imaging {

// Writes the sum of all planes of all images (uint32). Each image is one level, time point and
// channel with all of y and x, chosen by `select`; all have one size. Returns how many planes it is
// of.
Result<uint64_t> write_illumination_sum(const std::vector<std::string>& images,
                                        const std::string& select, const std::string& out,
                                        Parallel parallel);

struct IlluminationRule {
  uint64_t radius = 50;
  uint16_t dark = 0;
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

// Applies the function at `path` to images of the size of `shape`, of numbers up to `most`.
Result<Filter> illumination_correction(const std::string& path, const std::string& image,
                                       const Extent& shape, uint16_t most);

}  // namespace tierhub::imaging
