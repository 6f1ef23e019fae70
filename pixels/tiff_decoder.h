// Strips and tiles of TIFF files, decompressed by libtiff.
#pragma once

#include <cstddef>
#include <span>

#include "common/result.h"
#include "formats/image.h"

namespace tierhub::pixels {

// `stored` is the size of the strip or tile. See decode(). Any thread.
Result<void> decode_tiff(const formats::TiffCoding& coding, const formats::Shape& stored,
                         std::span<const std::byte> packed, std::span<std::byte> voxels);

}  // namespace tierhub::pixels
