// MRC and CCP4 maps of electron microscopy. MRC2014: Cheng et al., J. Struct. Biol. 192 (2015) 146.
#pragma once

#include <memory>
#include <string_view>

#include "common/result.h"
#include "formats/image.h"

namespace tierhub::formats {

// `head` has the first 1024 bytes of a file.
bool is_mrc_header(std::string_view head);

// Volumes are zyx, stacks of images tyx, stacks of volumes tzyx. Voxel sizes are in angstrom.
Result<std::unique_ptr<Image>> open_mrc(std::shared_ptr<const NotedTree> tree,
                                        std::string_view head);

}  // namespace tierhub::formats
