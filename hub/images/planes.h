// Reading parts of planes, on every level that the page and Zarr clients see, and knowing before which
// bytes that needs.
//
// Levels that are not stored follow from the last stored one. While a tile of a level comes from at
// most kMostBehindBytes of decoded voxels, its voxels are the means of those behind them, or the
// first of each four for labels (pixels/shrink.h). Levels for which it would be more are sampled: every
// 2nd, 4th, 8th, ... row and column of the last stored level. A level is one or the other as a
// whole, so a tile is always the same. Levels of which even a sample needs more have no voxels: the
// error says how to make the image readable.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "common/result.h"
#include "formats/image.h"
#include "hub/images/store.h"
#include "hub/images/tiers.h"

namespace tierhub::hub {

inline constexpr uint64_t kTile = 512;  // voxels along y and x
inline constexpr uint64_t kMostBehindBytes = uint64_t{256} << 20;

// `built`: in the image's pyramid.
enum class LevelSource { stored, computed, sampled, too_large, built };
LevelSource source_of(const OpenImage& image, uint64_t level);

// About how many bytes are decoded for a region, if nothing is in the cache.
uint64_t decoded_bytes(const OpenImage& image, const formats::Region& region);

// An error unless the pixels can be decoded and the region lies inside the image.
Result<void> check_readable(const OpenImage& image, const formats::Region& region);

// The bytes that reading the regions would fetch now: none of chunks that are decoded already.
Result<FileParts> needed_parts(const OpenImage& image, std::span<const formats::Region> regions);

// All bytes behind a region of a stored level, decoded or not.
Result<FileParts> stored_parts(const OpenImage& image, const formats::Region& region);

// What the files behind the regions are like now. Of an image whose version says so of all of its
// files it is the same for every region. Looks at files, and reads nothing.
Result<pixels::Content> content_of(const OpenImage& image,
                                   std::span<const formats::Region> regions);
// The version of the image, and what the files of the regions are like: a tag for their voxels.
std::string tag_of(const OpenImage& image, const pixels::Content& content);

// Fills `voxels` with a region of the image's type, as PixelReader::read() does; waits for the archive
// if bytes are missing.
Result<void> read_region(const OpenImage& image, const formats::Region& region,
                         std::span<std::byte> voxels);

// One plane's tile: 512 x 512 voxels, fewer at the right and lower edge.
struct TileAddress {
  uint64_t level = 0;
  uint64_t t = 0;
  uint64_t c = 0;
  uint64_t z = 0;
  uint64_t y = 0;  // in tiles
  uint64_t x = 0;
};
// Empty if the tile lies outside the level, which exists.
formats::Region region_of(const OpenImage& image, const TileAddress& tile);

}  // namespace tierhub::hub
