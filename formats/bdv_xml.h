// The XML file next to the HDF5 file of BigDataViewer (SpimData 0.2): names and voxel sizes.
// https://imagej.net/plugins/bdv/
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/image.h"

namespace tierhub::formats {

struct BdvSetup {
  uint64_t id = 0;
  std::string name;                     // empty if it has none
  std::optional<VoxelSize> voxel_size;  // of level 0
  std::string unit;                     // of voxel_size; empty if it has none
};

// The setups that the text describes; none if it is no such text.
std::vector<BdvSetup> parse_bdv_xml(std::string_view xml);

}  // namespace tierhub::formats
