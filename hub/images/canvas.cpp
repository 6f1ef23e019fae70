#include "hub/images/canvas.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

namespace tierhub::hub {
namespace {

double brightness(double number, const ChannelLook& look) {
  // Also what is no number.
  if (!(number > look.low)) return 0;
  if (number >= look.high) return 1;
  const double light = (number - look.low) / (look.high - look.low);
  return look.gamma == 1 ? light : std::pow(light, look.gamma);
}

// The brightness of every number of a small type, from its smallest one on.
template <class T>
std::vector<double> brightness_table(const ChannelLook& look) {
  std::vector<double> table;
  table.reserve(size_t{1} << (8 * sizeof(T)));
  for (int number = std::numeric_limits<T>::min(); number <= std::numeric_limits<T>::max();
       ++number)
    table.push_back(brightness(number, look));
  return table;
}

}  // namespace

Canvas::Canvas(const formats::Shape& shape, uint64_t step)
    : step_(step),
      height_((shape.y + step - 1) / step),
      width_((shape.x + step - 1) / step),
      sums_(height_ * width_),
      shape_(shape) {}

Canvas::Light Canvas::light_of_colour(uint32_t colour) {
  constexpr double kFull = 255;
  return {(colour >> 16 & 0xFF) / kFull, (colour >> 8 & 0xFF) / kFull, (colour & 0xFF) / kFull};
}

// Light, and unlike that of the next label; 0 is the background.
Canvas::Light Canvas::light_of_label(double label) {
  if (!(label > 0)) return {0, 0, 0};
  constexpr double kGolden = 0.618033988749895;
  const double hue = std::fmod(label * kGolden, 1.0) * 6;
  const auto part = [&](double shift) {
    const double at = std::fmod(hue + shift, 6.0);
    return std::clamp(std::abs(at - 3) - 1, 0.25, 1.0);
  };
  return {part(0), part(4), part(2)};
}

template <class ToLight>
void Canvas::add_each(formats::PixelType type, std::span<const std::byte> voxels,
                      ToLight&& to_light) {
  formats::with_type(type, [&](auto sample) {
    using T = decltype(sample);
    const T* number = reinterpret_cast<const T*>(voxels.data());
    for (uint64_t y = 0; y < shape_.y; ++y) {
      Light* const row = sums_.data() + y / step_ * width_;
      for (uint64_t x = 0; x < shape_.x; ++x, ++number) {
        const Light light = to_light(*number);
        Light& sum = row[x / step_];
        for (size_t i = 0; i < kColours; ++i) sum[i] += light[i];
      }
    }
  });
}

void Canvas::add(formats::PixelType type, std::span<const std::byte> voxels,
                 const ChannelLook& look) {
  const Light colour = light_of_colour(look.colour);
  const auto tint = [&](double light) {
    return Light{light * colour[0], light * colour[1], light * colour[2]};
  };
  formats::with_type(type, [&](auto sample) {
    using T = decltype(sample);
    if constexpr (std::is_integral_v<T> && sizeof(T) <= 2) {
      if (voxels.size() / sizeof(T) >= size_t{1} << (8 * sizeof(T))) {
        const std::vector<double> table = brightness_table<T>(look);
        add_each(type, voxels, [&](auto number) {
          const int at = static_cast<int>(number) - std::numeric_limits<T>::min();
          return tint(table[static_cast<size_t>(at)]);
        });
        return;
      }
    }
    add_each(type, voxels,
             [&](auto number) { return tint(brightness(static_cast<double>(number), look)); });
  });
}

void Canvas::add_labels(formats::PixelType type, std::span<const std::byte> voxels) {
  add_each(type, voxels, [](auto number) { return light_of_label(static_cast<double>(number)); });
}

Result<std::string> Canvas::png(pixels::PngEffort effort) const {
  pixels::PngImage picture;
  picture.width = static_cast<uint32_t>(width_);
  picture.height = static_cast<uint32_t>(height_);
  picture.colour = pixels::PngColour::rgb;
  picture.effort = effort;
  picture.samples.reserve(height_ * width_ * kColours);
  for (uint64_t y = 0; y < height_; ++y) {
    const uint64_t rows = std::min(step_, shape_.y - y * step_);
    for (uint64_t x = 0; x < width_; ++x) {
      const uint64_t columns = std::min(step_, shape_.x - x * step_);
      for (const double sum : sums_[y * width_ + x]) {
        const double light = std::min(1.0, sum / static_cast<double>(rows * columns));
        picture.samples.push_back(static_cast<uint8_t>(std::lround(light * 255)));
      }
    }
  }
  return pixels::encode_png(picture);
}

}  // namespace tierhub::hub
