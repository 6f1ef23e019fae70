// What the descriptions of a TIFF file say about its pages: how they map to t, c and z, what the
// channels are called, how large a voxel is. OME-XML has precedence, then ImageJ, then tifffile.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/result.h"
#include "formats/dataset.h"
#include "formats/tiff_directory.h"

namespace tierhub::formats {

struct TiffLayout {
  uint64_t t = 1;
  uint64_t c = 1;
  uint64_t z = 1;
  std::string order = "ZCT";  // of the pages, fastest first
  bool z_assumed = false;     // no description says what the pages are
  std::vector<std::string> channel_names;
  std::optional<VoxelSize> voxel_size;
  std::string unit;  // of voxel_size

  // How far apart in the file neighbours on `axis` ('T', 'C' or 'Z') are.
  uint64_t step(char axis) const;
};

// `first` is the first page of `pages`. A description that contradicts itself or the number of
// pages is an error of code not_supported, so that nobody takes stains for planes; pages about
// which nothing is said are planes along z, with z_assumed set.
Result<TiffLayout> read_tiff_layout(const TiffDirectory& first, size_t pages,
                                    const std::string& path);

}  // namespace tierhub::formats
