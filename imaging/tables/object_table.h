// The table of the objects of one image.
#pragma once

#include <string>
#include <vector>

#include "imaging/labels/label_record.h"
#include "imaging/voxels/objects.h"

namespace tierhub::imaging {

// CSV (RFC 4180), a row for each object, label 1 first. Columns: where the object is (file, well,
// field, t, c), its label, its size in pixels and, if the size of a voxel is known, in micrometres,
// its centroid and bounding box (half-open) in voxels of the whole image, and the intensity before
// smoothing, if the labels were made with an image. A number without voxels has no row. Numbers have the digits that are known: sizes and sums are exact, positions have
// thousandths of a voxel, all else six significant digits.
std::string object_table(const std::vector<ObjectSums>& objects, const LabelRecord& record);

}  // namespace tierhub::imaging
