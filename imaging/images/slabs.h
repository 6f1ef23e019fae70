// Going through a volume slab by slab, in bounded memory.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "common/result.h"
#include "imaging/images/reader.h"
#include "imaging/voxels/projection.h"

namespace tierhub::imaging {

inline constexpr uint64_t kSlabVoxels = uint64_t{1} << 25;

// Calls `use` with one slab of planes of the box after the other.
template <class Use>
Result<void> for_each_slab(const Box& box, Use&& use) {
  const uint64_t planes = std::max<uint64_t>(1, kSlabVoxels / (box.y.size() * box.x.size()));
  TRY_ASSIGN(const std::vector<Box> slabs,
             formats::tile(box, {planes, box.y.size(), box.x.size()}));
  for (const Box& slab : slabs) TRY(use(slab));
  return {};
}

// `box` projected along z. An error if it has more than kMaxProjectedPlanes planes. Memory is
// bounded by that plane and a slab.
Result<LabelVolume> project_along_z(const ImageReader& image, const Box& box, Projection method);

}  // namespace tierhub::imaging
