#include "imaging/voxels/resize.h"

#include <vector>

namespace tierhub::imaging {
namespace {

template <class T>
void add_cells(const T* row, uint64_t width, uint64_t cell, std::vector<uint64_t>& sums) {
  uint64_t x = 0;
  for (size_t i = 0; i < sums.size(); ++i) {
    uint64_t sum = 0;
    for (const uint64_t end = std::min(x + cell, width); x < end; ++x) sum += row[x];
    sums[i] += sum;
  }
}

// The row (z, y) of the smaller volume.
template <class T>
void mean_row(const Volume<T>& volume, const Extent& cell, uint64_t z, uint64_t y, T* to,
              std::vector<uint64_t>& sums) {
  const Extent& size = volume.extent;
  const uint64_t z_end = std::min((z + 1) * cell.z, size.z);
  const uint64_t y_end = std::min((y + 1) * cell.y, size.y);
  std::fill(sums.begin(), sums.end(), 0);
  for (uint64_t from_z = z * cell.z; from_z < z_end; ++from_z)
    for (uint64_t from_y = y * cell.y; from_y < y_end; ++from_y)
      add_cells(&volume.at(from_z, from_y, 0), size.x, cell.x, sums);
  const uint64_t rows = (z_end - z * cell.z) * (y_end - y * cell.y);
  for (size_t i = 0; i < sums.size(); ++i) {
    const uint64_t voxels = rows * std::min(cell.x, size.x - i * cell.x);
    to[i] = static_cast<T>((2 * sums[i] + voxels) / (2 * voxels));
  }
}

}  // namespace

template <class T>
Volume<T> resize(const Volume<T>& volume, const Extent& cell, Resize how, Parallel parallel) {
  Volume<T> smaller(cells_in(volume.extent, cell));
  const Extent& size = smaller.extent;
  parallel.for_ranges(size.z * size.y, [&](size_t begin, size_t end) {
    std::vector<uint64_t> sums(size.x);
    for (size_t row = begin; row < end; ++row) {
      const uint64_t z = row / size.y, y = row % size.y;
      T* const to = &smaller.at(z, y, 0);
      if (how == Resize::mean) {
        mean_row(volume, cell, z, y, to, sums);
      } else {
        const T* const from = &volume.at(z * cell.z, y * cell.y, 0);
        for (uint64_t x = 0; x < size.x; ++x) to[x] = from[x * cell.x];
      }
    }
  });
  return smaller;
}
template GreyVolume resize(const GreyVolume&, const Extent&, Resize, Parallel);
template LabelVolume resize(const LabelVolume&, const Extent&, Resize, Parallel);

}  // namespace tierhub::imaging
