#include "pixels/slide_decoder.h"

#include <cstdint>
#include <vector>

#include "formats/slide_file.h"

namespace tierhub::pixels {

Result<void> decode_slide(const formats::SlideCoding& coding, const formats::Region& region,
                          std::span<std::byte> voxels) {
  constexpr uint32_t kOpaque = 255;
  const size_t count = region.y.size() * region.x.size();
  std::vector<uint32_t> pixels(count);
  TRY(coding.slide->read(region.level, region.x.begin, region.y.begin, region.x.size(),
                         region.y.size(), pixels));
  for (size_t i = 0; i < count; ++i) {
    const uint32_t hidden = kOpaque - (pixels[i] >> 24);
    for (size_t colour = 0; colour < 3; ++colour) {
      const size_t shift = 8 * (2 - colour);
      const uint32_t behind = (coding.slide->info().background >> shift & 255) * hidden;
      const uint32_t own = pixels[i] >> shift & 255;
      voxels[colour * count + i] = static_cast<std::byte>(own + (behind + kOpaque / 2) / kOpaque);
    }
  }
  return {};
}

}  // namespace tierhub::pixels
