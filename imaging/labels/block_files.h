// The JSON files that tasks write, one for each block of a volume.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "formats/selection.h"
#include "imaging/voxels/volume.h"

namespace tierhub::imaging {

// `path` itself, or all *.json of a folder, sorted; an error if there is none. `thing` is what they
// hold, for errors: "histogram".
Result<std::vector<std::string>> block_files(const std::string& path, std::string_view thing);

// What is selected of a volume of `shape`; an error unless the boxes tile it. `path` is for errors.
Result<Box> tiled_box(const std::vector<Box>& boxes, const Extent& shape,
                      const formats::Selection& selection, const std::string& path);

}  // namespace tierhub::imaging
