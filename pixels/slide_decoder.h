// Decodes parts of whole slides with OpenSlide.
#pragma once

#include <cstddef>
#include <span>

#include "common/result.h"
#include "formats/image.h"

namespace tierhub::pixels {

// Fills `voxels` with red, green and blue planes of a region of one level. What the scanner has not
// seen has the slide's background colour. OpenSlide reads the file, in a process of its own.
Result<void> decode_slide(const formats::SlideCoding& coding, const formats::Region& region,
                          std::span<std::byte> voxels);

}  // namespace tierhub::pixels
