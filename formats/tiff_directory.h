// One image file directory of a TIFF file, and the chain that links them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/result.h"
#include "formats/file_tree.h"

namespace tierhub::formats {

// The tags that tell what a page holds, with TIFF's defaults.
struct TiffDirectory {
  uint64_t offset_bytes = 0;
  uint64_t width = 0;
  uint64_t height = 0;
  uint64_t bits = 1;
  uint64_t samples = 1;
  uint64_t sample_format = 1;  // 1 unsigned, 2 signed, 3 floating point
  uint64_t compression = 1;
  uint64_t photometric = 1;
  uint64_t rows_per_strip = 0;
  uint64_t tile_width = 0;
  uint64_t tile_height = 0;
  bool reduced = false;       // a smaller copy of another page
  bool grey_palette = false;  // its palette maps each of 256 values to that shade of grey
  double x_resolution = 0;    // pixels per unit; 0 if the file does not say
  double y_resolution = 0;
  std::vector<std::string> descriptions;  // of the first page only; some programs write several
};

// All directories of the file in order, at most kMaxTiffPages; the first page's descriptions are
// read too.
inline constexpr size_t kMaxTiffPages = 1'000'000;
struct TiffDirectories {
  std::vector<TiffDirectory> pages;
  bool big_endian = false;
};
Result<TiffDirectories> read_tiff_directories(const FileTree& tree, const std::string& path,
                                              uint64_t file_bytes);

}  // namespace tierhub::formats
