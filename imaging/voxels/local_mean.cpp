#include "imaging/voxels/local_mean.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "imaging/voxels/tiles.h"

namespace tierhub::imaging {
namespace {

template <class Sum, class T>
void add_to(Sum* sums, const T* row, size_t size) {
  for (size_t x = 0; x < size; ++x) sums[x] += row[x];
}
template <class Sum, class T>
void remove_from(Sum* sums, const T* row, size_t size) {
  for (size_t x = 0; x < size; ++x) sums[x] -= row[x];
}

// The nearest place to `at + step - radius` on an axis of `size` voxels.
uint64_t nearest(uint64_t at, uint64_t step, uint64_t radius, uint64_t size) {
  return at + step < radius ? 0 : std::min(at + step - radius, size - 1);
}

// Some rows of the result in all its planes. Sums run along z, then y, then x, each over those of
// the axis before: adding rows is what vector instructions are good at. Sum holds the sum of a box.
template <class Sum>
class RowsOfSums {
 public:
  // Rows of the result: [begin, end) of the owned ones.
  RowsOfSums(const GreyVolume& volume, const Box& grown, const Box& owned, const Halo& radius,
             uint64_t begin, uint64_t end)
      : volume_(volume),
        radius_(radius),
        width_(volume.extent.x),
        first_z_(owned.z.begin - grown.z.begin),
        first_y_(owned.y.begin - grown.y.begin + begin),
        first_x_(owned.x.begin - grown.x.begin),
        rows_(end - begin),
        base_y_(nearest(first_y_, 0, radius.y, volume.extent.y)),
        along_z_((std::min(first_y_ + rows_ + radius.y, volume.extent.y) - base_y_) * width_),
        along_y_(width_),
        before_(owned.x.size() + 2 * radius.x + 1) {}

  // Calls compare(z, y, grey, sums) for each row: sums[x + box] - sums[x] is the sum of the box
  // around voxel x, as both may have wrapped around.
  template <class Compare>
  void for_each_row(uint64_t planes, const Compare& compare) {
    for (uint64_t i = 0; i <= 2 * radius_.z; ++i) add_plane(i);
    for (uint64_t z = 0; z < planes; ++z) {
      if (z > 0) {
        add_plane(z + 2 * radius_.z);
        remove_plane(z - 1);
      }
      compare_rows(z, compare);
    }
  }

 private:
  const uint16_t* plane(uint64_t step) const {
    return &volume_.at(nearest(first_z_, step, radius_.z, volume_.extent.z), base_y_, 0);
  }
  void add_plane(uint64_t step) { add_to(along_z_.data(), plane(step), along_z_.size()); }
  void remove_plane(uint64_t step) { remove_from(along_z_.data(), plane(step), along_z_.size()); }

  const Sum* row(uint64_t step) const {
    const uint64_t y = nearest(first_y_, step, radius_.y, volume_.extent.y);
    return &along_z_[(y - base_y_) * width_];
  }

  template <class Compare>
  void compare_rows(uint64_t z, const Compare& compare) {
    std::fill(along_y_.begin(), along_y_.end(), Sum{0});
    for (uint64_t i = 0; i <= 2 * radius_.y; ++i) add_to(along_y_.data(), row(i), width_);
    for (uint64_t y = 0; y < rows_; ++y) {
      if (y > 0) {
        add_to(along_y_.data(), row(y + 2 * radius_.y), width_);
        remove_from(along_y_.data(), row(y - 1), width_);
      }
      sum_along_x();
      compare(z, y, &volume_.at(first_z_ + z, first_y_ + y, first_x_), before_.data());
    }
  }

  void sum_along_x() {
    Sum sum = 0;
    for (uint64_t i = 0; i + 1 < before_.size(); ++i) {
      before_[i] = sum;
      sum = static_cast<Sum>(sum + along_y_[nearest(first_x_, i, radius_.x, width_)]);
    }
    before_.back() = sum;
  }

  const GreyVolume& volume_;
  const Halo radius_;
  const uint64_t width_;
  const uint64_t first_z_, first_y_, first_x_;  // of the result, in the volume in memory
  const uint64_t rows_;
  const uint64_t base_y_;  // the first row of along_z_
  std::vector<Sum> along_z_;
  std::vector<Sum> along_y_;
  std::vector<Sum> before_;  // what comes before each place along x
};

template <class Sum>
MaskVolume compare_with_sums(const GreyVolume& volume, const Box& grown, const Box& owned,
                             const Halo& radius, uint64_t box_voxels, Parallel parallel) {
  constexpr uint64_t kLeast = 64;
  const uint64_t height = std::max(kLeast, 4 * radius.y);
  const uint64_t box_width = 2 * radius.x + 1;
  const auto n = static_cast<Sum>(box_voxels);
  MaskVolume brighter(owned.extent());
  const Extent size = brighter.extent;
  parallel.for_each((size.y + height - 1) / height, [&](size_t i) {
    const uint64_t begin = i * height;
    RowsOfSums<Sum> rows(volume, grown, owned, radius, begin, std::min(size.y, begin + height));
    rows.for_each_row(size.z, [&](uint64_t z, uint64_t y, const uint16_t* grey, const Sum* sums) {
      uint8_t* const to = &brighter.at(z, begin + y, 0);
      for (uint64_t x = 0; x < size.x; ++x)
        to[x] = grey[x] * n > static_cast<Sum>(sums[x + box_width] - sums[x]) ? 1 : 0;
    });
  });
  return brighter;
}

}  // namespace

MaskVolume brighter_than_local_mean(const GreyVolume& volume, const Box& grown, const Box& owned,
                                    const Halo& radius, const Extent& shape, Parallel parallel) {
  const Halo used = radius_in(shape, radius);
  const uint64_t box_voxels = (2 * used.z + 1) * (2 * used.y + 1) * (2 * used.x + 1);
  constexpr uint64_t kBrightest = std::numeric_limits<uint16_t>::max();
  if (box_voxels <= std::numeric_limits<uint32_t>::max() / kBrightest)
    return compare_with_sums<uint32_t>(volume, grown, owned, used, box_voxels, parallel);
  return compare_with_sums<uint64_t>(volume, grown, owned, used, box_voxels, parallel);
}

}  // namespace tierhub::imaging
