#include "imaging/voxels/distance.h"

#include <cassert>
#include <cmath>
#include <span>

namespace tierhub::imaging {
namespace {

using Parabola = DistanceLines::Parabola;

// So many neighbouring lines are copied together: a cache line of squares.
constexpr uint64_t kLinesAtOnce = 8;

// Calls `transform` with each run of values that are not 0. Nothing beyond the zeros at its ends is
// nearer to it.
template <class Transform>
void for_each_run(std::span<uint64_t> line, const Transform& transform) {
  for (size_t begin = 0; begin < line.size();) {
    size_t end = begin;
    while (end < line.size() && line[end] != 0) ++end;
    if (end > begin) transform(line.subspan(begin, end - begin));
    begin = end + 1;
  }
}

// Calls `transform` with the runs of each line along one axis, whose voxels are `stride` apart.
template <class Transform>
void for_each_line(Volume<uint64_t>& squares, uint64_t length, uint64_t stride,
                   std::vector<uint64_t>& buffer, const Transform& transform) {
  buffer.resize(kLinesAtOnce * length);
  for (size_t block = 0; block < squares.voxels.size(); block += length * stride) {
    for (uint64_t first = 0; first < stride; first += kLinesAtOnce) {
      const uint64_t lines = std::min(kLinesAtOnce, stride - first);
      uint64_t* const base = &squares.voxels[block + first];
      for (uint64_t i = 0; i < length; ++i) {
        for (uint64_t k = 0; k < lines; ++k) buffer[k * length + i] = base[i * stride + k];
      }
      for (uint64_t k = 0; k < lines; ++k)
        for_each_run(std::span(&buffer[k * length], length), transform);
      for (uint64_t i = 0; i < length; ++i) {
        for (uint64_t k = 0; k < lines; ++k) base[i * stride + k] = buffer[k * length + i];
      }
    }
  }
}

void transform_first(std::span<uint64_t> run, uint64_t step) {
  for (size_t i = 0; i < run.size(); ++i) {
    const uint64_t nearest = std::min(i + 1, run.size() - i) * step;
    run[i] = nearest * nearest;
  }
}

int64_t value(const Parabola& parabola, int64_t at, int64_t square) {
  const int64_t offset = at - parabola.centre;
  return square * offset * offset + parabola.height;
}

// The first position at which `right` is lower than `left`.
int64_t crossing(const Parabola& left, const Parabola& right, int64_t square) {
  const int64_t rise = right.height - left.height +
                       square * (right.centre * right.centre - left.centre * left.centre);
  return 1 + rise / (2 * square * (right.centre - left.centre));
}

// Replaces each value by the lowest parabola over it; the run has a 0 at either end.
void transform_next(std::span<uint64_t> run, int64_t square, std::vector<Parabola>& envelope) {
  const auto last = static_cast<int64_t>(run.size()) + 1;
  envelope.resize(run.size() + 2);
  envelope[0] = {0, 0, 0};
  size_t top = 0;
  for (int64_t centre = 1; centre <= last; ++centre) {
    const int64_t height = centre == last ? 0 : static_cast<int64_t>(run[centre - 1]);
    Parabola next{centre, height, 0};
    bool is_lowest = false;
    while (value(envelope[top], envelope[top].from, square) >
           value(next, envelope[top].from, square)) {
      is_lowest = top == 0;
      if (is_lowest) break;
      --top;
    }
    if (!is_lowest) {
      next.from = crossing(envelope[top], next, square);
      if (next.from > last) continue;
      ++top;
    }
    envelope[top] = next;
  }
  for (int64_t at = last - 1; at > 0; --at) {
    while (envelope[top].from > at) --top;
    run[at - 1] = static_cast<uint64_t>(value(envelope[top], at, square));
  }
}

}  // namespace

uint32_t floor_sqrt(uint64_t n) {
  auto root = static_cast<uint64_t>(std::sqrt(static_cast<double>(n)));
  if (root * root > n) --root;
  if ((root + 1) * (root + 1) <= n) ++root;
  return static_cast<uint32_t>(root);
}

const Volume<uint64_t>& DistanceTransform::operator()(const Volume<uint8_t>& mask,
                                                      const Steps& steps, const Extent& shape) {
  const Extent& size = mask.extent;
  squares_.extent = size;
  squares_.voxels.resize(mask.voxels.size());
  for (size_t i = 0; i < mask.voxels.size(); ++i) squares_.voxels[i] = mask.voxels[i] != 0 ? 1 : 0;
  bool is_first = true;
  const auto pass = [&](uint64_t length, uint64_t stride, uint64_t step) {
    assert(step > 0 && (length + 1) * step < uint64_t{1} << 30);
    const auto transform = [&](std::span<uint64_t> run) {
      if (is_first) {
        transform_first(run, step);
      } else {
        transform_next(run, static_cast<int64_t>(step * step), lines_.envelope);
      }
    };
    for_each_line(squares_, length, stride, lines_.values, transform);
    is_first = false;
  };
  if (shape.x > 1 || shape.voxels() == 1) pass(size.x, 1, steps.x);
  if (shape.y > 1) pass(size.y, size.x, steps.y);
  if (shape.z > 1) pass(size.z, size.x * size.y, steps.z);
  return squares_;
}

Volume<uint64_t> squared_distance(const Volume<uint8_t>& mask, const Steps& steps,
                                  const Extent& shape) {
  DistanceTransform transform;
  return transform(mask, steps, shape);
}

}  // namespace tierhub::imaging
