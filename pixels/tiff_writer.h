// Writes OME-TIFF files.
#pragma once

#include <string>

#include "common/result.h"
#include "pixels/reader.h"

namespace tierhub::pixels {

// The first `levels` levels of an image as one BigTIFF file at `path`, which is overwritten: a page
// for each plane of level 0, in the order XYZCT, with its smaller levels as sub-directories; tiles of
// 512 x 512, Deflate-compressed; OME-XML with the names and colours of the channels and the size of
// a voxel. All levels have as many time points, channels and slices.
// https://docs.openmicroscopy.org/ome-model/6.3.1/ome-tiff/specification.html
Result<void> write_ome_tiff(const PixelReader& image, size_t levels, const std::string& path);

}  // namespace tierhub::pixels
