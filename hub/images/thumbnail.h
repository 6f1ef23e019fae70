// Small pictures of images: /api/thumbnail.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/result.h"
#include "hub/images/histogram.h"
#include "hub/images/store.h"
#include "hub/images/tile.h"

namespace tierhub::hub {

inline constexpr uint64_t kThumbnailSide = 256;  // pixels at most
// More than this is not fetched from the archive for a thumbnail.
inline constexpr uint64_t kThumbnailBytes = uint64_t{4} << 20;

// The colour of a channel, 0xRRGGBB: its own, or one that tells it from the others.
uint32_t colour_of(const formats::ImageInfo& info, uint64_t channel);

// A PNG of the middle plane of the first time point, all channels (4 at most) in their colours, from
// 1 % to 99.9 % of their brightness; colours of 8 bits and labels as they are. `cold` if no level is
// on the SSD.
struct Thumbnail {
  std::string png;
  uint64_t level = 0;  // that it was made from
  std::optional<TileReader::Cold> cold;
};
Result<Thumbnail> make_thumbnail(const OpenImage& image, TileReader& tiles, Histograms& histograms);
// What the files behind a thumbnail from a level are like now.
Result<pixels::Content> content_of_thumbnail(const OpenImage& image, uint64_t level);

}  // namespace tierhub::hub
