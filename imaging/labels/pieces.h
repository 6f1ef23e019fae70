// What is done to each object by itself, after the objects of all blocks were joined: its holes are
// filled, and it is split where it consists of several that touch.
#pragma once

#include <cstdint>
#include <vector>

#include "common/result.h"
#include "imaging/images/memory.h"
#include "imaging/labels/merge.h"
#include "imaging/voxels/distance.h"

namespace tierhub::imaging {

struct PieceOptions {
  bool fill_holes = true;
  double h = 1;  // as in SplitOptions; 0: objects are not split
  Steps steps;
  // An object that is longer along an axis is left as it is.
  uint64_t max_extent = 1024;
  Parallel parallel{};
};

// The pieces, in `box`, of all objects of `labels`; `original` holds the image's voxels of `box`.
// Every block that an object touches computes the same pieces of it, from the whole object, so it
// may be cut by any blocks. A voxel in a hole belongs to the object around it, also if it was another
// object's. Input for a merge, which joins pieces by their keys.
// Reads the labels of whole objects, wherever they are; no voxel of the image outside the box.
Result<LabelBlock> find_pieces(const MergedLabels& labels, const GreyVolume& original,
                               const Box& box, const PieceOptions& options);

// Of `objects`, as far as they are known: others are taken for small ones.
void find_pieces(MemoryUse& memory, const Box& box, const PieceOptions& options,
                 const std::vector<ObjectSums>& objects);

// The labels of objects that are too long to be split, of those whose first voxel is in `box`.
std::vector<uint32_t> too_long(const MergedLabels& labels, const Box& box,
                               const PieceOptions& options);

}  // namespace tierhub::imaging
