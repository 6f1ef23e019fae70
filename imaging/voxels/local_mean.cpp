#include "imaging/voxels/local_mean.h"

#include <algorithm>
#include <vector>

namespace tierhub::imaging {
namespace {

// Sums over boxes, of a few rows of the result, plane by plane.
class RowsOfSums {
 public:
  // Rows of the result: [begin, end) of the owned ones.
  RowsOfSums(const GreyVolume& volume, const Box& grown, const Box& owned, const Halo& radius,
             uint64_t begin, uint64_t end)
      : volume_(volume),
        first_{owned.z.begin - grown.z.begin, owned.y.begin - grown.y.begin + begin,
               owned.x.begin - grown.x.begin},
        radius_(radius),
        rows_(end - begin),
        width_(owned.x.size()),
        ring_((2 * radius.z + 1) * rows_ * width_),
        sums_(rows_ * width_),
        added_(width_),
        removed_(width_) {}

  // Calls use(plane, sums) for each plane of the result, in order.
  template <class Use>
  void for_each_plane(uint64_t planes, Use&& use) {
    const uint64_t depth = 2 * radius_.z + 1;
    for (uint64_t i = 0; i < depth; ++i) enter(i);
    for (uint64_t z = 0;; ++z) {
      use(z, sums_.data());
      if (z + 1 == planes) return;
      leave(z % depth);
      enter(z + depth);
    }
  }

 private:
  // Where `at + step - radius` lies in the volume in memory, which reaches to the border.
  static uint64_t clamped(uint64_t at, uint64_t step, uint64_t radius, uint64_t size) {
    const auto place = static_cast<int64_t>(at + step) - static_cast<int64_t>(radius);
    return static_cast<uint64_t>(std::clamp<int64_t>(place, 0, static_cast<int64_t>(size) - 1));
  }

  // Adds the plane that enters the box as it moves for the i-th time.
  void enter(uint64_t i) {
    uint64_t* plane = &ring_[i % (2 * radius_.z + 1) * rows_ * width_];
    sum_plane(clamped(first_.z, i, radius_.z, volume_.extent.z), plane);
    for (size_t k = 0; k < sums_.size(); ++k) sums_[k] += plane[k];
  }
  void leave(uint64_t slot) {
    const uint64_t* plane = &ring_[slot * rows_ * width_];
    for (size_t k = 0; k < sums_.size(); ++k) sums_[k] -= plane[k];
  }

  void sum_plane(uint64_t z, uint64_t* plane) {
    const auto row = [&](uint64_t step) {
      return &volume_.at(z, clamped(first_.y, step, radius_.y, volume_.extent.y), 0);
    };
    std::fill_n(plane, width_, 0);
    for (uint64_t step = 0; step <= 2 * radius_.y; ++step) {
      sum_row(row(step), added_);
      for (uint64_t x = 0; x < width_; ++x) plane[x] += added_[x];
    }
    for (uint64_t y = 1; y < rows_; ++y) {
      sum_row(row(y - 1), removed_);
      sum_row(row(y + 2 * radius_.y), added_);
      const uint64_t* before = plane + (y - 1) * width_;
      uint64_t* sums = plane + y * width_;
      for (uint64_t x = 0; x < width_; ++x) sums[x] = before[x] + added_[x] - removed_[x];
    }
  }

  void sum_row(const uint16_t* row, std::vector<uint32_t>& sums) const {
    const uint64_t size = volume_.extent.x;
    uint32_t sum = 0;
    for (uint64_t step = 0; step <= 2 * radius_.x; ++step)
      sum += row[clamped(first_.x, step, radius_.x, size)];
    sums[0] = sum;
    for (uint64_t x = 1; x < width_; ++x) {
      sum += row[clamped(first_.x, x + 2 * radius_.x, radius_.x, size)];
      sum -= row[clamped(first_.x, x - 1, radius_.x, size)];
      sums[x] = sum;
    }
  }

  struct Place {
    uint64_t z, y, x;
  };

  const GreyVolume& volume_;
  const Place first_;  // the first voxel of the result, in the volume in memory
  const Halo radius_;
  const uint64_t rows_;
  const uint64_t width_;
  std::vector<uint64_t> ring_;  // the planes inside the box
  std::vector<uint64_t> sums_;  // over them
  std::vector<uint32_t> added_;
  std::vector<uint32_t> removed_;
};

}  // namespace

Volume<uint8_t> brighter_than_local_mean(const GreyVolume& volume, const Box& grown,
                                         const Box& owned, const Halo& radius, const Extent& shape,
                                         Parallel parallel) {
  const Halo reach{shape.z > 1 ? radius.z : 0, shape.y > 1 ? radius.y : 0,
                   shape.x > 1 ? radius.x : 0};
  const Extent size = owned.extent();
  const uint64_t box_voxels = (2 * reach.z + 1) * (2 * reach.y + 1) * (2 * reach.x + 1);
  Volume<uint8_t> brighter(size);
  // So many rows that those which two neighbours sum are few.
  const uint64_t rows_at_once = std::max<uint64_t>(32, 2 * reach.y);
  parallel.for_each((size.y + rows_at_once - 1) / rows_at_once, [&](size_t i) {
    const uint64_t begin = i * rows_at_once;
    const uint64_t end = std::min(size.y, begin + rows_at_once);
    RowsOfSums sums(volume, grown, owned, reach, begin, end);
    sums.for_each_plane(size.z, [&](uint64_t z, const uint64_t* sum) {
      for (uint64_t y = begin; y < end; ++y) {
        const uint16_t* from =
            &volume.at(owned.z.begin - grown.z.begin + z, owned.y.begin - grown.y.begin + y,
                       owned.x.begin - grown.x.begin);
        uint8_t* to = &brighter.at(z, y, 0);
        for (uint64_t x = 0; x < size.x; ++x, ++sum) to[x] = from[x] * box_voxels > *sum;
      }
    });
  });
  return brighter;
}

}  // namespace tierhub::imaging
