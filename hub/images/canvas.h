// Pictures for people: channels in their colours, added up. Thumbnails and /png are rendered here.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "common/result.h"
#include "formats/image.h"
#include "pixels/png.h"

namespace tierhub::hub {

// How a channel is shown. A voxel's light is 0 up to `low`, 1 from `high` on, and in between as far as
// it is on the way, raised to `gamma`; what is no number is dark. If `low` and `high` are equal,
// everything above them is light. The viewer on the page does the same.
struct ChannelLook {
  uint32_t colour = 0xFFFFFF;  // 0xRRGGBB
  double low = 0;
  double high = 255;
  double gamma = 1;
};

// Not for several threads at once.
class Canvas {
 public:
  // `shape`: of the plane that is drawn, of which a pixel is the mean of `step` x `step` voxels.
  Canvas(const formats::Shape& shape, uint64_t step);

  // Adds the light of one plane, whose voxels are all of it.
  void add(formats::PixelType type, std::span<const std::byte> voxels, const ChannelLook& look);
  // The same for labels: each has a colour unlike that of the next one, and 0 is dark.
  void add_labels(formats::PixelType type, std::span<const std::byte> voxels);

  // More light than there can be is full light.
  Result<std::string> png(pixels::PngEffort effort) const;

 private:
  static constexpr size_t kColours = 3;
  using Light = std::array<double, kColours>;

  static Light light_of_label(double label);
  static Light light_of_colour(uint32_t colour);
  template <class ToLight>
  void add_each(formats::PixelType type, std::span<const std::byte> voxels, ToLight&& to_light);

  const uint64_t step_;
  const uint64_t height_;
  const uint64_t width_;
  std::vector<Light> sums_;
  const formats::Shape shape_;
};

}  // namespace tierhub::hub
