// Which objects lie near each other, and how far apart they are.
#pragma once

#include <cstdint>
#include <vector>

#include "common/result.h"
#include "imaging/voxels/distance.h"
#include "imaging/voxels/expand.h"
#include "imaging/voxels/objects.h"
#include "imaging/voxels/parallel.h"
#include "imaging/voxels/volume.h"

namespace tierhub::imaging {

struct Neighbour {
  uint32_t label = 0;
  // The distance between the centres of their two closest voxels, squared, in sixteenths of the
  // side of a voxel in the plane: 16 squared if they touch by a face.
  uint64_t square = 0;
  bool operator==(const Neighbour&) const = default;
};
// Ascending by label.
using Neighbours = std::vector<Neighbour>;

// For each label, the other ones of which a voxel lies within `distance` of its voxels in `owned`
// (expand_halo says how far that is, and which distances are an error). `labels` holds the voxels
// of `grown`, which must reach beyond `owned` by the halo, or to the border of the volume of
// `shape`. `places` are those of the labels' voxels in `owned`. For an object that lies in several
// blocks, the nearest of each label over all blocks are those of the whole.
//
// The squares fit into 32 bits: `distance` is at most kMaxExpansion. Each thread needs the box of
// an object, with the halo around it, twice, and four bytes for each label.
Result<std::vector<Neighbours>> find_neighbours(const LabelVolume& labels, const Box& grown,
                                                const std::vector<ObjectSums>& places,
                                                double distance, const Steps& steps,
                                                const Extent& shape,
                                                Parallel parallel = Parallel());

// Of each label the nearer one.
void add_neighbours(Neighbours& to, const Neighbours& more);

}  // namespace tierhub::imaging
