// Which objects lie in which: spots in cells.
#pragma once

#include <cstdint>
#include <vector>

#include "common/result.h"
#include "imaging/labels/merge.h"

namespace tierhub::imaging {

struct Parent {
  uint32_t label = 0;    // 0: no voxel of the child lies in an object
  uint64_t overlap = 0;  // how many voxels of the child lie in it
};

// The parent of each child, by label: the object with most of its voxels, of two with as many the
// one with the smaller label. Both labels cover the same voxels of the same image, or that is an
// error; `parts` tile them (their t and c are not used), and the result does not depend on them.
Result<std::vector<Parent>> find_parents(const MergedLabels& children, const MergedLabels& parents,
                                         const std::vector<Box>& parts);

// What the children of each object are, by its label.
struct Children {
  uint64_t count = 0;
  uint64_t voxels = 0;  // of all of them, also outside the parent
};
std::vector<Children> children_of(const MergedLabels& children, const std::vector<Parent>& parents,
                                  size_t count);

}  // namespace tierhub::imaging
