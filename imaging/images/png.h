// PNG files with 8 bits per channel.
#pragma once

#include <string>

#include "common/result.h"
#include "pixels/png.h"

namespace tierhub::imaging {

using pixels::PngColour;
using pixels::PngImage;

// The file appears under its name when it is complete.
Result<void> write_png(const std::string& path, const PngImage& image);

}  // namespace tierhub::imaging
