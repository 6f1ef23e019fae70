// Where finished labels go: a folder of their own, or an image that has them among its labels
// (OME-Zarr 0.4: IMAGE/labels/NAME).
#pragma once

#include <string>

#include "common/result.h"
#include "imaging/labels/merge.h"

namespace tierhub::imaging {

// Writes labels to `path`, an OME-Zarr label image: array 0, and the smaller levels that an image of
// this size has.
Result<void> write_label_image(const MergedLabels& labels, const std::string& path,
                               Parallel parallel);
// Of labels of `box`: MergedLabels::in_memory() has them, or they are numbered while they are read.
enum class LabelState { in_memory, to_be_read };
void write_label_image(MemoryUse& memory, const Box& box, LabelState state);

// Writes them as labels NAME of the OME-Zarr image at `image`, with as many levels, and adds NAME to
// the list in IMAGE/labels; labels of that name are replaced. An error unless the labels cover the
// whole of one time point and channel of level 0.
//
// 1. IMAGE/labels is made, with its .zgroup, and locked: others who add labels wait.
// 2. The labels are written under a hidden name beside their own.
// 3. They get their name.
// 4. The list gets the name, with a rename. Killed before: viewers do not see the labels, and
//    writing them again mends it.
Result<void> write_labels_into(const MergedLabels& labels, const std::string& image,
                               const std::string& name, Parallel parallel);

}  // namespace tierhub::imaging
