#include "hub/images/thumbnail.h"

#include <algorithm>
#include <array>
#include <vector>

#include "hub/images/canvas.h"

namespace tierhub::hub {
namespace {

using formats::Region;

constexpr uint64_t kShownChannels = 4;
// Red, green and blue of a camera or a slide: they are no channels of a microscope.
bool is_coloured(const formats::ImageInfo& info) {
  return info.type == formats::PixelType::uint8 && info.channels.size() >= 3 &&
         info.channels[0].name == "red" && info.channels[1].name == "green" &&
         info.channels[2].name == "blue";
}

uint64_t shown_channels(const OpenImage& image) {
  return std::min(is_coloured(image.info) ? uint64_t{3} : kShownChannels,
                  image.levels().front().shape.c);
}

}  // namespace

uint32_t colour_of(const formats::ImageInfo& info, uint64_t channel) {
  if (channel < info.channels.size() && info.channels[channel].colour)
    return *info.channels[channel].colour;
  if (info.levels.front().shape.c == 1) return 0xFFFFFF;
  constexpr std::array<uint32_t, 6> kOthers = {0x00FF00, 0xFF00FF, 0x00FFFF,
                                               0xFFFF00, 0xFF6600, 0x3366FF};
  return kOthers[channel % kOthers.size()];
}

Result<pixels::Content> content_of_thumbnail(const OpenImage& image, uint64_t level) {
  std::vector<Region> regions;
  for (uint64_t c = 0; c < shown_channels(image); ++c) {
    TRY_ASSIGN(const Region region, plane_of(image, level, middle_plane(image, 0, c)));
    regions.push_back(region);
  }
  return content_of(image, regions);
}

Result<Thumbnail> make_thumbnail(const OpenImage& image, TileReader& tiles,
                                 Histograms& histograms) {
  Thumbnail thumbnail;
  const bool coloured = is_coloured(image.info);
  const uint64_t channels = shown_channels(image);
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
  thumbnail.level = level;
  const formats::Shape& shape = image.levels()[level].shape;
  Canvas canvas(shape, (std::max(shape.y, shape.x) + kThumbnailSide - 1) / kThumbnailSide);
  const formats::PixelType type = image.info.type;
  for (uint64_t c = 0; c < channels; ++c) {
    TRY_ASSIGN(const Region region, plane_of(image, level, middle_plane(image, 0, c)));
    TRY_ASSIGN(thumbnail.cold, tiles.bring(image, {&region, 1}, kThumbnailBytes));
    if (thumbnail.cold) return thumbnail;
    std::vector<std::byte> voxels(region.shape().voxels() * formats::bytes_of(type));
    TRY(read_region(image, region, voxels));
    if (image.is_labels) {
      canvas.add_labels(type, voxels);
    } else {
      const double low = coloured ? 0 : all[c].p01;
      const double high = coloured ? 255 : all[c].p999;
      canvas.add(type, voxels, {colour_of(image.info, c), low, high});
    }
  }
  TRY_ASSIGN(thumbnail.png, canvas.png(pixels::PngEffort::small));
  return thumbnail;
}

}  // namespace tierhub::hub
