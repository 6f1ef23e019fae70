// What is measured of an object. Only integers are kept until the table is printed: they can be
// added in any order, so a table does not depend on the blocks.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "formats/box.h"
#include "imaging/voxels/parallel.h"
#include "imaging/voxels/volume.h"

namespace tierhub::imaging {

// Coordinates are in voxels of the whole volume.
struct ObjectSums {
  uint64_t voxels = 0;
  uint64_t sum_z = 0;
  uint64_t sum_y = 0;
  uint64_t sum_x = 0;
  uint64_t sum_intensity = 0;          // of the image before smoothing
  std::array<uint64_t, 3> first = {};  // the first voxel in z, y, x order
  formats::AxisRange z, y, x;          // the bounding box
  uint64_t bright = 0;                 // voxels that count_bright found
  bool operator==(const ObjectSums&) const = default;

  void add(const ObjectSums& other);
};

// The sums of labels 1..count; `labels` and `image` hold the voxels of `box`, which is less than
// 2^32 voxels wide. Each thread needs count * sizeof(ObjectSums) bytes.
std::vector<ObjectSums> measure(const LabelVolume& labels, const GreyVolume& image, const Box& box,
                                uint64_t count, Parallel parallel = Parallel());
// The same without intensities: they are 0.
std::vector<ObjectSums> measure_places(const LabelVolume& labels, const Box& box, uint64_t count,
                                       Parallel parallel = Parallel());

// Adds to each object its voxels that are brighter than `threshold` in `image`, which has the
// voxels of `labels`.
void count_bright(const LabelVolume& labels, const GreyVolume& image, uint64_t threshold,
                  std::vector<ObjectSums>& objects);

// One line of integers an object, label 1 first: how a labels folder keeps them. All of them are 0
// if no voxel has the label.
std::string objects_to_text(const std::vector<ObjectSums>& objects);
Result<std::vector<ObjectSums>> objects_from_text(std::string_view text, const std::string& path);

}  // namespace tierhub::imaging
