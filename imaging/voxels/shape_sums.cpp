#include "imaging/voxels/shape_sums.h"

#include <algorithm>
#include <cassert>

namespace tierhub::imaging {
namespace {

// 0 + 1 + ... + (end - 1), and the same of squares.
WideInteger sum_below(uint64_t end) { return WideInteger{end} * (WideInteger{end} - 1) / 2; }
WideInteger sum_of_squares_below(uint64_t end) {
  return (WideInteger{end} - 1) * end * (2 * WideInteger{end} - 1) / 6;
}

// Voxels of one label next to each other in a row.
struct LabelRun {
  uint32_t label;
  uint64_t begin;
  uint64_t end;
};

// Measures rows one after the other. Keeps the rows around the current one, each with a voxel of
// background beyond either end of the volume.
class RowShapes {
 public:
  RowShapes(const LabelVolume& labels, const Box& grown, const Box& owned, const Extent& shape,
            uint64_t count)
      : labels_(labels),
        grown_(grown),
        owned_(owned),
        planes_apart_(shape.z > 1 ? 1 : 0),
        directions_used_(shape.z > 1 ? kDirections : kDirectionsInPlane),
        sums_(count) {
    for (Rows& rows : planes_) rows.fill(std::vector<uint32_t>(owned.x.size() + 2));
  }

  void measure(uint64_t z, const formats::AxisRange& y_range) {
    const auto first = static_cast<int64_t>(y_range.begin);
    for (int64_t y = first - 1; y <= first; ++y) read_rows(static_cast<int64_t>(z), y);
    for (uint64_t y = y_range.begin; y < y_range.end; ++y) {
      read_rows(static_cast<int64_t>(z), static_cast<int64_t>(y) + 1);
      measure_row(z, y);
    }
  }
  std::vector<ShapeSums> take_sums() { return std::move(sums_); }

 private:
  using Rows = std::array<std::vector<uint32_t>, 3>;  // the row before, the current one, the next

  // Moves on by a row: reads row y of this plane and of those next to it as the next rows.
  void read_rows(int64_t z, int64_t y) {
    for (int dz = -planes_apart_; dz <= planes_apart_; ++dz) {
      Rows& rows = planes_[dz + 1];
      std::rotate(rows.begin(), rows.begin() + 1, rows.end());
      read_row(z + dz, y, rows[2]);
    }
  }

  void read_row(int64_t z, int64_t y, std::vector<uint32_t>& row) const {
    std::fill(row.begin(), row.end(), 0);
    if (z < 0 || y < 0) return;
    const auto from_z = static_cast<uint64_t>(z);
    const auto from_y = static_cast<uint64_t>(y);
    if (!grown_.z.contains(from_z) || !grown_.y.contains(from_y)) return;
    const uint64_t before = owned_.x.begin > grown_.x.begin ? 1 : 0;
    const uint64_t after = owned_.x.end < grown_.x.end ? 1 : 0;
    const uint32_t* const from = &labels_.at(from_z - grown_.z.begin, from_y - grown_.y.begin,
                                             owned_.x.begin - before - grown_.x.begin);
    std::copy(from, from + before + owned_.x.size() + after,
              row.begin() + static_cast<ptrdiff_t>(1 - before));
  }

  void measure_row(uint64_t z, uint64_t y) {
    const std::vector<uint32_t>& row = planes_[1][1];
    const uint64_t end = row.size() - 1;
    for (uint64_t x = 1; x < end;) {
      LabelRun run{row[x], x, x + 1};
      while (run.end < end && row[run.end] == run.label) ++run.end;
      x = run.end;
      if (run.label == 0) continue;
      add_products(sums_[run.label - 1], z, y, run);
      add_crossings(sums_[run.label - 1], run);
    }
  }

  void add_products(ShapeSums& sums, uint64_t z, uint64_t y, const LabelRun& run) const {
    const uint64_t begin = owned_.x.begin + run.begin - 1;
    const uint64_t end = owned_.x.begin + run.end - 1;
    const WideInteger voxels = end - begin;
    const WideInteger sum_x = sum_below(end) - sum_below(begin);
    sums.zz += voxels * z * z;
    sums.yy += voxels * y * y;
    sums.xx += sum_of_squares_below(end) - sum_of_squares_below(begin);
    sums.zy += voxels * z * y;
    sums.zx += sum_x * z;
    sums.yx += sum_x * y;
  }

  void add_crossings(ShapeSums& sums, const LabelRun& run) const {
    for (size_t i = 0; i < directions_used_; ++i) {
      const auto& [z, y, x] = kDirectionSteps[i];
      sums.crossings[i] += count_others(z, y, x, run) + count_others(-z, -y, -x, run);
    }
  }

  uint64_t count_others(int z, int y, int x, const LabelRun& run) const {
    const uint32_t* const from = planes_[z + 1][y + 1].data() + x;
    uint64_t others = 0;
    for (uint64_t at = run.begin; at < run.end; ++at) others += from[at] != run.label ? 1 : 0;
    return others;
  }

  const LabelVolume& labels_;
  const Box grown_;
  const Box owned_;
  const int planes_apart_;
  const size_t directions_used_;
  std::array<Rows, 3> planes_;  // the plane before, the current one, the next
  std::vector<ShapeSums> sums_;
};

}  // namespace

void ShapeSums::add(const ShapeSums& other) {
  zz += other.zz;
  yy += other.yy;
  xx += other.xx;
  zy += other.zy;
  zx += other.zx;
  yx += other.yx;
  for (size_t i = 0; i < kDirections; ++i) crossings[i] += other.crossings[i];
}

Halo shape_halo(const Extent& shape) {
  return {shape.z > 1 ? uint64_t{1} : 0, shape.y > 1 ? uint64_t{1} : 0,
          shape.x > 1 ? uint64_t{1} : 0};
}

std::vector<ShapeSums> measure_shapes(const LabelVolume& labels, const Box& grown, const Box& owned,
                                      const Extent& shape, uint64_t count, Parallel parallel) {
  assert(labels.extent == grown.extent());
  assert(grown.contains(formats::grow(owned, shape_halo(shape), shape)));
  // A part for each thread: parts of planes, so that a single plane is shared too.
  const uint64_t rows = owned.z.size() * owned.y.size();
  const size_t parts = std::min<uint64_t>(parallel.threads(), rows);
  std::vector<std::vector<ShapeSums>> sums(parts);
  parallel.for_each(parts, [&](size_t part) {
    RowShapes shapes(labels, grown, owned, shape, count);
    const uint64_t end = rows * (part + 1) / parts;
    for (uint64_t row = rows * part / parts; row < end;) {
      const uint64_t plane = row / owned.y.size();
      const uint64_t y = row % owned.y.size();
      const uint64_t taken = std::min(owned.y.size() - y, end - row);
      shapes.measure(owned.z.begin + plane, {owned.y.begin + y, owned.y.begin + y + taken});
      row += taken;
    }
    sums[part] = shapes.take_sums();
  });
  std::vector<ShapeSums> all(count);
  for (const std::vector<ShapeSums>& part : sums) {
    for (uint64_t i = 0; i < count; ++i) all[i].add(part[i]);
  }
  return all;
}

}  // namespace tierhub::imaging
