#include "imaging/voxels/crofton.h"

#include <cmath>
#include <numbers>
#include <vector>

namespace tierhub::imaging {
namespace {

struct Vector {
  double z, y, x;
};

Vector operator+(const Vector& a, const Vector& b) { return {a.z + b.z, a.y + b.y, a.x + b.x}; }
Vector operator-(const Vector& a, const Vector& b) { return {a.z - b.z, a.y - b.y, a.x - b.x}; }
Vector operator*(double f, const Vector& a) { return {f * a.z, f * a.y, f * a.x}; }
double dot(const Vector& a, const Vector& b) { return a.z * b.z + a.y * b.y + a.x * b.x; }
double length(const Vector& a) { return std::sqrt(dot(a, a)); }
Vector cross(const Vector& a, const Vector& b) {
  return {a.x * b.y - a.y * b.x, a.z * b.x - a.x * b.z, a.y * b.z - a.z * b.y};
}
Vector unit(const Vector& a) { return 1 / length(a) * a; }

Vector in_space(const Direction& direction, const Spacing& spacing) {
  return {direction.z * spacing.z, direction.y * spacing.y, direction.x * spacing.x};
}

// The solid angle of a triangle of vectors: Van Oosterom and Strackee, 1983.
double solid_angle(const Vector& a, const Vector& b, const Vector& c) {
  const double la = length(a), lb = length(b), lc = length(c);
  const double volume = std::abs(dot(a, cross(b, c)));
  const double base = la * lb * lc + dot(a, b) * lc + dot(a, c) * lb + dot(b, c) * la;
  return 2 * std::atan2(volume, base);
}

// The part of a cone, given by its edges in order, on the side of a plane through its tip to which
// `normal` points.
std::vector<Vector> cut(const std::vector<Vector>& cone, const Vector& normal) {
  std::vector<Vector> kept;
  for (size_t i = 0; i < cone.size(); ++i) {
    const Vector& edge = cone[i];
    const Vector& next = cone[(i + 1) % cone.size()];
    const double side = dot(edge, normal);
    const double next_side = dot(next, normal);
    if (side >= 0) kept.push_back(edge);
    if ((side >= 0) != (next_side >= 0))
      kept.push_back(edge + side / (side - next_side) * (next - edge));
  }
  return kept;
}

// The share of the sphere that is closer to `centre` and its opposite than to the other directions.
double share_of_sphere(const Vector& centre, const std::vector<Vector>& all) {
  const Vector axis = std::abs(centre.z) < 0.5 ? Vector{1, 0, 0} : Vector{0, 1, 0};
  const Vector side = unit(cross(centre, axis));
  const Vector up = cross(centre, side);
  constexpr double kWide = 1e4;  // nearly half the sphere
  std::vector<Vector> cone = {centre + kWide * (side + up), centre + kWide * (up - side),
                              centre - kWide * (side + up), centre + kWide * (side - up)};
  for (const Vector& other : all) {
    for (const Vector& rival : {other, -1 * other}) {
      const Vector normal = centre - rival;
      if (length(normal) > 1e-9) cone = cut(cone, normal);
    }
  }
  double angle = 0;
  for (size_t i = 1; i + 1 < cone.size(); ++i) angle += solid_angle(cone[0], cone[i], cone[i + 1]);
  return 2 * angle / (4 * std::numbers::pi);
}

}  // namespace

// Cauchy: a boundary's length is pi times the mean over all directions of what it spans across
// them. A line enters once and leaves once for each span, hence the half.
CroftonWeights perimeter_weights(const Spacing& spacing) {
  const double y = spacing.y;
  const double x = spacing.x;
  const double diagonal = std::hypot(y, x);
  // From one axis to the other the directions are 0, the diagonal's angle, and a right angle.
  const double to_diagonal = std::atan2(y, x);
  const double from_diagonal = std::numbers::pi / 2 - to_diagonal;
  CroftonWeights weights = {};
  // In the order of kDirectionSteps: along x, a diagonal, along y, the other diagonal.
  weights[0] = to_diagonal * y / 2;
  weights[2] = from_diagonal * x / 2;
  weights[1] = weights[3] = std::numbers::pi / 4 * (y * x / diagonal) / 2;
  return weights;
}

// Cauchy: a boundary's area is four times the mean over all directions of its shadow along them.
CroftonWeights surface_weights(const Spacing& spacing) {
  std::vector<Vector> units;
  for (const Direction& direction : kDirectionSteps)
    units.push_back(unit(in_space(direction, spacing)));
  const double voxel = spacing.z * spacing.y * spacing.x;
  CroftonWeights weights = {};
  for (size_t i = 0; i < kDirections; ++i) {
    const double area_of_a_line = voxel / length(in_space(kDirectionSteps[i], spacing));
    weights[i] = 4 * share_of_sphere(units[i], units) * area_of_a_line / 2;
  }
  return weights;
}

double boundary(const std::array<uint64_t, kDirections>& crossings, const CroftonWeights& weights) {
  double sum = 0;
  for (size_t i = 0; i < kDirections; ++i) sum += static_cast<double>(crossings[i]) * weights[i];
  return sum;
}

}  // namespace tierhub::imaging
