// What the descriptions of a TIFF file say about its pages: how they map to t, c and z, what the
// channels are called, how large a voxel is. OME-XML has precedence, then ImageJ, then tifffile.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/result.h"
#include "formats/image.h"
#include "formats/tiff_directory.h"

namespace tierhub::formats {

struct TiffLayout {
  uint64_t t = 1;
  uint64_t c = 1;  // without the samples inside a voxel
  uint64_t z = 1;
  std::string order = "ZCT";  // of the pages, fastest first
  bool z_assumed = false;     // no description says what the pages are
  // The planes follow one another from the first strip on, behind a single directory.
  bool contiguous = false;
  std::vector<Channel> channels;
  std::optional<VoxelSize> voxel_size;
  std::string unit;  // of voxel_size

  uint64_t planes() const { return t * c * z; }
  // How far apart in the file neighbours on `axis` ('T', 'C' or 'Z') are.
  uint64_t step(char axis) const;
};

// What ImageJ or tifffile wrote; `first` is the first page of `pages`. A description that
// contradicts itself or the number of pages is an error of code not_supported, so that nobody takes
// stains for planes; pages about which nothing is said are planes along z, with z_assumed set.
Result<TiffLayout> read_tiff_layout(const TiffDirectory& first, size_t pages,
                                    const std::string& path);

}  // namespace tierhub::formats
