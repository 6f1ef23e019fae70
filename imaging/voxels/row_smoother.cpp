#include "imaging/voxels/row_smoother.h"

#include <algorithm>

namespace tierhub::imaging {
namespace {

formats::AxisRange moved(const formats::AxisRange& range, uint64_t origin) {
  return {range.begin - origin, range.end - origin};
}

// A kernel of so many taps around `range`, as far as there are voxels.
formats::AxisRange reach(const formats::AxisRange& range, size_t taps, uint64_t size) {
  const uint64_t radius = taps - 1;
  return {range.begin - std::min(range.begin, radius), std::min(range.end + radius, size)};
}

// The rows that a kernel weighs at `i`; the first and the last of `range` are repeated beyond it.
template <class T, class RowAt>
void set_rows(RowPairs<T>& rows, uint64_t i, const formats::AxisRange& range, const RowAt& row_at) {
  rows.middle = row_at(i);
  for (size_t r = 0; r < rows.before.size(); ++r) {
    rows.before[r] = row_at(i - std::min<uint64_t>(r + 1, i - range.begin));
    rows.after[r] = row_at(std::min(i + r + 1, range.end - 1));
  }
}

template <class T>
void set_radius(RowPairs<T>& rows, size_t taps) {
  rows.before.resize(taps - 1);
  rows.after.resize(taps - 1);
}

}  // namespace

RowSmoother::RowSmoother(const GreyVolume& volume, const Box& grown, const Box& owned,
                         const Kernel& kernel)
    : volume_(volume),
      kernel_(kernel),
      owned_{owned.level,
             owned.t,
             owned.c,
             moved(owned.z, grown.z.begin),
             moved(owned.y, grown.y.begin),
             moved(owned.x, grown.x.begin)},
      needed_x_(reach(owned_.x, kernel.x.size(), volume.extent.x)),
      padded_(owned_.x.size() + 2 * (kernel.x.size() - 1)),
      row_(owned_.x.size()) {
  set_radius(grey_rows_, kernel.z.size());
}

const uint16_t* RowSmoother::grey_row(uint64_t z, uint64_t y) const {
  return &volume_.at(z, y, needed_x_.begin);
}

void RowSmoother::start_strip(uint64_t z, uint64_t begin, uint64_t end) {
  const uint64_t at = owned_.z.begin + z;
  strip_y_ =
      reach({owned_.y.begin + begin, owned_.y.begin + end}, kernel_.y.size(), volume_.extent.y);
  strip_.resize(strip_y_.size() * needed_x_.size());
  for (uint64_t y = strip_y_.begin; y < strip_y_.end; ++y) {
    set_rows(grey_rows_, at, {0, volume_.extent.z}, [&](uint64_t i) { return grey_row(i, y); });
    weigh_rows(grey_rows_, kernel_.z, needed_x_.size(),
               &strip_[(y - strip_y_.begin) * needed_x_.size()]);
  }
}

const float* RowSmoother::row(uint64_t y) {
  set_radius(rows_, kernel_.y.size());
  set_rows(rows_, owned_.y.begin + y, strip_y_, [&](uint64_t i) { return strip_row(i); });
  // Voxel 0 of the padded row is a radius before the first owned voxel.
  const size_t radius = kernel_.x.size() - 1;
  float* const first = &padded_[radius - (owned_.x.begin - needed_x_.begin)];
  float* const end = first + needed_x_.size();
  weigh_rows(rows_, kernel_.y, needed_x_.size(), first);
  std::fill(padded_.data(), first, *first);
  std::fill(end, padded_.data() + padded_.size(), end[-1]);
  set_radius(rows_, kernel_.x.size());
  rows_.middle = &padded_[radius];
  for (size_t r = 0; r < radius; ++r) {
    rows_.before[r] = rows_.middle - (r + 1);
    rows_.after[r] = rows_.middle + (r + 1);
  }
  weigh_rows(rows_, kernel_.x, row_.size(), row_.data());
  return row_.data();
}

}  // namespace tierhub::imaging
