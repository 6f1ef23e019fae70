// Which images a path means.
#pragma once

#include <string>
#include <vector>

#include "common/result.h"

namespace tierhub::imaging {

// The image at each path, or the images of the OME-Zarr plate, of the well or of the folder that is
// there. An error if one of them cannot be read.
Result<std::vector<std::string>> images_at(const std::vector<std::string>& paths);

}  // namespace tierhub::imaging
