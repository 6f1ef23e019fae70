#include "imaging/voxels/fill.h"

#include <vector>

namespace tierhub::imaging {
namespace {

constexpr uint8_t kOutside = 2;

// Marks what is connected by faces to the outside.
class OutsideFill {
 public:
  OutsideFill(Volume<uint8_t>& mask, const Extent& shape) : mask_(mask), shape_(shape) {}

  void run() {
    visit_faces();
    while (!open_.empty()) {
      const size_t i = open_.back();
      open_.pop_back();
      visit_neighbours(i);
    }
  }

 private:
  void visit(size_t i) {
    if (mask_.voxels[i] != 0) return;
    mask_.voxels[i] = kOutside;
    open_.push_back(i);
  }

  // The voxels next to the outside, on the axes that lead there.
  void visit_faces() {
    const Extent& size = mask_.extent;
    for (uint64_t z = 0; z < size.z; ++z) {
      const bool all_of_plane = shape_.z > 1 && (z == 0 || z + 1 == size.z);
      for (uint64_t y = 0; y < size.y; ++y) {
        const bool all_of_row = all_of_plane || (shape_.y > 1 && (y == 0 || y + 1 == size.y));
        const size_t row = mask_.index(z, y, 0);
        if (all_of_row) {
          for (uint64_t x = 0; x < size.x; ++x) visit(row + x);
        } else if (shape_.x > 1) {
          visit(row);
          visit(row + size.x - 1);
        }
      }
    }
  }

  void visit_neighbours(size_t i) {
    const Extent& size = mask_.extent;
    const size_t plane = size.y * size.x;
    const uint64_t x = i % size.x;
    const uint64_t y = i / size.x % size.y;
    const uint64_t z = i / plane;
    if (x > 0) visit(i - 1);
    if (x + 1 < size.x) visit(i + 1);
    if (y > 0) visit(i - size.x);
    if (y + 1 < size.y) visit(i + size.x);
    if (z > 0) visit(i - plane);
    if (z + 1 < size.z) visit(i + plane);
  }

  Volume<uint8_t>& mask_;
  const Extent& shape_;
  std::vector<size_t> open_;
};

}  // namespace

uint64_t fill_holes(Volume<uint8_t>& mask, const Extent& shape) {
  for (uint8_t& voxel : mask.voxels) voxel = voxel != 0 ? 1 : 0;
  if (mask.voxels.empty()) return 0;
  OutsideFill(mask, shape).run();
  uint64_t filled = 0;
  for (uint8_t& voxel : mask.voxels) {
    if (voxel == 0) ++filled;
    voxel = voxel == kOutside ? 0 : 1;
  }
  return filled;
}

}  // namespace tierhub::imaging
