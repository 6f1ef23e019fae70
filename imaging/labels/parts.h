// How a large volume is processed in parts, so that memory stays bounded. Results never depend on
// the parts.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/result.h"
#include "imaging/images/memory.h"
#include "imaging/images/output.h"
#include "imaging/labels/label_block.h"

namespace tierhub::imaging {

// Cuts `box` into parts that suit memory and the image: one part if it has at most 64 Mi voxels;
// else cubes where chunks are deep, slabs of planes where they are flat.
Result<std::vector<Box>> working_parts(const formats::ImageInfo& info, const Box& box);

// Labels of the working parts of a box. One part is in memory; several lie in a folder, which is
// removed with this.
struct Parts {
  std::optional<OutputFolder> folder;
  std::vector<LabelBlock> blocks;
};
// `make` labels one part. The folder is beside `out`.
Result<Parts> make_parts(const formats::ImageInfo& info, const Box& box, const std::string& out,
                         Parallel parallel,
                         const std::function<Result<LabelBlock>(const Box&)>& make);
// Of labels that are joined so. `make` leaves the labels of one part. What stays are the labels, or
// the chunks of them that merging keeps.
Result<void> make_parts(MemoryUse& memory, const formats::ImageInfo& info, const Box& box,
                        Joining joining, const std::function<Result<void>(const Box&)>& make);

}  // namespace tierhub::imaging
