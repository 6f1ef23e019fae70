// The length of a boundary in a plane, and its area in a volume, from how often straight lines
// cross it: Crofton's formula over the directions between neighbouring voxels.
#pragma once

#include <array>
#include <cstdint>

#include "imaging/voxels/shape_sums.h"

namespace tierhub::imaging {

// How far apart neighbouring voxels are on each axis, in sides of a voxel in the plane. Positive.
struct Spacing {
  double z = 1;
  double y = 1;
  double x = 1;
};

// What a crossing of each direction adds to the boundary, for voxels `spacing` apart; in sides of a
// voxel in the plane, or their squares. Lines of a direction are weighed by how close to each other
// they are and by the share of all directions that are closest to it (Lehmann and Legland,
// "Efficient N-dimensional surface estimation using Crofton formula and run-length encoding",
// 2012).
using CroftonWeights = std::array<double, kDirections>;
// Of 4 directions; 0 for those out of the plane.
CroftonWeights perimeter_weights(const Spacing& spacing);
// Of 13 directions.
CroftonWeights surface_weights(const Spacing& spacing);

// The sum of crossings times weights, in the order of the directions.
double boundary(const std::array<uint64_t, kDirections>& crossings, const CroftonWeights& weights);

}  // namespace tierhub::imaging
