// PNG files with 8 bits per channel. Pure functions, any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/result.h"

namespace tierhub::pixels {

enum class PngColour { grey, rgb };
// `fast` takes a fraction of the time, and gives files that are somewhat larger.
enum class PngEffort { small, fast };

struct PngImage {
  uint32_t width = 0;
  uint32_t height = 0;
  PngColour colour = PngColour::grey;
  PngEffort effort = PngEffort::small;
  std::vector<uint8_t> samples;  // row by row; 1 or 3 a pixel
};

// The bytes of the file.
Result<std::string> encode_png(const PngImage& image);

}  // namespace tierhub::pixels
