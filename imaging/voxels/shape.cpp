#include "imaging/voxels/shape.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace tierhub::imaging {
namespace {

using std::numbers::pi;

using Matrix = std::array<std::array<double, 3>, 3>;

// n * (sum of a * b) - (sum of a) * (sum of b), over n squared. The difference is exact: with fewer
// than 2^40 voxels at coordinates below 2^20 the products are below 2^120.
double covariance(uint64_t voxels, WideInteger sum_ab, uint64_t sum_a, uint64_t sum_b) {
  const WideInteger difference = WideInteger{voxels} * sum_ab - WideInteger{sum_a} * sum_b;
  const auto n = static_cast<double>(voxels);
  return static_cast<double>(difference) / (n * n);
}

Matrix covariances(const ObjectSums& o, const ShapeSums& s, const std::array<double, 3>& spacing) {
  Matrix m = {};
  m[0][0] = covariance(o.voxels, s.zz, o.sum_z, o.sum_z);
  m[1][1] = covariance(o.voxels, s.yy, o.sum_y, o.sum_y);
  m[2][2] = covariance(o.voxels, s.xx, o.sum_x, o.sum_x);
  m[0][1] = m[1][0] = covariance(o.voxels, s.zy, o.sum_z, o.sum_y);
  m[0][2] = m[2][0] = covariance(o.voxels, s.zx, o.sum_z, o.sum_x);
  m[1][2] = m[2][1] = covariance(o.voxels, s.yx, o.sum_y, o.sum_x);
  for (size_t a = 0; a < 3; ++a) {
    for (size_t b = 0; b < 3; ++b) m[a][b] *= spacing[a] * spacing[b];
  }
  return m;
}

// Of a symmetric matrix without negative ones, largest first: Jacobi's rotations.
std::array<double, 3> eigenvalues(Matrix m) {
  constexpr int kSweeps = 50;  // five are enough
  constexpr std::array<std::array<size_t, 2>, 3> kPairs = {{{0, 1}, {0, 2}, {1, 2}}};
  for (int sweep = 0; sweep < kSweeps; ++sweep) {
    for (const auto& [p, q] : kPairs) {
      if (m[p][q] == 0) continue;
      const double theta = (m[q][q] - m[p][p]) / (2 * m[p][q]);
      const double t = (theta < 0 ? -1 : 1) / (std::abs(theta) + std::sqrt(theta * theta + 1));
      const double c = 1 / std::sqrt(t * t + 1);
      const double s = t * c;
      const size_t r = 3 - p - q;
      m[p][p] -= t * m[p][q];
      m[q][q] += t * m[p][q];
      m[p][q] = m[q][p] = 0;
      const double rp = c * m[r][p] - s * m[r][q];
      const double rq = s * m[r][p] + c * m[r][q];
      m[r][p] = m[p][r] = rp;
      m[r][q] = m[q][r] = rq;
    }
  }
  std::array<double, 3> values = {m[0][0], m[1][1], m[2][2]};
  for (double& value : values) value = std::max(value, 0.0);
  std::sort(values.rbegin(), values.rend());
  return values;
}

double orientation_of(const Matrix& m) {
  const double yy = m[1][1], xx = m[2][2], yx = m[1][2];
  if (yy == xx) return yx > 0 ? pi / 4 : -pi / 4;
  return 0.5 * std::atan2(2 * yx, yy - xx);
}

void measure_in_plane(Shape& shape, const Matrix& m) {
  shape.equivalent_diameter = std::sqrt(4 * shape.size / pi);
  const std::array<double, 3> values = eigenvalues(m);
  for (size_t i = 0; i < 2; ++i) shape.axis_lengths[i] = 4 * std::sqrt(values[i]);
  shape.form_factor = 4 * pi * shape.size / (shape.boundary * shape.boundary);
  shape.eccentricity = values[0] == 0 ? 0 : std::sqrt(1 - values[1] / values[0]);
  shape.orientation = orientation_of(m);
}

void measure_in_space(Shape& shape, const Matrix& m) {
  shape.equivalent_diameter = std::cbrt(6 * shape.size / pi);
  const std::array<double, 3> values = eigenvalues(m);
  for (size_t i = 0; i < 3; ++i) shape.axis_lengths[i] = std::sqrt(20 * values[i]);
  shape.form_factor = pi * shape.equivalent_diameter * shape.equivalent_diameter / shape.boundary;
}

}  // namespace

ShapeMeter::ShapeMeter(const Extent& shape, const Spacing& spacing)
    : is_flat_(shape.z == 1),
      spacing_{spacing.z, spacing.y, spacing.x},
      weights_(is_flat_ ? perimeter_weights(spacing) : surface_weights(spacing)) {}

Shape ShapeMeter::operator()(const ObjectSums& object, const ShapeSums& sums) const {
  Shape shape;
  const double voxel = (is_flat_ ? 1 : spacing_[0]) * spacing_[1] * spacing_[2];
  const uint64_t box = object.z.size() * object.y.size() * object.x.size();
  shape.size = static_cast<double>(object.voxels) * voxel;
  shape.extent = static_cast<double>(object.voxels) / static_cast<double>(box);
  shape.boundary = boundary(sums.crossings, weights_);
  const Matrix m = covariances(object, sums, spacing_);
  is_flat_ ? measure_in_plane(shape, m) : measure_in_space(shape, m);
  return shape;
}

}  // namespace tierhub::imaging
