// Going through a volume slab by slab, in bounded memory.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "common/result.h"
#include "imaging/images/memory.h"
#include "imaging/images/reader.h"
#include "imaging/voxels/projection.h"

namespace tierhub::imaging {

inline constexpr uint64_t kSlabVoxels = uint64_t{1} << 25;

// The planes of the box, as many at once as have about kSlabVoxels voxels.
inline Result<std::vector<Box>> slabs_of(const Box& box) {
  const uint64_t planes = std::max<uint64_t>(1, kSlabVoxels / (box.y.size() * box.x.size()));
  return formats::tile(box, {planes, box.y.size(), box.x.size()});
}

// Calls `use` with one slab of planes of the box after the other.
template <class Use>
Result<void> for_each_slab(const Box& box, Use&& use) {
  TRY_ASSIGN(const std::vector<Box> slabs, slabs_of(box));
  for (const Box& slab : slabs) TRY(use(slab));
  return {};
}

// `box` projected along z. An error if it has more than kMaxProjectedPlanes planes. Memory is
// bounded by that plane and a slab.
Result<LabelVolume> project_along_z(const ImageReader& image, const Box& box, Projection method);
// But for the chunks that slabs cut: there is one list of them for all boxes that are projected.
Result<void> project_along_z(MemoryUse& memory, const ImageReader& image, const Box& box);

}  // namespace tierhub::imaging
