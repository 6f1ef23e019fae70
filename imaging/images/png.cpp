#include "imaging/images/png.h"

#include "imaging/images/output.h"

namespace tierhub::imaging {

Result<void> write_png(const std::string& path, const PngImage& image) {
  const auto bytes = pixels::encode_png(image);
  if (!bytes) return bytes.error().in(path);
  return write_output_file(path, *bytes);
}

}  // namespace tierhub::imaging
