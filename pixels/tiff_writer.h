// Writes OME-TIFF files.
#pragma once

#include <string>

#include "common/result.h"
#include "pixels/reader.h"

namespace tierhub::pixels {

// Level 0 of an image as one BigTIFF file: a page for each plane, in the order XYZCT, in tiles of
// 512 x 512, Deflate-compressed; OME-XML with the names and colours of the channels and the size of
// a voxel. The file appears under its name when it is complete.
Result<void> write_ome_tiff(const PixelReader& image, const std::string& path);

}  // namespace tierhub::pixels
