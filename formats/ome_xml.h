// OME-XML: what it says about the planes, channels and voxels of an image.
// https://www.openmicroscopy.org/Schemas/OME/2016-06
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "formats/image.h"

namespace tierhub::formats {

// Where planes are stored: `count` of them, from (t, c, z) on in the order of the image, on pages of
// a TIFF file from `page` on.
struct OmePlanes {
  uint64_t t = 0;
  uint64_t c = 0;  // counts the samples of a voxel, too
  uint64_t z = 0;
  uint64_t page = 0;
  std::optional<uint64_t> count;  // nothing: all that follow in the file
  std::string file;               // its name in the same folder; empty: the file itself
};

struct OmeImage {
  uint64_t t = 1;
  uint64_t c = 1;
  uint64_t z = 1;
  uint64_t y = 0;  // 0: it does not say
  uint64_t x = 0;
  std::string order = "ZCT";  // of the planes, fastest first
  std::vector<Channel> channels;
  std::optional<VoxelSize> voxel_size;
  std::string unit;  // of voxel_size
  std::vector<OmePlanes> planes;
};

struct OmeXml {
  std::vector<OmeImage> images;
  // The images are described in another file of the folder. Then there are none here.
  std::string metadata_file;
};

// `path` is for texts. An error of code invalid_argument if the text is no OME-XML or contradicts
// itself.
Result<OmeXml> parse_ome_xml(std::string_view xml, const std::string& path);

// True if a description, or the begin of a file, is OME-XML.
bool is_ome_xml(std::string_view text);

// One spelling of the units that microscopes use: "micrometer" for "µm".
std::string unit_name(std::string_view unit);

}  // namespace tierhub::formats
