// PNG and JPEG files, decoded by libpng and libjpeg.
#pragma once

#include <cstddef>
#include <span>

#include "common/result.h"
#include "formats/image.h"

namespace tierhub::pixels {

// See decode(). Any thread.
Result<void> decode_picture(const formats::PictureCoding& coding, const formats::Shape& stored,
                            std::span<const std::byte> packed, std::span<std::byte> voxels);

}  // namespace tierhub::pixels
