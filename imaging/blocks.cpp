#include "imaging/blocks.h"

#include <algorithm>

#include <fmt/format.h>

#include "imaging/smooth.h"

namespace tierhub::imaging {

Result<std::vector<Box>> working_parts(const formats::Dataset& dataset, const Box& box) {
  constexpr uint64_t kSlabVoxels = uint64_t{1} << 24;
  constexpr Extent kCube{64, 512, 512};
  switch (dataset.kind) {
    case formats::Kind::ome_zarr:
      return formats::tile(box, kCube);
    case formats::Kind::tiff: {
      const uint64_t planes = std::max<uint64_t>(1, kSlabVoxels / (box.y.size() * box.x.size()));
      return formats::tile(box, {planes, box.y.size(), box.x.size()});
    }
  }
  return std::vector<Box>{};
}

Result<SmoothedBlock> read_smoothed(ImageReader& reader, const Box& owned, const Halo& halo,
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
