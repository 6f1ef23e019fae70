// The table of the objects of one image.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "imaging/labels/label_record.h"
#include "imaging/voxels/objects.h"

namespace tierhub::imaging {

// The size of a voxel in micrometres; nothing if it is not known.
std::optional<formats::VoxelSize> voxel_in_micrometres(const LabelRecord& record);

// The columns that every table of objects begins with: where an object is, its label, its size, its
// centroid and its bounding box.
class PlaceColumns {
 public:
  explicit PlaceColumns(const LabelRecord& record);

  std::string header() const;
  void add(size_t label, const ObjectSums& object, fmt::memory_buffer& text) const;

 private:
  bool has_z_;
  bool is_plane_;
  std::optional<formats::VoxelSize> size_;
  std::string place_;  // the cells that are the same for all objects
};

// The sum of the numbers that grey values stand for: exact where they are integers.
std::string sum_text(uint64_t greys, uint64_t voxels, const GreyScale& scale);

// CSV (RFC 4180), a row for each object, label 1 first. Columns: where the object is (file, well,
// field, t, c), its label, its size in pixels and, if the size of a voxel is known, in micrometres,
// its centroid and bounding box (half-open) in voxels of the whole image, and the intensity before
// smoothing, if the labels were made with an image. A number without voxels has no row. Numbers
// have the digits that are known: sizes and sums are exact, positions have thousandths of a voxel,
// all else six significant digits.
std::string object_table(const std::vector<ObjectSums>& objects, const LabelRecord& record);

}  // namespace tierhub::imaging
