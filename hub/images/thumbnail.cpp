#include "hub/images/thumbnail.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <vector>

#include "pixels/png.h"

namespace tierhub::hub {
namespace {

using formats::Region;

constexpr uint64_t kShownChannels = 4;
constexpr size_t kColours = 3;
using Colour = std::array<double, kColours>;

Colour parts_of(uint32_t colour) {
  constexpr double kFull = 255;
  return {(colour >> 16 & 0xFF) / kFull, (colour >> 8 & 0xFF) / kFull, (colour & 0xFF) / kFull};
}

// Red, green and blue of a camera or a slide: they are no channels of a microscope.
bool is_coloured(const formats::ImageInfo& info) {
  return info.type == formats::PixelType::uint8 && info.channels.size() >= 3 &&
         info.channels[0].name == "red" && info.channels[1].name == "green" &&
         info.channels[2].name == "blue";
}

// Light, and unlike that of the next label; 0 is the background.
Colour colour_of_label(double label) {
  if (!(label > 0)) return {0, 0, 0};
  constexpr double kGolden = 0.618033988749895;
  const double hue = std::fmod(label * kGolden, 1.0) * 6;
  const auto part = [&](double shift) {
    const double at = std::fmod(hue + shift, 6.0);
    return std::clamp(std::abs(at - 3) - 1, 0.25, 1.0);
  };
  return {part(0), part(4), part(2)};
}

// A picture that is summed up, `step` x `step` voxels a pixel.
class Canvas {
 public:
  explicit Canvas(const formats::Shape& shape)
      : step_((std::max(shape.y, shape.x) + kThumbnailSide - 1) / kThumbnailSide),
        height_((shape.y + step_ - 1) / step_),
        width_((shape.x + step_ - 1) / step_),
        sums_(height_ * width_),
        shape_(shape) {}

  // `to_light(number)` is 0 to 1 for each colour.
  template <class ToLight>
  Result<void> add(const OpenImage& image, const Region& region, ToLight&& to_light) {
    const formats::PixelType type = image.info.type;
    std::vector<std::byte> voxels(region.shape().voxels() * formats::bytes_of(type));
    TRY(read_region(image, region, voxels));
    formats::with_type(type, [&](auto sample) {
      using T = decltype(sample);
      const T* number = reinterpret_cast<const T*>(voxels.data());
      for (uint64_t y = 0; y < shape_.y; ++y) {
        for (uint64_t x = 0; x < shape_.x; ++x, ++number) {
          const Colour light = to_light(static_cast<double>(*number));
          Colour& sum = sums_[y / step_ * width_ + x / step_];
          for (size_t i = 0; i < kColours; ++i) sum[i] += light[i];
        }
      }
    });
    return {};
  }

  Result<std::string> png() const {
    pixels::PngImage picture;
    picture.width = static_cast<uint32_t>(width_);
    picture.height = static_cast<uint32_t>(height_);
    picture.colour = pixels::PngColour::rgb;
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

 private:
  const uint64_t step_;
  const uint64_t height_;
  const uint64_t width_;
  std::vector<Colour> sums_;
  const formats::Shape shape_;
};

}  // namespace

uint32_t colour_of(const formats::ImageInfo& info, uint64_t channel) {
  if (channel < info.channels.size() && info.channels[channel].colour)
    return *info.channels[channel].colour;
  if (info.levels.front().shape.c == 1) return 0xFFFFFF;
  constexpr std::array<uint32_t, 6> kOthers = {0x00FF00, 0xFF00FF, 0x00FFFF,
                                               0xFFFF00, 0xFF6600, 0x3366FF};
  return kOthers[channel % kOthers.size()];
}

Result<Thumbnail> make_thumbnail(const OpenImage& image, TileReader& tiles,
                                 Histograms& histograms) {
  Thumbnail thumbnail;
  const bool coloured = is_coloured(image.info);
  const uint64_t channels =
      std::min(coloured ? uint64_t{3} : kShownChannels, image.levels().front().shape.c);
  std::vector<Histogram> all;
  for (uint64_t c = 0; c < channels; ++c) {
    TRY_ASSIGN(auto answer, histograms.of(image, middle_plane(image, 0, c), {}, kThumbnailBytes));
    if (answer.cold) {
      thumbnail.cold = std::move(answer.cold);
      return thumbnail;
    }
    all.push_back(*answer.histogram);
  }
  // One level for all channels: the finest of those that were found.
  uint64_t level = image.levels().size() - 1;
  for (const Histogram& one : all) level = std::min(level, one.level);
  Canvas canvas(image.levels()[level].shape);
  for (uint64_t c = 0; c < channels; ++c) {
    TRY_ASSIGN(const Region region, plane_of(image, level, middle_plane(image, 0, c)));
    TRY_ASSIGN(thumbnail.cold, tiles.bring(image, {&region, 1}, kThumbnailBytes));
    if (thumbnail.cold) return thumbnail;
    const Colour colour = parts_of(colour_of(image.info, c));
    const double low = coloured ? 0 : all[c].p01;
    const double width = (coloured ? 255 : all[c].p999) - low;
    TRY(canvas.add(image, region, [&](double number) {
      if (image.is_labels) return colour_of_label(number);
      // A plane of one brightness is dark.
      const double light = width > 0 ? std::clamp((number - low) / width, 0.0, 1.0) : 0;
      if (std::isnan(light)) return Colour{};
      return Colour{light * colour[0], light * colour[1], light * colour[2]};
    }));
  }
  TRY_ASSIGN(thumbnail.png, canvas.png());
  return thumbnail;
}

}  // namespace tierhub::hub
