// PNG files with 8 bits per channel.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/result.h"

namespace tierhub::imaging {

enum class PngColour { grey, rgb };

struct PngImage {
  uint32_t width = 0;
  uint32_t height = 0;
  PngColour colour = PngColour::grey;
  std::vector<uint8_t> samples;  // row by row; 1 or 3 a pixel
};

// The file appears under its name when it is complete.
Result<void> write_png(const std::string& path, const PngImage& image);

}  // namespace tierhub::imaging
