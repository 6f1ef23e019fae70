#include "imaging/labels/blocks.h"

#include <algorithm>

#include <fmt/format.h>

#include "imaging/voxels/smooth.h"

namespace tierhub::imaging {

Result<std::vector<Box>> working_parts(const formats::ImageInfo& info, const Box& box) {
  constexpr uint64_t kVoxelsAtOnce = uint64_t{1} << 26;
  constexpr uint64_t kSlabVoxels = uint64_t{1} << 24;
  constexpr Extent kCube{64, 512, 512};
  constexpr Extent kTile{1, 4096, 4096};
  if (box.voxels() <= kVoxelsAtOnce) return std::vector{box};
  if (info.levels[box.level].chunk.z > 1) return formats::tile(box, kCube);
  const uint64_t planes = kSlabVoxels / (box.y.size() * box.x.size());
  if (planes == 0) return formats::tile(box, kTile);
  return formats::tile(box, {planes, box.y.size(), box.x.size()});
}

Result<SmoothedBlock> read_smoothed(const ImageReader& reader, const Box& owned, const Halo& halo,
                                    double sigma) {
  const Extent shape = reader.shape_at(owned.level);
  const Box grown = formats::grow(owned, halo, shape);
  TRY_ASSIGN(const GreyVolume volume, reader.read_grey(grown));
  SmoothedBlock block;
  TRY_ASSIGN(block.smoothed, smooth(volume, grown, owned, sigma, shape));
  block.original = crop(volume, grown, owned);
  return block;
}

Result<void> check_halo(const Halo& halo, double sigma, const Extent& shape) {
  TRY_ASSIGN(const Halo minimum, minimum_halo(sigma, shape));
  if (halo.z >= minimum.z && halo.y >= minimum.y && halo.x >= minimum.x) return {};
  return Error(
      std::errc::invalid_argument,
      fmt::format("the halo {} is too small for sigma {}: blocks are exact only from {} on",
                  formats::to_text(halo), sigma, formats::to_text(minimum)));
}

}  // namespace tierhub::imaging
