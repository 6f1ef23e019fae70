// Which part of an image a command works on: the texts of --select, --box, --halo and --range, and
// the voxels that they select.
#pragma once

#include <string>
#include <string_view>

#include "common/result.h"
#include "formats/image.h"
#include "imaging/voxels/volume.h"

namespace tierhub::imaging {

// As they were given; empty if they were not. --box and --select exclude each other.
struct Part {
  std::string in;
  std::string select;
  std::string box;
  std::string halo;
  std::string range;
};

// The voxels that --box or --select chooses. A level that is not named is 0. An image with more
// than one time point or channel is refused unless the options say which: the error names the
// choice, and `select` where it is not --select that chooses.
Result<Box> chosen_box(const formats::ImageInfo& info, const Part& part,
                       std::string_view select = "--select");
Result<Halo> chosen_halo(const Part& part);

}  // namespace tierhub::imaging
