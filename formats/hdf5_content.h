// Which datasets of an HDF5 file are its image, and what the file says about them.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/result.h"
#include "formats/hdf5_file.h"
#include "formats/image.h"

namespace tierhub::formats {

struct Hdf5Content {
  // One dataset, or one for each level, time point and channel.
  using PathOf = std::function<std::string(uint64_t level, uint64_t t, uint64_t c)>;

  std::string format;
  PathOf path_of;
  std::vector<Axis> axes;         // of each dataset, slowest first
  std::vector<Level> levels;      // with shapes and voxel sizes only
  std::vector<Channel> channels;  // or none
  std::string voxel_unit;
  bool z_assumed = false;
  // Numbers that are written as int16 are uint16.
  bool int16_is_unsigned = false;
};

// Imaris 5.5 and later; nothing if the file is another. Arrays may be larger than the image.
Result<std::optional<Hdf5Content>> find_imaris(const Hdf5File& file);

// BigDataViewer: each setup is a channel; nothing if the file is another. Names and voxel sizes are
// in the XML file of the same name next to it, if there is one.
Result<std::optional<Hdf5Content>> find_big_data_viewer(const Hdf5File& file);

// The only array. Its axes are those of the attribute `axes` ("zyx") or `axistags` (vigra,
// ilastik); else the last of t, c, z, y and x. Its voxel size is in `element_size_um`.
Result<Hdf5Content> find_only_array(const Hdf5File& file);

}  // namespace tierhub::formats
