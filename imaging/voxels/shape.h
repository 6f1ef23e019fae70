// The shape of an object in numbers, computed from exact integer sums.
#pragma once

#include <array>
#include <optional>

#include "imaging/voxels/crofton.h"
#include "imaging/voxels/objects.h"
#include "imaging/voxels/shape_sums.h"

namespace tierhub::imaging {

// Lengths are in sides of a voxel in the plane. An object of a volume of one plane is measured in
// the plane, all others in space.
struct Shape {
  double size = 0;                 // area, or volume
  double equivalent_diameter = 0;  // of the disc, or ball, of this size
  // The full axes of the ellipse, or ellipsoid, with the same second central moments, longest
  // first; voxels count as points, so the axis of a row of voxels across the row is 0. In the plane
  // the third is 0.
  std::array<double, 3> axis_lengths = {};
  double boundary = 0;  // perimeter over 4 directions, or surface over 13: see crofton.h
  // 4 pi size / perimeter^2 in the plane; in space Wadell's sphericity, the surface of the ball of
  // this size over the surface. About 1 for discs and balls (slightly more for small ones), less
  // for everything else.
  double form_factor = 0;
  double extent = 0;  // size over that of the bounding box
  // In the plane only. Of the ellipse: 0 for a circle, 1 for a line.
  std::optional<double> eccentricity;
  // In the plane only: the angle from the y axis to the longest axis, toward x, in radians, from
  // -pi/2 to pi/2; pi/4 or -pi/4 where no axis is the longest.
  std::optional<double> orientation;
};

// Computes shapes of objects of one volume. Any thread.
//
// In the plane, size, equivalent_diameter, axis_lengths, extent, eccentricity, orientation and
// boundary agree with area, equivalent_diameter_area, axis_major_length, axis_minor_length, extent,
// eccentricity, orientation and perimeter_crofton(directions=4) of scikit-image 0.19 to 14 digits;
// in space, where it has them, the lengths too. Its plain `perimeter` is another estimate, and
// differs by up to 16 % on objects of a few voxels.
class ShapeMeter {
 public:
  ShapeMeter(const Extent& shape, const Spacing& spacing);

  // `object` and `sums` are of the same object, with at least one voxel.
  Shape operator()(const ObjectSums& object, const ShapeSums& sums) const;

 private:
  const bool is_flat_;
  const std::array<double, 3> spacing_;  // z, y, x
  const CroftonWeights weights_;
};

}  // namespace tierhub::imaging
