#include "pixels/png.h"

#include <fmt/format.h>
#include <png.h>

namespace tierhub::pixels {

Result<std::string> encode_png(const PngImage& image) {
  png_image header{};
  header.version = PNG_IMAGE_VERSION;
  header.width = image.width;
  header.height = image.height;
  header.format = image.colour == PngColour::grey ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
  if (image.effort == PngEffort::fast) header.flags |= PNG_IMAGE_FLAG_FAST;
  constexpr int kNo8BitConversion = 0;
  constexpr int kTightRows = 0;
  png_alloc_size_t size_bytes = PNG_IMAGE_PNG_SIZE_MAX(header);
  std::string bytes(size_bytes, '\0');
  if (png_image_write_to_memory(&header, bytes.data(), &size_bytes, kNo8BitConversion,
                                image.samples.data(), kTightRows, nullptr) == 0) {
    return Error(std::errc::io_error, fmt::format("a picture of {} x {} cannot be packed: {}",
                                                  image.width, image.height, header.message));
  }
  bytes.resize(size_bytes);
  return bytes;
}

}  // namespace tierhub::pixels
