// Converts an image of any format to OME-Zarr or OME-TIFF.
#pragma once

#include <string>

#include "common/result.h"
#include "imaging/images/image_writer.h"
#include "pixels/reader.h"

namespace tierhub::imaging {

struct ConvertOptions {
  ZarrVersion version = ZarrVersion::ome_0_4;
  pixels::Shrink shrink = pixels::Shrink::mean;
  Parallel parallel{};
};

// All of level 0, and smaller levels where a side is longer than 1024: y and x are halved until both
// are at most 512; z is kept. Voxels are the same numbers, in the same type. Memory is bounded by a
// few chunks. Returns how many levels were written.
Result<size_t> convert_to_zarr(const pixels::PixelReader& image, const std::string& out,
                               const ConvertOptions& options);

// The same as one OME-TIFF file (pixels/tiff_writer.h). Smaller levels are those that `image` has,
// as far as they have all slices, then those that it computes.
Result<size_t> convert_to_tiff(const pixels::PixelReader& image, const std::string& out);

}  // namespace tierhub::imaging
