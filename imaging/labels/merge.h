// Merges the labels of blocks into labels of the whole volume, exactly as if it had been labelled
// at once.
#pragma once

#include <cstdint>
#include <string>

#include "common/result.h"
#include "formats/selection.h"
#include "imaging/labels/label_folder.h"

namespace tierhub::imaging {

struct MergeOptions {
  std::string in;                // a folder of labels folders, or one of them
  formats::Selection selection;  // what of their volume the blocks must tile
  std::string out;               // the merged labels folder; empty: none
  std::string table;             // CSV; empty: none
};

struct MergeResult {
  uint64_t objects = 0;
  uint64_t blocks = 0;
  LabelRecord record;  // of the merged labels
};

// Joins objects across faces, edges and corners as the blocks' connectivity says, numbers them by
// their first voxel in z, y, x order, and adds their sums. The result depends on the voxels alone:
// not on the blocks, their order or their names. Memory grows with the number of objects and with
// the surface of two layers of blocks, not with the volume.
Result<MergeResult> merge_labels(const MergeOptions& options);

}  // namespace tierhub::imaging
