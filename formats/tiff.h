// TIFF, BigTIFF and OME-TIFF: the shape of a grey stack, read only from its directories.
#pragma once

#include <string>

#include "common/result.h"
#include "formats/dataset.h"

namespace tierhub::formats {

// True if the first bytes are those of a TIFF or BigTIFF file.
bool is_tiff_header(std::string_view head);

// Pages become planes along z, unless OME-XML or ImageJ's description says how they spread over t,
// c and z. Directories that are smaller copies of the image (pyramids, thumbnails) are left out.
Result<Dataset> open_tiff(const FileTree& tree, const std::string& path);

// The number in Dataset::pages of the plane at (t, c, z), which must lie inside the dataset.
size_t page_number(const Dataset& dataset, uint64_t t, uint64_t c, uint64_t z);

}  // namespace tierhub::formats
