// Which part of an image a command works on: the options --in, --select, --box and --halo, and the
// voxels that they choose.
#pragma once

#include <functional>
#include <string>

#include <CLI/CLI.hpp>

#include "common/result.h"
#include "formats/dataset.h"
#include "imaging/volume.h"

namespace tierhub::imaging {

struct Part {
  std::string in;
  std::string select;
  std::string box;
  std::string halo;
};

// --in.
void add_input(CLI::App& command, Part& part);
// --select: of an image, one level, time point and channel, and ranges of z, y and x.
CLI::Option* add_select(CLI::App& command, Part& part);
// --in, --select, and for blocks --box and --halo instead.
void add_part(CLI::App& command, Part& part);
// --select (or --region) of a command that puts blocks together: what the blocks tile, if it is not
// a whole volume.
void add_selected_blocks(CLI::App& command, std::string& select);

// The voxels that --box or --select chooses. A level that is not named is 0. An image with more
// than one time point or channel is refused unless the options say which: the error names the
// choice.
Result<Box> chosen_box(const formats::Dataset& dataset, const Part& part);
Result<Halo> chosen_halo(const Part& part);

}  // namespace tierhub::imaging
