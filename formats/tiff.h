// TIFF, BigTIFF and OME-TIFF, with their pyramids and their sets of several files.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "common/result.h"
#include "formats/image.h"

namespace tierhub::formats {

// True if the first bytes are those of a TIFF or BigTIFF file.
bool is_tiff_header(std::string_view head);

// Pages become planes along z, unless OME-XML, ImageJ's or tifffile's description says how they
// spread over t, c and z. The samples of a voxel are channels; a palette of colours becomes three.
// Smaller copies of the page are levels: its sub-directories, or, of a tiled image that is alone in
// its file, the tiled pages of the same proportions (as whole-slide scanners write them). Other
// smaller copies (thumbnails, labels) are left out.
Result<std::unique_ptr<Image>> open_tiff(std::shared_ptr<const NotedTree> tree);

}  // namespace tierhub::formats
