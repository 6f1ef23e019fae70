#include "imaging/labels/smoothed.h"

#include "imaging/voxels/tiles.h"

namespace tierhub::imaging {

Result<SmoothedBlock> read_smoothed(const ImageReader& reader, const Box& box, const Halo& margin,
                                    const Sigma& sigma, Parallel parallel) {
  const Extent shape = reader.shape_at(box.level);
  TRY_ASSIGN(const Halo halo, minimum_halo(sigma, shape));
  SmoothedBlock block;
  block.region = formats::grow(box, margin, shape);
  const Box grown = formats::grow(block.region, halo, shape);
  TRY_ASSIGN(GreyVolume volume, reader.read_grey(grown));
  TRY_ASSIGN(block.smoothed, smooth(volume, grown, block.region, sigma, shape, parallel));
  block.original = grown == box ? std::move(volume) : crop(volume, grown, box);
  return block;
}

Result<Box> read_smoothed(MemoryUse& memory, const ImageReader& reader, const Box& box,
                          const Halo& margin, const Sigma& sigma) {
  const Extent shape = reader.shape_at(box.level);
  TRY_ASSIGN(const Halo halo, minimum_halo(sigma, shape));
  const Box region = formats::grow(box, margin, shape);
  const Box grown = formats::grow(region, halo, shape);
  memory.read_grey(reader, grown);
  memory.allocate(grey_bytes(region));
  if (grown != box) {
    memory.allocate(grey_bytes(box));
    memory.free(grey_bytes(grown));
  }
  return region;
}

Result<Halo> needed_halo(const Halo& margin, const Sigma& sigma, const Extent& shape) {
  TRY_ASSIGN(const Halo halo, minimum_halo(sigma, shape));
  const Halo around = radius_in(shape, margin);
  return Halo{halo.z + around.z, halo.y + around.y, halo.x + around.x};
}

}  // namespace tierhub::imaging
